"""Definition of personlab_decode: peaks by falling score, each the start of a pose along the skeleton."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyposeops.reference.heatmap_peaks import heatmap_peaks

Pose = dict[int, tuple[Tensor, Tensor]]  # by joint: position (2,) and score


class _Image:
    """One image's maps in the dtype of the computation."""

    def __init__(self, heatmaps: Tensor, offsets: Tensor, stride_px: float) -> None:
        self.heatmaps, self.offsets = heatmaps, offsets
        self.stride = torch.tensor(stride_px, dtype=heatmaps.dtype)

    def pixel(self, position: Tensor) -> tuple[int, int]:
        """x and y of the nearest pixel."""
        height, width = self.heatmaps.shape[1:]
        index = position / self.stride
        limits = torch.tensor([width - 1, height - 1], dtype=position.dtype)
        x, y = torch.minimum(index.clamp(min=0), limits).round().long().tolist()
        return x, y

    def joint_at(self, joint: int, x: int, y: int) -> Tensor:
        pixel = torch.tensor([x, y], dtype=self.heatmaps.dtype)
        return pixel * self.stride + self.offsets[2 * joint : 2 * joint + 2, y, x]

    def follow(self, pose: Pose, steps: Tensor, start: int, end: int, refine_steps: int) -> None:
        """Adds joint `end`, reached from joint `start` by the displacements `steps` (2, H, W)."""
        if start not in pose or end in pose:
            return
        position = pose[start][0]
        x, y = self.pixel(position)
        position = position + steps[:, y, x]
        for _ in range(refine_steps):
            if position.isfinite().all():
                position = self.joint_at(end, *self.pixel(position))
        if not position.isfinite().all():
            return
        x, y = self.pixel(position)
        if self.heatmaps[end, y, x].isfinite():
            pose[end] = (position, self.heatmaps[end, y, x])


def _within(a: Tensor, b: Tensor, radius_px: float) -> bool:
    (ax, ay), (bx, by) = a.tolist(), b.tolist()
    return bool((ax - bx) * (ax - bx) + (ay - by) * (ay - by) <= radius_px * radius_px)


def personlab_decode(
    heatmaps: Tensor,
    offsets: Tensor,
    forward: Tensor,
    backward: Tensor,
    edges: Sequence[tuple[int, int]],
    *,
    stride_px: float,
    threshold: float = 0.5,
    max_peaks: int = 100,
    refine_steps: int = 2,
    radius_px: float = 20.0,
    min_score: float = 0.5,
    max_people: int = 30,
) -> tuple[Tensor, Tensor, Tensor]:
    """keypoints, scores and counts, as ``pyposeops.personlab_decode`` documents them; on the CPU."""
    real = torch.float64 if heatmaps.dtype == torch.float64 else torch.float32
    maps, shifts, ahead, back = (t.detach().to(real) for t in (heatmaps, offsets, forward, backward))
    batch, joints = maps.shape[:2]
    found = heatmap_peaks(maps, max_peaks=max_peaks, threshold=threshold, window=3, refine="none")
    keypoints = maps.new_zeros(batch, max_people, joints, 3)
    scores = maps.new_zeros(batch, max_people)
    counts = torch.zeros(batch, dtype=torch.int64)
    for b in range(batch):
        image = _Image(maps[b], shifts[b], stride_px)
        peaks = [
            (float(maps[b, k, int(y), int(x)]), k, int(x), int(y))
            for k in range(joints)
            for x, y in found[0][b, k, : found[2][b, k]].tolist()
        ]
        people: list[Pose] = []
        for score, root, x, y in sorted(peaks, key=lambda peak: -peak[0]):
            if len(people) == max_people:
                break
            position = image.joint_at(root, x, y)
            if not (position.isfinite().all() and torch.tensor(score).isfinite()):
                continue
            if any(root in other and _within(position, other[root][0], radius_px) for other in people):
                continue
            pose: Pose = {root: (position, maps[b, root, y, x])}
            for e, (start, end) in reversed(list(enumerate(edges))):
                image.follow(pose, back[b, 2 * e : 2 * e + 2], end, start, refine_steps)
            for e, (start, end) in enumerate(edges):
                image.follow(pose, ahead[b, 2 * e : 2 * e + 2], start, end, refine_steps)
            total = 0.0
            for k in sorted(pose):
                taken = (other for other in people if k in other)
                if not any(_within(pose[k][0], other[k][0], radius_px) for other in taken):
                    total += float(pose[k][1])
            if not total / joints >= min_score:
                continue
            scores[b, len(people)] = total / joints
            for k, (place, value) in pose.items():
                keypoints[b, len(people), k] = torch.cat((place, value[None]))
            people.append(pose)
        counts[b] = len(people)
    return keypoints, scores, counts
