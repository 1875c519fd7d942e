"""Definition of soft_argmax_1d, soft_argmax_2d and soft_argmax_3d in plain PyTorch."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

COORDINATES: dict[str, Callable[[Tensor, int], Tensor]] = {
    "pixel": lambda i, size: i,
    "unit": lambda i, size: i / size,
    "centered": lambda i, size: i / size - 0.5,
    "symmetric": lambda i, size: (2 * i + 1) / size - 1,
    "corners": lambda i, size: 2 * i / max(size - 1, 1) - 1,
}


def _soft_argmax(
    dims: int,
    heatmaps: Tensor,
    *,
    normalization: str = "softmax",
    inverse_temperature: float = 1.0,
    coordinates: str = "pixel",
    debias: bool = False,
    covariance: bool = False,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Coords (B, K, n), confidence (B, K), covariance (B, K, n, n) as ``pyposeops.soft_argmax_2d`` documents them."""
    values = heatmaps.to(torch.promote_types(heatmaps.dtype, torch.float32)).flatten(2)
    weights = _weights(values, normalization, inverse_temperature, debias)
    total = weights.sum(-1, keepdim=True)
    empty = total == 0
    share = torch.where(
        empty, torch.ones_like(values) / values.shape[-1], weights / torch.where(empty, 1, total)
    )

    grid = _grid(heatmaps.shape[-dims:], coordinates, values)
    coords = share @ grid
    highest = (values if normalization == "sum" else weights).amax(-1)
    confidence = highest / torch.where(empty, 1, total)[..., 0] if normalization == "softmax" else highest
    if not covariance:
        return coords, confidence, None
    offset = torch.where(empty, 0, share)[..., None] * (grid - coords[..., None, :])
    return coords, confidence, offset.mT @ (grid - coords[..., None, :])


def _weights(values: Tensor, normalization: str, beta: float, debias: bool) -> Tensor:
    if normalization == "sum":
        return values
    if normalization == "sigmoid":
        return torch.sigmoid(beta * values)
    # Relative to the largest weight (of the pixels and, for debiasing, of the background), which cancels out.
    largest = values.detach().amax(-1, keepdim=True)
    largest = largest.clamp(min=0.0 if debias else torch.finfo(values.dtype).min)
    weights = torch.exp(beta * (values - largest))
    return weights - torch.exp(-beta * largest) if debias else weights


def _grid(sizes: torch.Size, coordinates: str, like: Tensor) -> Tensor:
    """(pixels, n): the coordinates (x), (x, y) or (x, y, z) of every pixel of a map."""
    place = COORDINATES[coordinates]
    axes = [place(torch.arange(size, dtype=like.dtype, device=like.device), size) for size in sizes]
    return torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1).flatten(0, -2)


soft_argmax_1d = functools.partial(_soft_argmax, 1)
soft_argmax_2d = functools.partial(_soft_argmax, 2)
soft_argmax_3d = functools.partial(_soft_argmax, 3)
