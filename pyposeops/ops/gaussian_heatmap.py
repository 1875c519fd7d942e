"""Gaussian targets for heat-map regression."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops import _core, reference
from pyposeops._library import accepts_numpy, choice, register

Encoding = Literal["msra", "unbiased", "udp"]
Compat = Literal["fixed", "reference"]
ENCODINGS = {"msra": 0, "unbiased": 1, "udp": 2}  # enum class GaussianEncoding in core/gaussian.h
COMPAT = {"fixed": 0, "reference": 1}


class GaussianHeatmaps(NamedTuple):
    """What :func:`gaussian_heatmap` returns."""

    heatmaps: Tensor
    """(B, K, H, W): one Gaussian of peak 1 per joint."""
    weights: Tensor
    """(B, K): the visibility, 0 for joints off the map."""


def _allocate(
    keypoints: Tensor, height: int, width: int, dtype: torch.dtype | None, channels_last: bool
) -> tuple[Tensor, Tensor]:
    points = keypoints.shape
    if len(points) not in (3, 4):
        raise ValueError(f"keypoints: expected (B, K, 2) or (B, N, K, 2), got {tuple(points)}")
    if height < 1 or width < 1:
        raise ValueError(f"size: expected a height and width of at least 1, got ({height}, {width})")
    shape = (points[0], points[-2], height, width)
    device = keypoints.device
    if dtype is None:
        dtype = keypoints.dtype
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    heatmaps = torch.empty(shape, dtype=dtype, device=device, memory_format=memory_format)
    weight_dtype = torch.float64 if dtype == torch.float64 else torch.float32
    return heatmaps, torch.empty(shape[:2], dtype=weight_dtype, device=device)


def _kernel(
    keypoints: Tensor,
    visibility: Tensor,
    height: int,
    width: int,
    sigma: float,
    encoding: int,
    sigma_per_joint: Tensor | None = None,
    stride: Sequence[float] | None = None,
    reference_quirks: bool = False,
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
) -> tuple[Tensor, Tensor]:
    heatmaps, weights = _allocate(keypoints, height, width, dtype, channels_last)
    stride_y, stride_x = stride or (1.0, 1.0)
    _core.gaussian_heatmap(
        keypoints,
        visibility,
        sigma_per_joint,
        sigma,
        stride_y,
        stride_x,
        encoding,
        reference_quirks,
        heatmaps,
        weights,
    )
    return heatmaps, weights


def _fake(
    keypoints: Tensor,
    visibility: Tensor,
    height: int,
    width: int,
    sigma: float,
    encoding: int,
    sigma_per_joint: Tensor | None = None,
    stride: Sequence[float] | None = None,
    reference_quirks: bool = False,
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
) -> tuple[Tensor, Tensor]:
    return _allocate(keypoints, height, width, dtype, channels_last)


def _allocate_gradients(keypoints: Tensor, grad_heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    shape = keypoints.shape if keypoints.ndim == 4 else (keypoints.shape[0], 1, *keypoints.shape[1:])
    dtype = torch.float64 if grad_heatmaps.dtype == torch.float64 else torch.float32
    return keypoints.new_empty(shape, dtype=dtype), keypoints.new_empty(shape[:-1], dtype=dtype)


def _backward_kernel(
    keypoints: Tensor,
    visibility: Tensor,
    grad_heatmaps: Tensor,
    sigma: float,
    sigma_per_joint: Tensor | None = None,
    stride: Sequence[float] | None = None,
) -> tuple[Tensor, Tensor]:
    grad_keypoints, grad_sigma = _allocate_gradients(keypoints, grad_heatmaps)
    stride_y, stride_x = stride or (1.0, 1.0)
    _core.gaussian_heatmap_backward(
        keypoints,
        visibility,
        sigma_per_joint,
        sigma,
        stride_y,
        stride_x,
        grad_heatmaps,
        grad_keypoints,
        grad_sigma,
    )
    return grad_keypoints, grad_sigma


def _backward_fake(
    keypoints: Tensor,
    visibility: Tensor,
    grad_heatmaps: Tensor,
    sigma: float,
    sigma_per_joint: Tensor | None = None,
    stride: Sequence[float] | None = None,
) -> tuple[Tensor, Tensor]:
    return _allocate_gradients(keypoints, grad_heatmaps)


# What most calls leave at its default stands last: the dispatcher does not hand defaults to the kernel, which saves
# a microsecond a call.
_forward_op = register(
    "gaussian_heatmap(Tensor keypoints, Tensor visibility, SymInt height, SymInt width, float sigma, int encoding, "
    "Tensor? sigma_per_joint=None, float[]? stride=None, bool reference_quirks=False, ScalarType? dtype=None, "
    "bool channels_last=False) -> (Tensor heatmaps, Tensor weights)",
    _kernel,
    _fake,
)
_backward_op = register(
    "gaussian_heatmap_backward(Tensor keypoints, Tensor visibility, Tensor grad_heatmaps, float sigma, "
    "Tensor? sigma_per_joint=None, float[]? stride=None) -> (Tensor grad_keypoints, Tensor grad_sigma)",
    _backward_kernel,
    _backward_fake,
)


class _GaussianHeatmap(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, keypoints: Tensor, visibility: Tensor, sigma_per_joint: Tensor | None, *options: Any
    ) -> tuple[Tensor, Tensor]:
        height, width, sigma, encoding, stride, *rest = options
        ctx.save_for_backward(keypoints, visibility, sigma_per_joint)
        ctx.sigma, ctx.stride = sigma, stride
        heatmaps, weights = _forward_op(
            keypoints, visibility, height, width, sigma, encoding, sigma_per_joint, stride, *rest
        )
        ctx.mark_non_differentiable(weights)
        return heatmaps, weights

    @staticmethod
    def backward(ctx: Any, grad_heatmaps: Tensor, _grad_weights: Any) -> tuple[Tensor | None, ...]:
        keypoints, visibility, sigma_per_joint = ctx.saved_tensors
        if torch.is_grad_enabled():  # create_graph=True
            return _differentiable_backward(ctx, grad_heatmaps)
        grad_keypoints, grad_sigma = _backward_op(
            keypoints, visibility, grad_heatmaps, ctx.sigma, sigma_per_joint, ctx.stride
        )
        to_keypoints = grad_keypoints.view(keypoints.shape).to(keypoints.dtype)
        to_sigma = None
        if sigma_per_joint is not None:
            to_sigma = grad_sigma.sum(dim=(0, 1)).to(sigma_per_joint.dtype)
        return to_keypoints, None, to_sigma, *[None] * 8


def _differentiable_backward(ctx: Any, grad_heatmaps: Tensor) -> tuple[Tensor | None, ...]:
    """The gradient as a graph of PyTorch's own operations, through the definition: for second derivatives."""
    keypoints, visibility, sigma_per_joint = ctx.saved_tensors
    scale = keypoints.new_tensor((ctx.stride or (1.0, 1.0))[::-1])
    heatmaps, _ = reference.gaussian_heatmap(
        keypoints / scale,
        visibility,
        grad_heatmaps.shape[2:],
        sigma=ctx.sigma if sigma_per_joint is None else sigma_per_joint,
        encoding="unbiased",
        dtype=grad_heatmaps.dtype,
    )
    wanted = [t for t in (keypoints, sigma_per_joint) if t is not None and t.requires_grad]
    found = iter(torch.autograd.grad(heatmaps, wanted, grad_heatmaps, create_graph=True))
    to_keypoints = next(found) if keypoints.requires_grad else None
    to_sigma = next(found) if sigma_per_joint is not None and sigma_per_joint.requires_grad else None
    return to_keypoints, None, to_sigma, *[None] * 8


