"""Definition of displacement_heatmap in plain PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyposeops.reference._people import on_map, padded, visible


def displacement_heatmap(
    keypoints: Tensor,
    visibility: Tensor,
    size: Sequence[int],
    *,
    radius: float,
    roots: Tensor | None = None,
    instance_sizes: Tensor | None = None,
    direction: str = "to_joint",
    off_map: str = "draw",
    grid: str = "half_pixel",
    input_size: Sequence[int] | None = None,
    offsets: Tensor | None = None,
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
) -> tuple[Tensor, Tensor]:
    """Heatmaps (B, 2 K, H, W) and weights (B, K, H, W), as ``pyposeops.displacement_heatmap`` documents them."""
    dtype = keypoints.dtype if dtype is None else dtype
    points, seen = padded(keypoints, visibility, offsets)
    drawn = visible(points, seen)
    points = torch.where(drawn[..., None], points, 0.0)
    if roots is None:
        centres = points.sum(2) / drawn.sum(2, keepdim=True).clamp(min=1)
    else:
        centres = _per_person(roots, keypoints.ndim == 3, offsets)
    if instance_sizes is None:
        sizes = _diagonals(points, drawn, size, input_size)
    else:
        sizes = _per_person(instance_sizes, keypoints.ndim == 3, offsets)
    points, centres = (on_map(t, size, input_size, grid) for t in (points, centres))
    usable = centres.isfinite().all(-1) & sizes.isfinite() & (sizes > 0)
    drawn = drawn & usable[..., None]
    if off_map == "skip":
        limit = points.new_tensor(list(size)[::-1])
        drawn = drawn & ((points >= 0) & (points < limit)).all(-1)

    y = torch.arange(size[0], dtype=points.dtype, device=points.device)[:, None]
    x = torch.arange(size[1], dtype=points.dtype, device=points.device)
    shape = (points.shape[0], points.shape[2], *size)
    fields, smallest = points.new_zeros(*shape, 2), points.new_full(shape, torch.inf)
    sign = 1.0 if direction == "to_joint" else -1.0
    for n in range(points.shape[1]):
        inside = _inside(x, centres[:, n, 0], radius) & _inside(y, centres[:, n, 1], radius)  # (B, H, W)
        person = sizes[:, n, None, None, None].expand(shape)
        takes = inside[:, None] & drawn[:, n, :, None, None] & (person <= smallest)
        dx, dy = points[:, n, :, 0, None, None] - x, points[:, n, :, 1, None, None] - y
        fields = torch.where(
            takes[..., None], sign * torch.stack(torch.broadcast_tensors(dx, dy), -1), fields
        )
        smallest = torch.where(takes, person, smallest)

    layout = torch.channels_last if channels_last else torch.contiguous_format
    heatmaps = fields.movedim(-1, 2).flatten(1, 2).to(dtype).contiguous(memory_format=layout)
    return heatmaps, (1 / smallest).to(dtype).contiguous(memory_format=layout)


def _inside(pixel: Tensor, root: Tensor, radius: float) -> Tensor:
    first, past = (root - radius).floor()[:, None, None], (root + radius).floor()[:, None, None]
    return (pixel >= first) & (pixel < (past if radius > 0 else past + 1))


def _diagonals(
    points: Tensor, drawn: Tensor, size: Sequence[int], input_size: Sequence[int] | None
) -> Tensor:
    """Of the box around a person's visible joints in map pixels, at least 1."""
    if points.shape[2] == 0:
        return points.new_ones(points.shape[:2])
    low = torch.where(drawn[..., None], points, torch.inf).amin(2)
    high = torch.where(drawn[..., None], points, -torch.inf).amax(2)
    height, width = (a / b for a, b in zip(input_size or size, size, strict=True))
    extent = (high - low).clamp(min=0) / points.new_tensor([width, height])
    return torch.hypot(*extent.unbind(-1)).clamp(min=1)


def _per_person(values: Tensor, one_each: bool, offsets: Tensor | None) -> Tensor:
    """(B, N, ...) in float64 of values given as (B, N, ...), as (B, ...) for one person each, or as a ragged list."""
    if offsets is not None:
        return padded(values, values, offsets)[0]
    return (values[:, None] if one_each else values).to(torch.float64)
