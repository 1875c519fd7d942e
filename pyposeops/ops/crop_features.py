"""Windows around joints, out of every level of a feature pyramid."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, Literal, overload

import torch
from torch import Tensor

from pyposeops import _core
from pyposeops._library import accepts_numpy, choice, register
from pyposeops.reference.crop_features import crop_level, level_scales, window_size, window_start

Sampling = Literal["integer", "bilinear"]
Alignment = Literal["half_pixel", "origin"]
_SAMPLINGS = {"integer": 0, "bilinear": 1}
_ALIGNMENTS = {"origin": 0, "half_pixel": 1}


def _is_channels_last(level: Tensor) -> bool:
    return level.is_contiguous(memory_format=torch.channels_last) and not level.is_contiguous()


def _allocate(features: Sequence[Tensor], centers: Tensor, windows: Sequence[int]) -> list[Tensor]:
    if centers.ndim != 3:
        raise ValueError(f"centers: expected (B, K, 2), got {tuple(centers.shape)}")
    batch, joints = centers.shape[:2]
    crops = []
    for i, level in enumerate(features):
        if level.ndim != 4:
            raise ValueError(f"features: expected (B, C, H, W), got {tuple(level.shape)}")
        height, width = windows[2 * i : 2 * i + 2]
        if _is_channels_last(level):
            stored = level.new_empty((batch, joints, height, width, level.shape[1]))
            crops.append(stored.permute(0, 1, 4, 2, 3))
        else:
            crops.append(level.new_empty((batch, joints, level.shape[1], height, width)))
    return crops


def _kernel(
    features: Sequence[Tensor],
    centers: Tensor,
    windows: Sequence[int],
    scales: Sequence[float],
    half_pixel: bool = True,
    bilinear: bool = False,
) -> list[Tensor]:
    crops = _allocate(features, centers, windows)
    _core.crop_features(features, centers, scales, half_pixel, bilinear, crops)
    return crops


def _fake(
    features: Sequence[Tensor],
    centers: Tensor,
    windows: Sequence[int],
    scales: Sequence[float],
    half_pixel: bool = True,
    bilinear: bool = False,
) -> list[Tensor]:
    return _allocate(features, centers, windows)


def _allocate_features(
    grad_crops: Sequence[Tensor], sizes: Sequence[int], channels_last: Sequence[bool]
) -> list[Tensor]:
    return [
        torch.empty(
            (grad.shape[0], grad.shape[2], *sizes[2 * i : 2 * i + 2]),
            dtype=grad.dtype,
            device=grad.device,
            memory_format=torch.channels_last if channels_last[i] else torch.contiguous_format,
        )
        for i, grad in enumerate(grad_crops)
    ]


def _backward_kernel(
    grad_crops: Sequence[Tensor],
    centers: Tensor,
    sizes: Sequence[int],
    channels_last: Sequence[bool],
    scales: Sequence[float],
    half_pixel: bool,
    bilinear: bool,
) -> list[Tensor]:
    grad_features = _allocate_features(grad_crops, sizes, channels_last)
    _core.crop_features_backward(grad_crops, centers, scales, half_pixel, bilinear, grad_features)
    return grad_features


def _backward_fake(
    grad_crops: Sequence[Tensor],
    centers: Tensor,
    sizes: Sequence[int],
    channels_last: Sequence[bool],
    scales: Sequence[float],
    half_pixel: bool,
    bilinear: bool,
) -> list[Tensor]:
    return _allocate_features(grad_crops, sizes, channels_last)


def _allocate_centers(features: Sequence[Tensor], centers: Tensor) -> Tensor:
    real = torch.float64 if features[0].dtype == torch.float64 else torch.float32
    return torch.empty(centers.shape, dtype=real, device=centers.device)


def _center_kernel(
    features: Sequence[Tensor],
    grad_crops: Sequence[Tensor],
    centers: Tensor,
    scales: Sequence[float],
    half_pixel: bool,
) -> Tensor:
    grad_centers = _allocate_centers(features, centers)
    _core.crop_features_center_gradient(features, grad_crops, centers, scales, half_pixel, grad_centers)
    return grad_centers


def _center_fake(
    features: Sequence[Tensor],
    grad_crops: Sequence[Tensor],
    centers: Tensor,
    scales: Sequence[float],
    half_pixel: bool,
) -> Tensor:
    return _allocate_centers(features, centers)


_forward_op = register(
    "crop_features(Tensor[] features, Tensor centers, SymInt[] windows, float[] scales, bool half_pixel=True, "
    "bool bilinear=False) -> Tensor[]",
    _kernel,
    _fake,
)
_backward_op = register(
    "crop_features_backward(Tensor[] grad_crops, Tensor centers, SymInt[] sizes, bool[] channels_last, "
    "float[] scales, bool half_pixel, bool bilinear) -> Tensor[]",
    _backward_kernel,
    _backward_fake,
)
_center_op = register(
    "crop_features_center_gradient(Tensor[] features, Tensor[] grad_crops, Tensor centers, float[] scales, "
    "bool half_pixel) -> Tensor",
    _center_kernel,
    _center_fake,
)


class _CropFeatures(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        centers: Tensor,
        windows: list[int],
        scales: list[float],
        half_pixel: bool,
        bilinear: bool,
        *features: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.options = (windows, scales, half_pixel, bilinear)
        ctx.sizes = [size for level in features for size in level.shape[2:]]
        ctx.channels_last = [_is_channels_last(level) for level in features]
        ctx.to_centers = bilinear and centers.requires_grad
        ctx.save_for_backward(centers, *(features if ctx.to_centers else ()))
        return tuple(_forward_op(features, centers, windows, scales, half_pixel, bilinear))

    @staticmethod
    def backward(ctx: Any, *grad_crops: Tensor) -> tuple[Tensor | None, ...]:
        centers, *features = ctx.saved_tensors
        _, scales, half_pixel, _ = ctx.options
        if ctx.to_centers and torch.is_grad_enabled():  # create_graph=True
            return _differentiable_backward(ctx, grad_crops)
        to_centers = None
        if ctx.to_centers:
            to_centers = _center_op(features, grad_crops, centers, scales, half_pixel).to(centers.dtype)
        to_features: Sequence[Tensor | None] = [None] * len(grad_crops)
        if any(ctx.needs_input_grad[5:]):
            adjoint = (centers, ctx.options, ctx.sizes, ctx.channels_last, *grad_crops)
            to_features = _Adjoint.apply(*adjoint)
        return to_centers, None, None, None, None, *to_features


class _Adjoint(torch.autograd.Function):
    """The gradient of the features, which is linear in that of the crops: its own gradient is the crop again."""

    @staticmethod
    def forward(
        ctx: Any,
        centers: Tensor,
        options: tuple[list[int], list[float], bool, bool],
        sizes: list[int],
        channels_last: list[bool],
        *grad_crops: Tensor,
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(centers)
        ctx.options = options
        return tuple(_backward_op(grad_crops, centers, sizes, channels_last, *options[1:]))

    @staticmethod
    def backward(ctx: Any, *grad_features: Tensor) -> tuple[Tensor | None, ...]:
        (centers,) = ctx.saved_tensors
        return None, None, None, None, *_CropFeatures.apply(centers.detach(), *ctx.options, *grad_features)


def _differentiable_backward(ctx: Any, grad_crops: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """The gradient as a graph of PyTorch's own operations, through the definition: for second derivatives."""
    centers, *features = ctx.saved_tensors
    windows, scales, half_pixel, _ = ctx.options
    alignment = "half_pixel" if half_pixel else "origin"
    crops = []
    for i, level in enumerate(features):
        (height, width), (scale_y, scale_x) = windows[2 * i : 2 * i + 2], scales[2 * i : 2 * i + 2]
        start = window_start(centers, (height, width), (scale_y, scale_x), "bilinear", alignment)
        crops.append(crop_level(level, start, (height, width), "bilinear"))
    wanted = [tensor for tensor in (centers, *features) if tensor.requires_grad]
    found = iter(torch.autograd.grad(crops, wanted, grad_crops, create_graph=True))
    return next(found), None, None, None, None, *(next(found) if f.requires_grad else None for f in features)


