"""Non-maximum suppression of heatmaps."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch
from torch import Tensor

from pyposeops import _core
from pyposeops._library import accepts_numpy, choice, register

Plateau = Literal["first", "all", "none"]
PLATEAUS = {"first": 0, "all": 1, "none": 2}  # enum class Plateau in csrc/core/local_maxima.h


def _allocate(heatmaps: Tensor) -> Tensor:
    channels_last = (
        heatmaps.ndim == 4
        and not heatmaps.is_contiguous()
        and heatmaps.is_contiguous(memory_format=torch.channels_last)
    )
    return torch.empty_like(
        heatmaps, memory_format=torch.channels_last if channels_last else torch.contiguous_format
    )


def _kernel(heatmaps: Tensor, values: Tensor, window: int, plateau: int, threshold: float) -> Tensor:
    scratch = None
    if heatmaps.is_cuda:
        words = _core.heatmap_nms_scratch_words(heatmaps, window, plateau)
        scratch = heatmaps.new_empty(words, dtype=torch.int32)
    suppressed = _allocate(heatmaps)
    _core.heatmap_nms(heatmaps, values, threshold, window, plateau, suppressed, scratch)
    return suppressed


def _fake(heatmaps: Tensor, values: Tensor, window: int, plateau: int, threshold: float) -> Tensor:
    return _allocate(heatmaps)


_nms_op = register(
    "heatmap_nms(Tensor heatmaps, Tensor values, int window, int plateau, float threshold) -> Tensor",
    _kernel,
    _fake,
)


class _HeatmapNms(torch.autograd.Function):
    """``values`` where ``heatmaps`` has peaks: linear in ``values``, so that its derivative is itself."""

    @staticmethod
    def forward(ctx: Any, heatmaps: Tensor, values: Tensor, *options: Any) -> Tensor:
        ctx.save_for_backward(heatmaps)
        ctx.options = options
        suppressed: Tensor = _nms_op(heatmaps, values, *options)
        return suppressed

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (heatmaps,) = ctx.saved_tensors
        return None, _HeatmapNms.apply(heatmaps, grad, *ctx.options), *[None] * len(ctx.options)


@accepts_numpy
def heatmap_nms(
    heatmaps: Tensor,
    *,
    window: int = 5,
    plateau: Plateau = "first",
    threshold: float = -math.inf,
) -> Tensor:
    """Keep the peaks of every map and set all other pixels to 0.

    A pixel is a peak if its value is above ``threshold`` and no value in the ``window`` x ``window`` pixels around it
    is larger. Pixels outside the map count as minus infinity, so that peaks on the border are found. Equal peaks in
    each other's window, and chains of them, form a plateau:

    ======= ===================================================================================================
    plateau what stays
    ======= ===================================================================================================
    "first" of every plateau exactly one pixel, the first in row-major order
    "all"   every peak: the rule of max-pooling and comparing, as in mmpose, CenterNet and HigherHRNet
    "none"  only peaks that are larger than everything else in their window, as in kornia's ``nms2d``, which
            besides finds nothing whose window leaves the map
    ======= ===================================================================================================

    A NaN is never a peak and counts as minus infinity for its neighbours, and so does a pixel of minus infinity. A
    pixel of plus infinity is a peak like any other.

    Args:
        heatmaps: (B, K, H, W), float32, float64, float16 or bfloat16; NCHW, channels_last or any strides, nothing is
            copied. B and K may be 0, H and W must be at least 1.
        window: side of the window in pixels, odd, 3 to 63.
        plateau: see the table.
        threshold: only values above it can be peaks. By default all numbers can, those below 0 too.

    Returns:
        (B, K, H, W), of the dtype of heatmaps; channels_last where heatmaps are, else contiguous.

    Raises:
        ValueError: a shape that is not (B, K, H, W) with H and W at least 1, an even ``window`` or one out of range,
            an unknown ``plateau``, a ``threshold`` that is NaN.
        TypeError: heatmaps that are not floating.

    Gradients pass through the peaks as they are, and are 0 elsewhere; so do second derivatives. The result is the
    same on every device and in every run.

    Example:
        >>> heatmaps = torch.tensor([[0.1, 0.9, 0.9, 0.2, 0.5]]).view(1, 1, 1, 5)
        >>> heatmap_nms(heatmaps, window=3).flatten()
        tensor([0.0000, 0.9000, 0.0000, 0.0000, 0.5000])

    Source: Neubeck and Van Gool, Efficient Non-Maximum Suppression, ICPR 2006, for the rule; Newell et al.,
    Associative Embedding, NeurIPS 2017, for its use on heatmaps.
    """
    code = choice(plateau, PLATEAUS, "plateau")
    if heatmaps.requires_grad and torch.is_grad_enabled():
        result: Tensor = _HeatmapNms.apply(heatmaps.detach(), heatmaps, window, code, threshold)
        return result
    suppressed: Tensor = _nms_op(heatmaps, heatmaps, window, code, threshold)
    return suppressed
