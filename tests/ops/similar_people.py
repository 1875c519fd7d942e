"""People who resemble each other more or less, for the tests and benchmarks of pose NMS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor


@dataclass(frozen=True)
class People:
    """
    Args:
        keypoints: (N, K, 2), in pixels.
        scores: (N,), 0 to 1.
        areas: (N,), in square pixels.
        boxes: (N, 4), (x, y, width, height).
        joint_scores: (N, K), 0 to 1.
        offsets: (B + 1,).
    """

    keypoints: Tensor
    scores: Tensor
    areas: Tensor
    boxes: Tensor
    joint_scores: Tensor
    offsets: Tensor


def similar_people(
    generator: torch.Generator,
    sizes: Sequence[int],
    *,
    joints: int = 17,
    dtype: torch.dtype = torch.float32,
    tied: bool = False,
) -> People:
    """`sizes` people per image, each near one of a few poses, from identical to far off; `tied`: few scores."""

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    keypoints, boxes = [], []
    for size in sizes:
        poses = max(1, size // 3)
        corners, extents = 400 * uniform(poses, 2), 40 + 200 * uniform(poses, 2)
        chosen = torch.randint(poses, (size,), generator=generator)
        ideal = corners[:, None] + extents[:, None] * uniform(poses, joints, 2)
        noise = torch.randn((size, joints, 2), generator=generator, dtype=torch.float64)
        reach = torch.tensor([0.0, 0.003, 0.02, 0.06, 0.15], dtype=torch.float64)
        reach = reach[torch.randint(5, (size,), generator=generator)]
        keypoints.append(ideal[chosen] + noise * (reach[:, None] * extents[chosen])[:, None])
        boxes.append(torch.cat([corners, extents], 1)[chosen])
    points, frames = torch.cat(keypoints), torch.cat(boxes)
    scores, joint_scores = uniform(len(points)), uniform(len(points), joints)
    if tied:
        scores, joint_scores = (scores * 4).round() / 4, (joint_scores * 4).round() / 4
    areas = frames[:, 2] * frames[:, 3] * (0.5 + uniform(len(points)))
    offsets = torch.tensor([0, *accumulate(sizes)])
    cast = (tensor.to(dtype) for tensor in (points, scores, areas, frames, joint_scores))
    return People(*cast, offsets)
