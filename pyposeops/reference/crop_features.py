"""Definition of crop_features in plain PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def crop_features(
    features: Tensor | Sequence[Tensor],
    centers: Tensor,
    window: int | Sequence[int],
    *,
    level_scale: float | Sequence[float] | None = None,
    sampling: str = "integer",
    alignment: str = "half_pixel",
) -> Tensor | tuple[Tensor, ...]:
    """Crops (B, K, C, h, w) of every level, as ``pyposeops.crop_features`` documents them."""
    levels = [features] if isinstance(features, Tensor) else list(features)
    crops = []
    for level, scale in zip(levels, level_scales(levels, level_scale), strict=True):
        size = window_size(window, scale)
        start = window_start(centers, size, scale, sampling, alignment)
        crops.append(crop_level(level, start, size, sampling))
    return crops[0] if isinstance(features, Tensor) else tuple(crops)


def level_scales(
    levels: Sequence[Tensor], level_scale: float | Sequence[float] | None
) -> list[tuple[float, float]]:
    """Pixels of each level per pixel of the centres' map, as (y, x)."""
    if level_scale is None:
        first_height, first_width = (max(n, 1) for n in levels[0].shape[2:])
        return [(max(x.shape[2], 1) / first_height, max(x.shape[3], 1) / first_width) for x in levels]
    given = level_scale if isinstance(level_scale, Sequence) else [level_scale]
    return [(float(scale), float(scale)) for scale in given]


def window_size(window: int | Sequence[int], scale: tuple[float, float]) -> tuple[int, int]:
    """(height, width) of the window on a level: the same part of the picture, in whole pixels, at least one."""
    height, width = window if isinstance(window, Sequence) else (window, window)
    return max(1, math.floor(height * scale[0] + 0.5)), max(1, math.floor(width * scale[1] + 0.5))


def window_start(
    centers: Tensor, size: tuple[int, int], scale: tuple[float, float], sampling: str, alignment: str
) -> Tensor:
    """(B, K, 2): the (x, y) of every window's first pixel on a level, float64."""
    shift = 0.5 if alignment == "half_pixel" else 0.0
    points = centers.to(torch.float64)
    position = (points + shift) * points.new_tensor(scale[::-1]) - shift
    start = position - (points.new_tensor(size[::-1]) - 1) / 2
    return start if sampling == "bilinear" else (start - 0.5).ceil()


def crop_level(level: Tensor, start: Tensor, size: tuple[int, int], sampling: str) -> Tensor:
    """Windows of (height, width) pixels at (B, K, 2) positions of a (B, C, H, W) level: 0 outside of it."""
    known = (start.abs() < 2**29).all(-1)
    start = torch.where(known[..., None], start, 0.0)
    real = torch.float64 if level.dtype == torch.float64 else torch.float32
    first = start.floor().long()
    right, down = (start - first).to(real).unbind(-1)
    values = level.to(real)

    def pixels(dx: int, dy: int) -> Tensor:
        x = first[..., 0, None] + dx + torch.arange(size[1], device=level.device)  # (B, K, w)
        y = first[..., 1, None] + dy + torch.arange(size[0], device=level.device)  # (B, K, h)
        batch = torch.arange(level.shape[0], device=level.device)[:, None, None, None]
        inside_x, inside_y = (x >= 0) & (x < level.shape[3]), (y >= 0) & (y < level.shape[2])
        found = values[
            batch,
            :,
            y.clamp(0, level.shape[2] - 1)[..., :, None],
            x.clamp(0, level.shape[3] - 1)[..., None, :],
        ]  # (B, K, h, w, C)
        inside = inside_y[..., :, None] & inside_x[..., None, :] & known[..., None, None]
        return torch.where(inside[..., None], found, 0.0).movedim(-1, 2)

    if sampling == "integer":
        return pixels(0, 0).to(level.dtype)
    right, down = right[..., None, None, None], down[..., None, None, None]
    above = (1 - right) * pixels(0, 0) + right * pixels(1, 0)
    below = (1 - right) * pixels(0, 1) + right * pixels(1, 1)
    return ((1 - down) * above + down * below).to(level.dtype)