def _checked_window(window: int | Sequence[int]) -> tuple[int, int]:
    try:
        height, width = map(operator.index, window if isinstance(window, Sequence) else (window, window))
    except (TypeError, ValueError):
        raise ValueError(f"window: expected a number of pixels or (height, width), got {window}") from None
    if height < 1 or width < 1:
        raise ValueError(f"window: expected at least 1 pixel, got {window}")
    return height, width


def _checked_scales(
    levels: Sequence[Tensor], level_scale: float | Sequence[float] | None
) -> list[tuple[float, float]]:
    if not levels:
        raise ValueError("features: expected 1 to 8 levels, got 0")
    if level_scale is None and any(level.ndim != 4 for level in levels):
        shapes = ", ".join(str(tuple(level.shape)) for level in levels)
        raise ValueError(f"features: expected (B, C, H, W), got {shapes}")
    scales = level_scales(levels, level_scale)
    if len(scales) != len(levels):
        raise ValueError(f"level_scale: expected one per level, {len(levels)}, got {len(scales)}")
    for scale in scales:
        if not all(math.isfinite(axis) and axis > 0 for axis in scale):
            raise ValueError(f"level_scale: expected finite numbers above 0, got {level_scale}")
    return scales


@overload
def crop_features(
    features: Tensor,
    centers: Tensor,
    window: int | Sequence[int],
    *,
    level_scale: float | Sequence[float] | None = None,
    sampling: Sampling = "integer",
    alignment: Alignment = "half_pixel",
) -> Tensor: ...


