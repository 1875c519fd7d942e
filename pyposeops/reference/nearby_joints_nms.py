"""Definition of nearby_joints_nms: of people who have most joints in one place the best is kept."""

from __future__ import annotations

import torch
from torch import Tensor

from pyposeops.reference._oks import descending, images_of


def nearby_joints_nms(
    keypoints: Tensor,
    scores: Tensor,
    *,
    distance_threshold: float = 0.05,
    joint_threshold: int | None = None,
    max_dets: int = 30,
    offsets: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """keep (N,) bool and order (N,) int64, as ``pyposeops.nearby_joints_nms`` documents them; on the CPU."""
    needed = keypoints.shape[1] // 2 if joint_threshold is None else joint_threshold
    keep = torch.zeros(len(keypoints), dtype=torch.bool)
    order = torch.empty(len(keypoints), dtype=torch.int64)
    for rows in images_of(offsets, len(keypoints)):
        own = slice(rows.start, rows.stop)
        ranked = order[own] = rows.start + descending(scores[own], "stable")
        points = keypoints[ranked].double()
        there = ~points.isnan()
        sides = torch.where(there, points, -torch.inf).amax(1) - torch.where(there, points, torch.inf).amin(1)
        squared_reach = distance_threshold**2 * sides.square().sum(-1)
        squared = (points[:, None] - points).square().sum(-1)
        close = ((squared < squared_reach[:, None, None]).sum(-1) > needed) | torch.eye(
            len(points), dtype=torch.bool
        )
        taken = torch.zeros(len(points), dtype=torch.bool)
        kept: list[int] = []
        for rank in range(len(points)):
            best = int(close[rank].nonzero()[0, 0])
            if not taken[rank] and not taken[best]:
                kept.append(best)
                taken |= close[rank]
        keep[ranked[sorted(kept)[:max_dets]]] = True
    return keep, order
