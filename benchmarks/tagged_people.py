"""Heatmaps and tags of people that are known."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

import pyposeops

JOINTS = 17
TAG_STEP = 3.0  # between people


class Tagged(NamedTuple):
    joints: Tensor  # (N, K, 2) in pixels of the maps
    visibility: Tensor  # (N, K)
    heatmaps: Tensor  # (1, K, H, W)
    tags: Tensor  # (1, K, H, W, T)


def draw(joints: Tensor, visibility: Tensor, size: tuple[int, int], seed: int, tag_count: int = 1) -> Tagged:
    """Gaussians of sigma 2; within 6 pixels of a joint its person's tags, a little noise everywhere."""
    generator = torch.Generator().manual_seed(seed)
    heatmaps = pyposeops.gaussian_heatmap(
        joints[None], visibility[None], size, sigma=2.0, encoding="unbiased"
    ).heatmaps
    heatmaps = heatmaps + 0.02 * torch.rand(heatmaps.shape, generator=generator)
    tags = 0.1 * torch.randn(*heatmaps.shape, tag_count, generator=generator)
    own_tags = 50 * torch.randn(len(joints), tag_count, generator=generator)
    own_tags[:, 0] = TAG_STEP * (torch.randperm(len(joints), generator=generator) + 1)
    for person, own in enumerate(joints):
        for k, (x, y) in enumerate(own.round().int().tolist()):
            if visibility[person, k] == 0:
                continue
            area = (slice(max(y - 6, 0), y + 7), slice(max(x - 6, 0), x + 7))
            tags[0, k][area] = (
                own_tags[person] + 0.1 * torch.randn(tag_count, generator=generator)
            ).expand_as(tags[0, k][area])
    return Tagged(joints, visibility, heatmaps, tags)


def crowd(
    count: int, seed: int, size: tuple[int, int] = (512, 512), hidden: float = 0.2, tag_count: int = 1
) -> Tagged:
    """So many people with joints anywhere, a share of them hidden; those of one kind at least 14 pixels apart."""
    generator = torch.Generator().manual_seed(seed)
    columns, rows = size[1] // 16, size[0] // 16
    places = torch.stack(
        [torch.randperm(columns * rows, generator=generator)[:count] for _ in range(JOINTS)], 1
    )
    corner = torch.stack((places % columns, places // columns), -1) * 16.0 + 7.0
    joints = corner + (2 * torch.rand(corner.shape, generator=generator) - 1).round()
    visibility = (torch.rand(count, JOINTS, generator=generator) >= hidden).float()
    return draw(joints, visibility, size, seed, tag_count)