@overload
def crop_features(
    features: Sequence[Tensor],
    centers: Tensor,
    window: int | Sequence[int],
    *,
    level_scale: float | Sequence[float] | None = None,
    sampling: Sampling = "integer",
    alignment: Alignment = "half_pixel",
) -> tuple[Tensor, ...]: ...


@accepts_numpy
def crop_features(
    features: Tensor | Sequence[Tensor],
    centers: Tensor,
    window: int | Sequence[int],
    *,
    level_scale: float | Sequence[float] | None = None,
    sampling: Sampling = "integer",
    alignment: Alignment = "half_pixel",
) -> Tensor | tuple[Tensor, ...]:
    """Cut a window around every joint out of every level of a feature pyramid: the crop module of a cascade.

    On a level of scale s the window has ``max(1, floor(window * s + 0.5))`` pixels, so that it shows the same part of
    the picture on all levels. Its middle belongs at the position ``(center + 0.5) * s - 0.5``, with
    ``alignment="origin"`` at ``center * s``. Outside of the map there is 0.

    - integer: the window of whole pixels whose middle lies nearest to the position; of two equally near on an axis,
      the one of lower index. At scale 1 and a whole-pixel centre c that is ``map[c - n // 2 : c - n // 2 + n]``.
    - bilinear: the middle of the window is the position, every sample between its four neighbours.

    Args:
        features: one map (B, C, H, W), or a sequence of up to 8 levels, each with its own C, H and W, all of one
            dtype and device; float32, float16, bfloat16 or float64. Contiguous, channels_last and all other strides
            are read as they are.
        centers: (B, K, 2) as (x, y) in pixels of a map of scale 1, centre of the first pixel 0.0; floating, int32 or
            int64. The joints of several people: side by side in K.
        window: size in pixels of scale 1, (height, width) or one number for both.
        level_scale: pixels of each level per pixel of the centres, above 0: one per level, one number for one map.
            Default: the level's size over the first level's, by axis.
        sampling: see above.
        alignment: where a coarser pixel lies. "half_pixel": in the middle of the finer pixels that it was pooled
            from. "origin": on the first of them, as convolutions with a stride and an odd kernel leave it.

    Returns:
        (B, K, C, h, w) in the dtype of the features, for a sequence a tuple of one per level. Channels_last features
        give crops that ``flatten(0, 1)`` turns into channels_last (B*K, C, h, w); all others contiguous ones. The
        crops of a centre that is NaN, infinite or 2^29 pixels or more off are 0. A NaN feature is copied to where it
        is read: in bilinear crops also where its weight is 0.

    Raises:
        ValueError: shapes or devices that do not fit, no level or more than 8, a window below 1 pixel, a scale
            not above 0, an unknown option.
        TypeError: features that are not floating or of different dtypes, centres of another kind.

    Differentiable in the features, and with ``bilinear`` in floating centres (at a whole-pixel position: the slope
    to the right and downward), twice too. The gradient of the features is summed joint by joint, without atomics: the
    same bits at every call. Between float16 or bfloat16 it is summed in float32.

    Example:
        >>> pyramid = [torch.rand(2, 16, 64, 48), torch.rand(2, 16, 32, 24), torch.rand(2, 16, 16, 12)]
        >>> joints = torch.tensor([[[10.0, 20.0], [30.0, 40.0], [47.0, 63.0]]] * 2)
        >>> [tuple(crops.shape) for crops in crop_features(pyramid, joints, 36)]
        [(2, 3, 16, 36, 36), (2, 3, 16, 18, 18), (2, 3, 16, 9, 9)]

    Source: Tompson et al., Efficient Object Localization Using Convolutional Networks, CVPR 2015, section 4 (crop
    module), without its restriction to the arg-max of the coarse heat map.
    """
    single = isinstance(features, Tensor)
    levels: list[Tensor] = [features] if isinstance(features, Tensor) else list(features)
    size = _checked_window(window)
    scales = _checked_scales(levels, level_scale)
    bilinear = choice(sampling, _SAMPLINGS, "sampling") == 1
    half_pixel = choice(alignment, _ALIGNMENTS, "alignment") == 1
    windows = [pixels for scale in scales for pixels in window_size(size, scale)]
    flat = [axis for scale in scales for axis in scale]
    crops: Sequence[Tensor]
    if torch.is_grad_enabled() and (
        any(level.requires_grad for level in levels) or (bilinear and centers.requires_grad)
    ):
        crops = _CropFeatures.apply(centers, windows, flat, half_pixel, bilinear, *levels)
    elif half_pixel and not bilinear:
        crops = _forward_op(levels, centers, windows, flat)
    else:
        crops = _forward_op(levels, centers, windows, flat, half_pixel, bilinear)
    return crops[0] if single else tuple(crops)


