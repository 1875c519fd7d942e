"""PersonLab's maps of people that are known."""

from __future__ import annotations

import torch
from torch import Tensor

import pyposeops
from pyposeops.skeletons import POSENET_EDGES

STRIDE = 16
Edges = tuple[tuple[int, int], ...]
# A standing person of COCO's 17 joints, (x, y) in units of their height.
STANDING = torch.tensor(
    [
        *([0.0, 0.1], [0.02, 0.08], [-0.02, 0.08], [0.05, 0.09], [-0.05, 0.09]),
        *([0.12, 0.2], [-0.12, 0.2], [0.16, 0.36], [-0.16, 0.36], [0.18, 0.5], [-0.18, 0.5]),
        *([0.08, 0.52], [-0.08, 0.52], [0.09, 0.75], [-0.09, 0.75], [0.1, 0.97], [-0.1, 0.97]),
    ]
)


def draw(joints: Tensor, size: tuple[int, int], edges: Edges, seed: int = 0) -> tuple[Tensor, ...]:
    """heatmaps, offsets, forward and backward of joints (N, K, 2) in the image: each pixel speaks for the nearest."""
    generator = torch.Generator().manual_seed(seed)
    count, kinds = joints.shape[:2]
    heatmaps = pyposeops.gaussian_heatmap(
        joints[None] / STRIDE, torch.ones(1, count, kinds), size, sigma=1.0, encoding="unbiased"
    ).heatmaps
    heatmaps = heatmaps + 0.01 * torch.rand(heatmaps.shape, generator=generator)
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    pixels = torch.stack((x, y), -1).float() * STRIDE
    offsets = torch.zeros(kinds, 2, *size)
    steps = torch.zeros(2, len(edges), 2, *size)
    if count:
        nearest = (pixels[None, None] - joints[:, :, None, None]).square().sum(-1).argmin(0)
        for k in range(kinds):
            offsets[k] = (joints[nearest[k], k] - pixels).permute(2, 0, 1)
        for e, (start, end) in enumerate(edges):
            for way, (a, b) in enumerate(((start, end), (end, start))):
                steps[way, e] = (joints[nearest[a], b] - joints[nearest[a], a]).permute(2, 0, 1)
    steps += torch.randn(steps.shape, generator=generator)
    return (heatmaps, *(maps.flatten(0, 1)[None] for maps in (offsets, steps[0], steps[1])))


def crowd(count: int, seed: int, size: tuple[int, int] = (23, 41)) -> tuple[Tensor, tuple[Tensor, ...]]:
    """So many standing people anywhere in the image, and their maps."""
    generator = torch.Generator().manual_seed(seed)
    height = 120 + 120 * torch.rand(count, 1, 1, generator=generator)
    room = torch.tensor([size[1] * STRIDE - 100.0, size[0] * STRIDE - 250.0])
    corners = torch.rand(count, 1, 2, generator=generator) * room + torch.tensor([50.0, 0.0])
    joints = STANDING * height + corners + 3 * torch.randn(count, 17, 2, generator=generator)
    limit = torch.tensor([size[1] * STRIDE - 1.0, size[0] * STRIDE - 1.0])
    joints = joints.minimum(limit).clamp(min=0)
    return joints, draw(joints, size, POSENET_EDGES, seed)
