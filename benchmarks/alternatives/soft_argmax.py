"""Soft-argmax as people write it today: a softmax and a product with the grid, in PyTorch and in kornia."""

from __future__ import annotations

import torch
from torch import Tensor


def softmax_at_grid(heatmaps: Tensor) -> Tensor:
    """Coordinates (B, K, n): the probabilities, flattened, times the coordinates of every pixel."""
    axes = [torch.arange(size, dtype=heatmaps.dtype, device=heatmaps.device) for size in heatmaps.shape[2:]]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1).flatten(0, -2)
    return heatmaps.flatten(2).softmax(-1) @ grid


def softmax_marginals(heatmaps: Tensor) -> Tensor:
    """Coordinates (B, K, n): the probabilities summed onto each axis first, as integral-human-pose does."""
    share = heatmaps.flatten(2).softmax(-1).view(heatmaps.shape)
    axes = range(heatmaps.ndim - 1, 1, -1)
    coords = []
    for axis in axes:
        others = [other for other in axes if other != axis]
        marginal = share.sum(others) if others else share
        positions = torch.arange(heatmaps.shape[axis], dtype=heatmaps.dtype, device=heatmaps.device)
        coords.append((marginal * positions).sum(-1))
    return torch.stack(coords, dim=-1)


def kornia_spatial(heatmaps: Tensor) -> Tensor:
    from kornia.geometry.subpix import spatial_soft_argmax2d

    coords: Tensor = spatial_soft_argmax2d(heatmaps, normalized_coordinates=False)
    return coords