@accepts_numpy
def crop_origins(
    centers: Tensor,
    window: int | Sequence[int],
    *,
    level_scale: float = 1.0,
    sampling: Sampling = "integer",
    alignment: Alignment = "half_pixel",
) -> Tensor:
    """Where the windows of :func:`crop_features` begin: what to add to a position inside a window.

    A position p in a window (pixels, first pixel 0.0) is ``crop_origins(...) + p`` on its level. Plain PyTorch.

    Args:
        centers, window, sampling, alignment: as given to :func:`crop_features`.
        level_scale: of the one level in question.

    Returns:
        (B, K, 2): (x, y) of the windows' first pixels in pixels of the level, float64 for float64 centres, otherwise
        float32. NaN and infinities stay.

    Raises:
        ValueError: shapes that do not fit, a window below 1 pixel, a scale not above 0, an unknown option.

    Differentiable in the centres with ``bilinear``.

    Example:
        >>> crop_origins(torch.tensor([[[10.0, 20.0]]]), 9)
        tensor([[[ 6., 16.]]])
    """
    if centers.ndim != 3 or centers.shape[2] != 2:
        raise ValueError(f"centers: expected (B, K, 2), got {tuple(centers.shape)}")
    (scale,) = _checked_scales([centers], [level_scale])
    choice(sampling, _SAMPLINGS, "sampling")
    choice(alignment, _ALIGNMENTS, "alignment")
    size = window_size(_checked_window(window), scale)
    start = window_start(centers, size, scale, sampling, alignment)
    return start if centers.dtype == torch.float64 else start.to(torch.float32)
