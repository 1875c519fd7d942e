"""Heatmaps and fields of people that are known."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

import pyposeops
from pyposeops.skeletons import OPENPOSE_COCO_18, PafSkeleton

STRIDE = 8
# A standing person of COCO's 18 joints, (x, y) in units of their height.
STANDING = torch.tensor(
    [
        *(
            [0.00, 0.10],
            [0.00, 0.20],
            [-0.12, 0.20],
            [-0.16, 0.36],
            [-0.18, 0.50],
            [0.12, 0.20],
            [0.16, 0.36],
        ),
        *(
            [0.18, 0.50],
            [-0.08, 0.52],
            [-0.09, 0.75],
            [-0.10, 0.97],
            [0.08, 0.52],
            [0.09, 0.75],
            [0.10, 0.97],
        ),
        *([-0.03, 0.07], [0.03, 0.07], [-0.07, 0.09], [0.07, 0.09]),
    ]
)


class Planted(NamedTuple):
    joints: Tensor  # (N, K, 2) in pixels of the input
    visibility: Tensor  # (N, K)
    heatmaps: Tensor  # (1, K, H, W)
    pafs: Tensor  # (1, 2 L, H, W), in the skeleton's channels


def render(joints: Tensor, visibility: Tensor, skeleton: PafSkeleton, size: tuple[int, int]) -> Planted:
    """Maps of stride 8 and `size` cells."""
    input_size = (size[0] * STRIDE, size[1] * STRIDE)
    offsets = torch.tensor([0, len(joints)])
    heatmaps = pyposeops.gaussian_heatmap(
        joints, visibility, size, sigma=7.0 / STRIDE, encoding="cmu", input_size=input_size, offsets=offsets
    ).heatmaps
    fields = pyposeops.part_affinity_field(
        joints, visibility, skeleton.limbs, size, ends="openpose", input_size=input_size, offsets=offsets
    ).fields
    pafs = torch.zeros(1, max(map(max, skeleton.channels)) + 1, *size)
    pafs[:, [channel for pair in skeleton.channels for channel in pair]] = fields
    return Planted(joints, visibility, heatmaps, pafs)


def crowd(
    count: int, seed: int, size: tuple[int, int] = (46, 82), skeleton: PafSkeleton = OPENPOSE_COCO_18
) -> Planted:
    """So many standing people anywhere in the image, a tenth of the joints unlabelled."""
    generator = torch.Generator().manual_seed(seed)
    limit = torch.tensor([size[1] * STRIDE, size[0] * STRIDE], dtype=torch.float32)
    height = 100 + 150 * torch.rand(count, 1, 1, generator=generator)
    corner = torch.rand(count, 1, 2, generator=generator) * (limit - torch.tensor([0.0, 150.0]))
    joints = STANDING * height + corner + 4 * torch.randn(count, len(STANDING), 2, generator=generator)
    inside = ((joints >= 0) & (joints <= limit - 1)).all(-1)
    visibility = inside & (torch.rand(count, len(STANDING), generator=generator) > 0.1)
    return render(joints, visibility.float(), skeleton, size)


def connected(visibility: Tensor, skeleton: PafSkeleton) -> Tensor:
    """(N, K) bool: the labelled joints of each person that limbs join to the most others; nothing finds the rest."""
    result = torch.zeros_like(visibility, dtype=torch.bool)
    for person, seen in enumerate(visibility > 0):
        group = list(range(len(seen)))
        for a, b in skeleton.limbs:
            if seen[a] and seen[b] and group[a] != group[b]:
                old, new = group[a], group[b]
                group = [new if g == old else g for g in group]
        sizes = [sum(bool(s) and g == h for s, g in zip(seen, group, strict=True)) for h in group]
        largest = group[sizes.index(max(sizes))]
        result[person] = seen & torch.tensor([g == largest for g in group])
    return result
