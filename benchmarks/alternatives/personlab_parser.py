"""PoseNet's decoding in NumPy and Python, in the manner of the public port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def decode(
    heatmaps: Floats,
    offsets: Floats,
    forward: Floats,
    backward: Floats,
    *,
    edges: Sequence[tuple[int, int]],
    stride_px: float,
    threshold: float = 0.5,
    radius_px: float = 20.0,
    min_score: float = 0.5,
    max_people: int = 30,
    refine_steps: int = 2,
) -> list[Floats]:
    """The people of each image, (N, K, 3)."""
    from scipy.ndimage import maximum_filter

    images = []
    for scores, shifts, ahead, back in zip(heatmaps, offsets, forward, backward, strict=True):
        joints, height, width = scores.shape
        shifts = shifts.reshape(joints, 2, height, width)
        steps = [maps.reshape(len(edges), 2, height, width) for maps in (ahead, back)]
        parts: list[Any] = []
        for k, scores_of_joint in enumerate(scores):
            largest = maximum_filter(scores_of_joint, size=3, mode="constant")
            ys, xs = np.nonzero((largest == scores_of_joint) & (scores_of_joint > threshold))
            parts.extend((scores_of_joint[y, x], k, y, x) for y, x in zip(ys, xs, strict=True))
        parts.sort(key=lambda part: -part[0])
        poses = np.zeros((0, joints, 3), np.float32)
        for score, root, y, x in parts:
            place = np.array([x, y]) * stride_px + shifts[root, :, y, x]
            if _taken(poses, root, place, radius_px):
                continue
            pose = np.zeros((joints, 3), np.float32)
            pose[root] = (*place, score)
            for e in reversed(range(len(edges))):
                _follow(pose, edges[e][::-1], steps[1][e], scores, shifts, stride_px, refine_steps)
            for e in range(len(edges)):
                _follow(pose, edges[e], steps[0][e], scores, shifts, stride_px, refine_steps)
            free = [pose[k, 2] for k in range(joints) if not _taken(poses, k, pose[k, :2], radius_px)]
            if sum(free) / joints >= min_score:
                poses = np.concatenate((poses, pose[None]))
            if len(poses) == max_people:
                break
        images.append(poses)
    return images


def _taken(poses: Floats, joint: int, place: Any, radius_px: float) -> bool:
    return bool((((poses[:, joint, :2] - place) ** 2).sum(axis=1) <= radius_px**2).any())


def _follow(
    pose: Floats,
    edge: Sequence[int],
    steps: Floats,
    scores: Floats,
    shifts: Floats,
    stride_px: float,
    refine_steps: int,
) -> None:
    start, end = edge
    if not (pose[start, 2] > 0 and pose[end, 2] == 0):
        return
    limits = np.array([scores.shape[2] - 1, scores.shape[1] - 1])

    def pixel(place: Any) -> Any:
        return np.clip(np.round(place / stride_px), 0, limits).astype(np.int64)

    x, y = pixel(pose[start, :2])
    place = pose[start, :2] + steps[:, y, x]
    for _ in range(refine_steps):
        x, y = pixel(place)
        place = np.array([x, y]) * stride_px + shifts[end, :, y, x]
    x, y = pixel(place)
    pose[end] = (*place, scores[end, y, x])
