"""Definition of crop_images in plain PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pyposeops.ops.affine import affine_from_box, mirrored
from pyposeops.ops.image_arena import ImageArena

# A crop with a corner this many pixels or more from the image's origin is all border.
_POSITION_LIMIT = 2.0**30
_MOST_SAMPLES = 64
_LENGTH_SLACK = 1e-3


def crop_images(
    images: Tensor | Sequence[Tensor] | ImageArena,
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
    border: str = "constant",
    border_value: float = 0.0,
    antialias: bool = False,
    round_uint8: bool = False,
    out_dtype: torch.dtype = torch.float32,
    channels_last: bool = False,
    **box_options: Any,
) -> Tensor:
    """Crops (N, 3, h, w), computed in float64, as ``pyposeops.crop_images`` documents them."""
    if isinstance(images, ImageArena):
        images = images.images()
    elif isinstance(images, Tensor):
        images = images[None] if images.ndim == 3 else images
    matrices = boxes_or_affines.to(torch.float64)
    if matrices.ndim == 2:
        matrices = affine_from_box(matrices, size, **box_options)
    if flip is not None:
        matrices = mirrored(matrices, flip, size[1])
    count = len(matrices)
    if image_index is None:
        image_index = torch.zeros(count) if len(images) == 1 else torch.arange(count)
    values = matrices.new_empty(count, *size, 3)
    for n, matrix in enumerate(matrices):
        image = images[int(image_index[n])]
        values[n] = _averaged(image, matrix, size, antialias, border, border_value)
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


def _averaged(
    image: Tensor, matrix: Tensor, size: Sequence[int], antialias: bool, border: str, border_value: float
) -> Tensor:
    """(h, w, 3) in 0 .. 255: blocks of pixels of a larger crop, where several samples make a pixel."""
    height, width = size
    square = torch.cat([matrix, matrix.new_tensor([[0.0, 0.0, 1.0]])])[:3]
    across, down = _sample_counts(square, size) if antialias else (1, 1)
    to_samples = matrix.new_tensor([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
    larger = (height * down, width * across)
    values = _warp(image, to_samples @ square, len(matrix) == 3, larger, border, border_value)
    averaged: Tensor = values.view(height, down, width, across, 3).mean(dim=(1, 3))
    return averaged


def _sample_counts(matrix: Tensor, size: Sequence[int]) -> tuple[int, int]:
    """Samples across and down a crop pixel: the image pixels it covers where those are more than two, rounded up."""
    u, v = (size[1] - 1) / 2, (size[0] - 1) / 2
    inverse = _inverse(matrix)
    x, y, z = inverse @ inverse.new_tensor([u, v, 1.0])
    counts = []
    for axis in range(2):
        dx = (inverse[0, axis] - x / z * inverse[2, axis]) / z
        dy = (inverse[1, axis] - y / z * inverse[2, axis]) / z
        length = float(torch.hypot(dx, dy))
        shrinks = length > 2 + _LENGTH_SLACK
        counts.append(math.ceil(min(length, _MOST_SAMPLES) - _LENGTH_SLACK) if shrinks else 1)
    return counts[0], counts[1]


def _inverse(matrix: Tensor) -> Tensor:
    """The inverse (3, 3) by cofactors; infinite or NaN where there is none."""
    columns = [torch.linalg.cross(matrix[i - 2], matrix[i - 1]) for i in range(3)]
    inverse: Tensor = torch.stack(columns, dim=1) / (matrix[0] @ columns[0])
    return inverse


def _warp(
    image: Tensor,
    matrix: Tensor,
    is_perspective: bool,
    size: Sequence[int],
    border: str,
    border_value: float,
) -> Tensor:
    """(h, w, 3) in 0 .. 255: the image at the inverse of every crop pixel, between its four neighbours."""
    inverse = _inverse(matrix)
    v, u = torch.meshgrid(*(torch.arange(n, dtype=inverse.dtype) for n in size), indexing="ij")
    corners = inverse @ inverse.new_tensor([[0, size[1], 0, size[1]], [0, 0, size[0], size[0]], [1, 1, 1, 1]])
    usable = bool(inverse.isfinite().all())
    if not (usable if is_perspective else (corners.abs() < _POSITION_LIMIT).all()):
        return torch.full((*size, 3), border_value, dtype=inverse.dtype)
    x, y, z = (row[0] * u + row[1] * v + row[2] for row in inverse)
    if is_perspective:
        x, y = x / z, y / z
    reached = (x.abs() < _POSITION_LIMIT) & (y.abs() < _POSITION_LIMIT)
    x, y = torch.where(reached, x, 0.0), torch.where(reached, y, 0.0)
    left, top = x.floor(), y.floor()
    right_weight, bottom_weight = (x - left)[..., None], (y - top)[..., None]
    corner = [[_pixel(image, left + i, top + j, border, border_value) for i in (0, 1)] for j in (0, 1)]
    above, below = (_lerp(first, second, right_weight) for first, second in corner)
    return torch.where(reached[..., None], _lerp(above, below, bottom_weight), border_value)


def _lerp(first: Tensor, second: Tensor, weight: Tensor) -> Tensor:
    return first + (second - first) * weight


def _pixel(image: Tensor, x: Tensor, y: Tensor, border: str, border_value: float) -> Tensor:
    """The pixels (h, w, 3) at whole positions, the border outside the image."""
    height, width = image.shape[:2]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if border == "reflect":
        x, y = _reflected(x, width), _reflected(y, height)
    pixels = image[y.clamp(0, height - 1).long(), x.clamp(0, width - 1).long()].to(x.dtype)
    return torch.where(inside[..., None], pixels, border_value) if border == "constant" else pixels


def _reflected(x: Tensor, size: int) -> Tensor:
    """Whole positions on a line of ``size`` pixels whose ends are mirrors."""
    period = max(2 * (size - 1), 1)
    x = x.remainder(period)
    return torch.minimum(x, period - x) if size > 1 else x * 0
