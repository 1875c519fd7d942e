"""Definition of centernet_decode: centres, boxes, joints from the centres, and the nearest detected joints."""

from __future__ import annotations

import torch
from torch import Tensor

from pyposeops.reference.heatmap_peaks import heatmap_peaks


def _peaks(heatmap: Tensor, count: int, threshold: float) -> list[tuple[int, int, Tensor]]:
    """x, y and value of the largest peaks of one map (H, W)."""
    coords, scores, counts = heatmap_peaks(
        heatmap[None, None], max_peaks=count, threshold=threshold, window=3, refine="none"
    )
    found = coords[0, 0, : int(counts)].long().tolist()
    return [(x, y, score) for (x, y), score in zip(found, scores[0, 0], strict=False)]


def _nearest(joint: Tensor, candidates: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor] | None:
    """Position, value and squared distance of the candidate nearest to `joint`."""
    nearest = None
    for position, score in candidates:
        squared = (position - joint).square().sum()
        if squared < (torch.inf if nearest is None else nearest[2]):
            nearest = (position, score, squared)
    return nearest


def centernet_decode(
    centers: Tensor,
    sizes: Tensor,
    joint_offsets: Tensor,
    *,
    center_offsets: Tensor | None = None,
    joint_heatmaps: Tensor | None = None,
    joint_heatmap_offsets: Tensor | None = None,
    max_people: int = 100,
    max_peaks: int = 100,
    threshold: float = 0.0,
    joint_threshold: float = 0.1,
    max_distance: float = 0.3,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """keypoints, joint_scores, boxes, scores and counts, as ``pyposeops.centernet_decode`` documents them."""
    real = torch.float64 if centers.dtype == torch.float64 else torch.float32
    maps = centers.detach().to(real)
    batch, joints = maps.shape[0], joint_offsets.shape[1] // 2
    half = maps.new_full((batch, 2, *maps.shape[2:]), 0.5)
    center_steps = half if center_offsets is None else center_offsets.detach().to(real)
    joint_steps = half if joint_heatmap_offsets is None else joint_heatmap_offsets.detach().to(real)
    keypoints = maps.new_zeros(batch, max_people, joints, 2)
    joint_scores = maps.new_zeros(batch, max_people, joints)
    boxes, scores = maps.new_zeros(batch, max_people, 4), maps.new_zeros(batch, max_people)
    counts = torch.zeros(batch, dtype=torch.int64)
    for b in range(batch):
        candidates: list[list[tuple[Tensor, Tensor]]] = [[] for _ in range(joints)]
        if joint_heatmaps is not None:
            for k in range(joints):
                for x, y, score in _peaks(joint_heatmaps[b, k].detach().to(real), max_peaks, joint_threshold):
                    candidates[k].append((torch.tensor([x, y], dtype=real) + joint_steps[b, :, y, x], score))
        people = _peaks(maps[b, 0], max_people, threshold)
        counts[b] = len(people)
        for n, (x, y, score) in enumerate(people):
            pixel = torch.tensor([x, y], dtype=real)
            size = sizes[b, :, y, x].detach().to(real)
            center = pixel + center_steps[b, :, y, x]
            low, high = center - size * 0.5, center + size * 0.5
            scores[b, n] = score
            boxes[b, n] = torch.cat((low, size))
            for k in range(joints):
                joint = pixel + joint_offsets[b, 2 * k : 2 * k + 2, y, x].detach().to(real)
                keypoints[b, n, k] = joint
                nearest = _nearest(joint, candidates[k])
                if nearest is None:
                    continue
                position, value, squared = nearest
                reach = size.max() * torch.tensor(max_distance, dtype=real)
                if (
                    reach >= 0
                    and squared <= reach.square()
                    and ((position >= low) & (position <= high)).all()
                ):
                    keypoints[b, n, k], joint_scores[b, n, k] = position, value
    return keypoints, joint_scores, boxes, scores, counts
