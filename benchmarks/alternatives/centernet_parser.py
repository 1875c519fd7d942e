"""CenterNet's decoding in torch, in the manner of the public code: pooling, top-k, and all distances at once."""

from __future__ import annotations

import torch
from torch import Tensor


def _top(heatmaps: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Values (B, C, count), and their x and y."""
    pooled = torch.nn.functional.max_pool2d(heatmaps, 3, stride=1, padding=1)
    scores, index = (heatmaps * (heatmaps == pooled)).flatten(2).topk(count)
    return scores, index % heatmaps.shape[3], index // heatmaps.shape[3]


def _gather(maps: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """(B, N, C) of maps (B, C, H, W) at N pixels of each image."""
    flat = maps.flatten(2).mT
    return flat.gather(1, (y * maps.shape[3] + x)[..., None].expand(-1, -1, maps.shape[1]))


def decode(
    centers: Tensor,
    sizes: Tensor,
    joint_offsets: Tensor,
    center_offsets: Tensor,
    joint_heatmaps: Tensor,
    joint_heatmap_offsets: Tensor,
    count: int = 100,
) -> tuple[Tensor, Tensor, Tensor]:
    """keypoints (B, N, K, 2), boxes (B, N, 4) as corners, and scores (B, N)."""
    scores, x, y = (values[:, 0] for values in _top(centers, count))
    batch, joints = joint_heatmaps.shape[:2]
    pixels = torch.stack((x, y), -1).float()
    regressed = _gather(joint_offsets, x, y).view(batch, count, joints, 2) + pixels[:, :, None]
    middle, size = pixels + _gather(center_offsets, x, y), _gather(sizes, x, y)
    low, high = middle - size / 2, middle + size / 2
    values, joint_x, joint_y = _top(joint_heatmaps, count)
    steps = _gather(joint_heatmap_offsets, joint_x.flatten(1), joint_y.flatten(1))
    found = torch.stack((joint_x, joint_y), -1) + steps.view(batch, joints, count, 2)
    found = torch.where(values[..., None] > 0.1, found, -10000.0)
    at_first = regressed.transpose(1, 2)
    distance = (at_first[:, :, :, None] - found[:, :, None]).square().sum(-1).sqrt()
    nearest, index = distance.min(-1)
    moved = found.gather(2, index[..., None].expand(-1, -1, -1, 2))
    outside = ((moved < low[:, None]) | (moved > high[:, None])).any(-1)
    stays = outside | (nearest > 0.3 * size.amax(-1)[:, None])
    keypoints = torch.where(stays[..., None], at_first, moved).transpose(1, 2)
    return keypoints, torch.cat((low, high), -1), scores
