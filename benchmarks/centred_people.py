"""CenterNet's maps of people that are known."""

from __future__ import annotations

import torch
from torch import Tensor

import pyposeops

Maps = dict[str, Tensor]


def crowd(count: int, seed: int, size: tuple[int, int] = (128, 128), joints: int = 17) -> tuple[Tensor, Maps]:
    """Joints (N, K, 2) of people anywhere, and what a network with errors of half a pixel would say of them."""
    generator = torch.Generator().manual_seed(seed)
    height, width = size
    room = torch.tensor([width - 1.0, height - 1.0])
    sides = 14 + 20 * torch.rand(count, 1, 2, generator=generator)
    corners = torch.rand(count, 1, 2, generator=generator) * (room - sides)
    people = corners + sides * torch.rand(count, joints, 2, generator=generator)
    middles = (corners + sides / 2)[:, 0]

    def heatmaps(points: Tensor) -> Tensor:
        maps = pyposeops.gaussian_heatmap(
            points.floor()[None], torch.ones(1, *points.shape[:2]), size, sigma=1.5, encoding="unbiased"
        ).heatmaps
        return maps * 0.9 + 0.01 * torch.rand(maps.shape, generator=generator)

    maps = {
        "centers": heatmaps(middles[:, None]),
        "sizes": torch.zeros(1, 2, *size),
        "joint_offsets": torch.zeros(1, 2 * joints, *size),
        "center_offsets": torch.zeros(1, 2, *size),
        "joint_heatmaps": heatmaps(people),
        "joint_heatmap_offsets": torch.zeros(1, 2, *size),
    }
    for person, middle, side in zip(people, middles, sides[:, 0], strict=True):
        x, y = middle.int().tolist()
        noise = 0.5 * torch.randn(joints, 2, generator=generator)
        maps["sizes"][0, :, y, x] = side + 2
        maps["center_offsets"][0, :, y, x] = middle - middle.floor()
        maps["joint_offsets"][0, :, y, x] = (person - torch.tensor([x, y]) + noise).flatten()
        for joint in person:
            column, row = joint.int().tolist()
            maps["joint_heatmap_offsets"][0, :, row, column] = joint - joint.floor()
    return people, maps
