"""Definition of crop_images in plain PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pyposeops.ops.affine import affine_from_box, invert_affine, mirrored

# A crop with a corner this many pixels or more from the image's origin is all border.
_POSITION_LIMIT = 2.0**30


def crop_images(
    images: Tensor | Sequence[Tensor],
    boxes_or_affines: Tensor,
    size: Sequence[int],
    *,
    mean: Sequence[float] = (0.485, 0.456, 0.406),
    std: Sequence[float] = (0.229, 0.224, 0.225),
    image_index: Tensor | None = None,
    flip: Tensor | None = None,
    gain: Tensor | None = None,
    bias: Tensor | None = None,
    reverse_channels: bool = False,
    border_value: float = 0.0,
    round_uint8: bool = False,
    out_dtype: torch.dtype = torch.float32,
    channels_last: bool = False,
    **box_options: Any,
) -> Tensor:
    """Crops (N, 3, h, w), computed in float64, as ``pyposeops.crop_images`` documents them."""
    if isinstance(images, Tensor):
        images = images[None] if images.ndim == 3 else images
    affines = boxes_or_affines.to(torch.float64)
    if affines.ndim == 2:
        affines = affine_from_box(affines, size, **box_options)
    if flip is not None:
        affines = mirrored(affines, flip, size[1])
    count = len(affines)
    if image_index is None:
        image_index = torch.zeros(count) if len(images) == 1 else torch.arange(count)
    values = affines.new_empty(count, *size, 3)
    for n, inverse in enumerate(invert_affine(affines)):
        values[n] = _warp(images[int(image_index[n])], inverse, size, border_value)
    if round_uint8:
        values = values.round()  # half to even
    if reverse_channels:
        values = values.flip(3)
    ones = values.new_ones(count, 3)
    gain = ones if gain is None else ones * gain.reshape(count, -1)
    bias = ones * 0 if bias is None else ones * bias.reshape(count, -1)
    values = values / 255 * gain[:, None, None] + bias[:, None, None]
    crops = ((values - values.new_tensor(mean)) / values.new_tensor(std)).permute(0, 3, 1, 2).to(out_dtype)
    return crops.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def _warp(image: Tensor, inverse: Tensor, size: Sequence[int], border_value: float) -> Tensor:
    """(h, w, 3) in 0 .. 255: the image at ``inverse`` of every crop pixel, between its four neighbours."""
    v, u = torch.meshgrid(*(torch.arange(n, dtype=inverse.dtype) for n in size), indexing="ij")
    corners = inverse @ inverse.new_tensor([[0, size[1], 0, size[1]], [0, 0, size[0], size[0]], [1, 1, 1, 1]])
    if not (corners.abs() < _POSITION_LIMIT).all():
        return torch.full((*size, 3), border_value, dtype=inverse.dtype)
    x = inverse[0, 0] * u + inverse[0, 1] * v + inverse[0, 2]
    y = inverse[1, 0] * u + inverse[1, 1] * v + inverse[1, 2]
    left, top = x.floor(), y.floor()
    right_weight, bottom_weight = (x - left)[..., None], (y - top)[..., None]
    above = _lerp(
        _pixel(image, left, top, border_value), _pixel(image, left + 1, top, border_value), right_weight
    )
    below = _lerp(
        _pixel(image, left, top + 1, border_value),
        _pixel(image, left + 1, top + 1, border_value),
        right_weight,
    )
    return _lerp(above, below, bottom_weight)


def _lerp(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    return first + (second - first) * weight


def _pixel(image: Tensor, x: Tensor, y: Tensor, border_value: float) -> Tensor:
    """The pixels (h, w, 3) at whole positions, the border value outside the image."""
    height, width = image.shape[:2]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    pixels = image[y.clamp(0, height - 1).long(), x.clamp(0, width - 1).long()].to(x.dtype)
    return torch.where(inside[..., None], pixels, border_value)