def stride_of(
    size: tuple[int, int], input_size: tuple[int, int] | None, encoding: str
) -> tuple[float, float]:
    """Input pixels per heatmap pixel, (y, x)."""
    if input_size is None:
        return 1.0, 1.0
    if min(input_size) < 1:
        raise ValueError(f"input_size: expected a height and width of at least 1, got {input_size}")
    if encoding != "udp":
        return input_size[0] / size[0], input_size[1] / size[1]
    if min(input_size) < 2 or min(size) < 2:
        raise ValueError(
            f"size, input_size: udp with input_size needs at least 2 pixels, got {size}, {input_size}"
        )
    return (input_size[0] - 1) / (size[0] - 1), (input_size[1] - 1) / (size[1] - 1)


def pair(size: Sequence[int], name: str) -> tuple[int, int]:
    try:
        height, width = size
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected (height, width), got {size}") from None
    return height, width


@accepts_numpy
def gaussian_heatmap(
    keypoints: Tensor,
    visibility: Tensor,
    size: Sequence[int],
    *,
    sigma: float | Sequence[float] | Tensor,
    encoding: Encoding = "msra",
    input_size: Sequence[int] | None = None,
    compat: Compat = "fixed",
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
) -> GaussianHeatmaps:
    """Render one Gaussian per joint: the training target of heat-map regression, and the joints' loss weights.

    With the joint at mu (heatmap pixels) the value at pixel q is ``exp(-|q - c|^2 / (2 sigma^2))``, where

    ========== ======================= ============================================
    encoding   centre c                pixels drawn
    ========== ======================= ============================================
    msra       mu, rounded half up     ``|q - c| <= 3 sigma`` on each axis
    unbiased   mu                      the whole map
    udp        mu                      ``|q - round(mu)| <= 3 sigma`` on each axis
    ========== ======================= ============================================

    Several people on one map are combined by the maximum. All other pixels are 0, and so are values below the
    smallest normal number of float32 (float64 with ``dtype=torch.float64``: of float64).

    Args:
        keypoints: (B, K, 2) or (B, N, K, 2) for N people on each map; (x, y) in pixels, centre of the first pixel
            0.0; float32, float64, float16 or bfloat16. In heatmap pixels, or in input pixels with ``input_size``.
        visibility: (B, K) or (B, N, K), floating, integer or bool. Below 0.5 a joint is not drawn. Padding of a
            ragged list of people: visibility 0.
        size: (height, width) of the heatmaps.
        sigma: standard deviation in heatmap pixels, above 0: one number, or one per joint, as (K,) numbers or
            a tensor. On CUDA prefer the tensor: numbers are copied to the device at each call. In a tensor, joints
            whose sigma is not finite and above 0 are treated as off the map (nothing is read back to the host).
        encoding: see the table.
        input_size: (height, width) of the input image that the keypoints refer to. mu is keypoint / stride with
            stride = input / heatmap size, and for udp (input - 1) / (heatmap - 1).
        compat: "reference" repeats the published code bit for bit: mu is truncated toward zero instead of rounded
            down; where 3 sigma is no integer the window is one pixel off centre (and on the left and top border
            the whole Gaussian shifts by a pixel); a joint whose window ends right before the first pixel keeps
            its weight although nothing is drawn. "fixed" has symmetric windows and weight 0 exactly where the
            window misses the map. Without effect on ``unbiased``.
        dtype: of the heatmaps; default the dtype of the keypoints.
        channels_last: memory layout of the heatmaps.

    Returns:
        heatmaps: (B, K, H, W), values in [0, 1].
        weights: (B, K), float32 (float64 with float64 heatmaps): the visibility as given (the largest of the N
            people), 0 where the joint is off the map: window (msra, udp) or 3 sigma square (unbiased) outside. A
            joint with a NaN or infinite coordinate or a NaN visibility is not drawn and has weight 0.

    Raises:
        ValueError: shapes that do not fit, sigma not above 0, an unknown encoding.
        TypeError: keypoints or sigma of a dtype that is not floating.

    ``unbiased`` is differentiable in keypoints and in a sigma tensor, twice too (the second derivative runs through
    the definition, at its speed); where people have equal maximal values, the first gets the gradient. The other
    encodings pass no gradient.

    Example:
        >>> keypoints = torch.tensor([[[10.0, 20.0], [30.0, 40.0]]])
        >>> target = gaussian_heatmap(keypoints, torch.ones(1, 2), (64, 48), sigma=2.0)
        >>> target.heatmaps.shape, float(target.heatmaps[0, 0, 20, 10])
        (torch.Size([1, 2, 64, 48]), 1.0)

    Source: msra: Xiao et al., Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018, section 2, with
    the window of its published code. unbiased: Zhang et al., Distribution-Aware Coordinate Representation, CVPR
    2020, section 3.2. udp: Huang et al., The Devil is in the Details, CVPR 2020, section 3.
    """
    height, width = pair(size, "size")
    code = choice(encoding, ENCODINGS, "encoding")
    quirks = choice(compat, COMPAT, "compat") == 1
    stride = None
    if input_size is not None:
        stride = stride_of((height, width), pair(input_size, "input_size"), encoding)
    per_joint = None
    if isinstance(sigma, Tensor):
        per_joint, sigma = sigma, math.nan
    elif isinstance(sigma, Real):
        sigma = float(sigma)
    else:
        per_joint, sigma = torch.tensor(sigma, dtype=torch.float64, device=keypoints.device), math.nan
    if (
        code == ENCODINGS["unbiased"]
        and torch.is_grad_enabled()
        and (keypoints.requires_grad or (per_joint is not None and per_joint.requires_grad))
    ):
        options = (height, width, sigma, code, stride, quirks, dtype, channels_last)
        return GaussianHeatmaps(*_GaussianHeatmap.apply(keypoints, visibility, per_joint, *options))
    if per_joint is None and stride is None and not quirks and dtype is None and not channels_last:
        return GaussianHeatmaps(*_forward_op(keypoints, visibility, height, width, sigma, code))
    return GaussianHeatmaps(
        *_forward_op(
            keypoints, visibility, height, width, sigma, code, per_joint, stride, quirks, dtype, channels_last
        )
    )
