"""Definition of offset_heatmap in plain PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyposeops.reference._people import on_map, padded, visible


def offset_heatmap(
    keypoints: Tensor,
    visibility: Tensor,
    size: Sequence[int],
    *,
    kind: str = "udp",
    radius: float | None = None,
    scale: float | None = None,
    region: str = "disc",
    overlap: str = "nearest",
    grid: str | None = None,
    input_size: Sequence[int] | None = None,
    offsets: Tensor | None = None,
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Heatmaps (B, 3 K or 2 K, H, W), masks (B, K, H, W), weights (B, K), as ``pyposeops.offset_heatmap``."""
    dtype = keypoints.dtype if dtype is None else dtype
    radius = 0.0546875 * max(size) if radius is None else radius
    scale = (radius if kind == "udp" else 1.0) if scale is None else scale
    grid = ("udp" if kind == "udp" else "half_pixel") if grid is None else grid
    points, seen = padded(keypoints, visibility, offsets)
    drawn = visible(points, seen)
    finite = points.isfinite().all(-1) & ~seen.isnan()
    weights = torch.where(finite, seen, 0.0)
    points = torch.where(drawn[..., None], on_map(points, size, input_size, grid), 0.0)

    y = torch.arange(size[0], dtype=points.dtype, device=points.device)[:, None]
    x = torch.arange(size[1], dtype=points.dtype, device=points.device)
    shape = (points.shape[0], points.shape[2], *size)
    fields, mask = points.new_zeros(*shape, 2), points.new_zeros(shape, dtype=torch.bool)
    best = points.new_full(shape, torch.inf)
    for n in range(points.shape[1]):
        dx, dy = points[:, n, :, 0, None, None] - x, points[:, n, :, 1, None, None] - y
        squared = dx * dx + dy * dy
        inside = (squared <= radius**2) & drawn[:, n, :, None, None]
        takes = inside if region == "disc" else drawn[:, n, :, None, None].expand(shape)
        if overlap == "nearest":
            takes = takes & (squared < best)
        fields = torch.where(
            takes[..., None], torch.stack(torch.broadcast_tensors(dx, dy), -1) / scale, fields
        )
        best = torch.where(takes, squared, best)
        mask = mask | inside

    channels = fields.movedim(-1, 2)
    if kind == "udp":
        channels = torch.cat((mask[:, :, None], channels), dim=2)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    heatmaps = channels.flatten(1, 2).to(dtype).contiguous(memory_format=layout)
    weights = weights.amax(1) if points.shape[1] else weights.sum(1)
    return (
        heatmaps,
        heatmaps[:, ::3] if kind == "udp" else mask.contiguous(memory_format=layout),
        weights.to(torch.float64 if dtype == torch.float64 else torch.float32),
    )
