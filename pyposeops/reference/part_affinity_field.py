"""Definition of part_affinity_field in plain PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyposeops.reference._people import on_map, padded, visible


def part_affinity_field(
    keypoints: Tensor,
    visibility: Tensor,
    limbs: Sequence[Sequence[int]] | Tensor,
    size: Sequence[int],
    *,
    half_width: float = 1.0,
    profile: str = "flat",
    overlap: str = "mean",
    ends: str = "clipped",
    grid: str = "half_pixel",
    input_size: Sequence[int] | None = None,
    offsets: Tensor | None = None,
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
    return_counts: bool = False,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Fields (B, 2 L, H, W), weights (B, L), counts (B, L, H, W), as ``pyposeops.part_affinity_field`` has them."""
    dtype = keypoints.dtype if dtype is None else dtype
    points, seen = padded(keypoints, visibility, offsets)
    known = visible(points, seen)
    points = torch.where(known[..., None], on_map(points, size, input_size, grid), 0.0)
    pairs = torch.as_tensor(limbs, dtype=torch.int64, device=points.device).reshape(-1, 2)
    start, end = points[:, :, pairs[:, 0]], points[:, :, pairs[:, 1]]  # (B, N, L, 2)
    drawn = known[:, :, pairs[:, 0]] & known[:, :, pairs[:, 1]] & (start != end).any(-1)
    weight = torch.minimum(seen[:, :, pairs[:, 0]], seen[:, :, pairs[:, 1]])

    fields = points.new_zeros(points.shape[0], len(pairs), 2, *size)
    counts = points.new_zeros(points.shape[0], len(pairs), *size)
    for n in range(points.shape[1]):
        covered, strength = _limb(start[:, n], end[:, n], half_width, profile, ends, size)
        covered = covered & drawn[:, n, :, None, None]
        along = end[:, n] - start[:, n]
        unit = (along / along.norm(dim=-1, keepdim=True)).nan_to_num(0.0)[..., None, None]
        vectors = unit * (strength * covered)[:, :, None]
        overwritten = torch.where(covered[:, :, None], vectors, fields)
        fields = overwritten if overlap == "overwrite" else fields + vectors
        counts = counts + covered
    if overlap == "mean":
        fields = fields / counts.clamp(min=1)[:, :, None]

    layout = torch.channels_last if channels_last else torch.contiguous_format
    weights = torch.where(drawn, weight, 0.0)
    weights = weights.amax(1) if points.shape[1] else weights.sum(1)
    return (
        fields.flatten(1, 2).to(dtype).contiguous(memory_format=layout),
        weights.to(torch.float64 if dtype == torch.float64 else torch.float32),
        counts.clamp(max=255).to(torch.uint8).contiguous(memory_format=layout) if return_counts else None,
    )


def _limb(
    start: Tensor, end: Tensor, half_width: float, profile: str, ends: str, size: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """For limbs between (..., 2) joints the pixels (..., H, W) they cover, and how strong they are there."""
    y = torch.arange(size[0], dtype=start.dtype, device=start.device)[:, None]
    x = torch.arange(size[1], dtype=start.dtype, device=start.device)
    ax, ay, bx, by = (t[..., None, None] for t in (*start.unbind(-1), *end.unbind(-1)))
    along_x, along_y, dx, dy = bx - ax, by - ay, x - ax, y - ay
    squared = along_x * along_x + along_y * along_y
    length = squared.sqrt()
    dot = along_x * dx + along_y * dy
    cross = (along_x * dy - along_y * dx).abs()
    if profile in ("gaussian", "quartic"):
        share = (dot / squared).clamp(0, 1).nan_to_num(0.0)
        distance = (dx - share * along_x) ** 2 + (dy - share * along_y) ** 2
        power = distance if profile == "gaussian" else distance**2 / 2
        return torch.ones_like(dot, dtype=torch.bool), torch.exp(-power / half_width**2)
    covered = cross <= half_width * length
    if ends == "clipped":
        covered = covered & (dot >= 0) & (dot <= squared)
    else:
        rounding = 0.5 if ends == "openpose" else 0.0
        for q, a, b in ((x, ax, bx), (y, ay, by)):
            first = (torch.minimum(a, b) - half_width + rounding).floor()
            past = (torch.maximum(a, b) + half_width + rounding).floor()
            covered = covered & (q >= first) & (q < past)
    if profile == "linear":
        return covered, 1 - (cross / (half_width * length)).nan_to_num(0.0)
    return covered, torch.ones_like(cross)
