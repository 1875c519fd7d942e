"""Definition of spatial_transformer in plain PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def spatial_transformer(
    input: Tensor,
    theta: Tensor,
    size: Sequence[int] | None = None,
    *,
    padding: str = "zeros",
    align_corners: bool = False,
) -> Tensor:
    """(B, C, h, w): the input at theta of every output pixel, as ``pyposeops.spatial_transformer`` documents it."""
    height, width = input.shape[2:] if size is None else size
    real = torch.float64 if input.dtype == torch.float64 else torch.float32
    position = theta.to(torch.float64)
    known = position.isfinite().all(2).all(1)
    position = torch.where(known[:, None, None], position, 0.0)
    x = _fractions(width, align_corners, position)
    y = _fractions(height, align_corners, position)[:, None]
    rows = [a * x + b * y + c for a, b, c in (row[..., None, None].unbind(1) for row in position.unbind(1))]
    x, y = (
        _padded(_pixels(row, n, align_corners), n, padding, align_corners)
        for row, n in zip(rows, (input.shape[3], input.shape[2]), strict=True)
    )  # (B, h, w) each
    values = input.to(real)
    left, top = x.floor(), y.floor()
    right_weight, bottom_weight = (x - left).to(real)[:, None], (y - top).to(real)[:, None]

    def corner(dx: int, dy: int) -> Tensor:
        column, row = left + dx, top + dy
        inside = (column >= 0) & (column < input.shape[3]) & (row >= 0) & (row < input.shape[2])
        column, row = (torch.where(inside, at, 0.0).long() for at in (column, row))
        batch = torch.arange(input.shape[0], device=input.device)[:, None, None]
        found = values[batch, :, row, column].movedim(3, 1)
        return torch.where((inside & known[:, None, None])[:, None], found, 0.0)

    above = (1 - right_weight) * corner(0, 0) + right_weight * corner(1, 0)
    below = (1 - right_weight) * corner(0, 1) + right_weight * corner(1, 1)
    return ((1 - bottom_weight) * above + bottom_weight * below).to(input.dtype)


def _fractions(size: int, align_corners: bool, like: Tensor) -> Tensor:
    """Where the pixels of an axis lie between -1 and 1."""
    pixels = torch.arange(size, dtype=torch.float64, device=like.device)
    if not align_corners:
        return (2 * pixels + 1) / size - 1
    return 2 * pixels / (size - 1) - 1 if size > 1 else pixels


def _pixels(position: Tensor, size: int, align_corners: bool) -> Tensor:
    """The pixel at a position between -1 and 1."""
    return (position + 1) * (size - 1) / 2 if align_corners else ((position + 1) * size - 1) / 2


def _padded(pixels: Tensor, size: int, padding: str, align_corners: bool) -> Tensor:
    """Positions outside of [0, size - 1] brought inside: by the nearest border, or mirrored at the edges of the outer
    pixels (with ``align_corners`` at their centres)."""
    if padding == "zeros":
        return pixels
    if padding == "reflection":
        edge = 0.0 if align_corners else -0.5
        span = size - 1 - 2 * edge
        if span == 0:
            return pixels * 0
        folded = (pixels - edge).abs().remainder(2 * span)
        pixels = torch.where(folded > span, 2 * span - folded, folded) + edge
    return pixels.clamp(0, size - 1)
