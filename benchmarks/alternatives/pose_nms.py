"""What suppresses people today: NumPy loops in the manner of HRNet and AlphaPose, and with vectors over people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Overlaps = Callable[[Array, Array, float, Array, Array], Array]


def looped_overlaps(pose: Array, others: Array, area: float, areas: Array, variances: Array) -> Array:
    """Similarities of one person with the others, one at a time, as the published code computes them."""
    overlaps = np.zeros(len(others))
    for i, other in enumerate(others):
        dx, dy = (other - pose).T
        exponents = (dx**2 + dy**2) / variances / ((area + areas[i]) / 2 + np.spacing(1)) / 2
        overlaps[i] = np.sum(np.exp(-exponents)) / len(exponents)
    return overlaps


def vector_overlaps(pose: Array, others: Array, area: float, areas: Array, variances: Array) -> Array:
    """The same, all others at once."""
    squared = ((others - pose) ** 2).sum(-1)
    scale = (area + areas)[:, None] / 2 + np.spacing(1)
    return np.exp(-squared / variances / scale / 2).mean(-1)


def _images(
    keypoints: Array, scores: Array, areas: Array, offsets: NDArray[np.int64]
) -> Iterator[tuple[int, Array, Array, Array]]:
    for begin, end in pairwise(offsets):
        yield begin, keypoints[begin:end], scores[begin:end], areas[begin:end]


def oks_nms(
    keypoints: Array,
    scores: Array,
    areas: Array,
    offsets: NDArray[np.int64],
    *,
    sigmas: tuple[float, ...],
    threshold: float,
    overlaps: Overlaps,
) -> NDArray[np.bool_]:
    """Who is kept, (N,), image by image; of equal scores the last person comes first."""
    variances = (np.array(sigmas) * 2) ** 2
    keep = np.zeros(len(scores), bool)
    for begin, poses, own_scores, own_areas in _images(keypoints, scores, areas, offsets):
        order = np.argsort(own_scores, kind="stable")[::-1]
        while len(order):
            first, order = order[0], order[1:]
            keep[begin + first] = True
            found = overlaps(poses[first], poses[order], own_areas[first], own_areas[order], variances)
            order = order[found <= threshold]
    return keep


def soft_oks_nms(
    keypoints: Array,
    scores: Array,
    areas: Array,
    offsets: NDArray[np.int64],
    *,
    sigmas: tuple[float, ...],
    threshold: float,
    max_dets: int,
    overlaps: Overlaps,
) -> NDArray[np.bool_]:
    """Who is among the first `max_dets` of an image under the Gaussian decay, (N,)."""
    variances = (np.array(sigmas) * 2) ** 2
    keep = np.zeros(len(scores), bool)
    for begin, poses, own_scores, own_areas in _images(keypoints, scores, areas, offsets):
        order = np.argsort(own_scores, kind="stable")[::-1]
        left = own_scores[order]
        for _ in range(min(max_dets, len(order))):
            first, order = order[0], order[1:]
            keep[begin + first] = True
            found = overlaps(poses[first], poses[order], own_areas[first], own_areas[order], variances)
            left = left[1:] * np.exp(-(found**2) / threshold)
            again = np.argsort(left, kind="stable")[::-1]
            order, left = order[again], left[again]
    return keep


def parametric_pose_nms(
    boxes: Array, box_scores: Array, poses: Array, joint_scores: Array, offsets: NDArray[np.int64]
) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """Merged poses, their joint scores and person scores, and who is kept, in AlphaPose's manner with its numbers."""
    merged, merged_scores = np.zeros_like(poses), np.zeros_like(joint_scores)
    person_scores, keep = np.zeros_like(box_scores), np.zeros(len(poses), bool)
    scores = np.where(joint_scores == 0, 1e-5, joint_scores)
    reaches = 0.1 * boxes[:, 2:].max(1)
    means = scores.mean(1)
    for begin, end in pairwise(offsets):
        left = np.arange(begin, end)
        while len(left):
            best = left[np.argmax(means[left])]
            apart = np.sqrt(((poses[best] - poses[left]) ** 2).sum(-1))
            confident = np.tanh(scores[best]) * np.tanh(scores[left]) * (apart <= 1)
            similar = confident.sum(1) + 1.7 * np.exp(-apart / 2.65).sum(1)
            matches = (apart / min(reaches[best], 7) <= 1).sum(1)
            same = (similar > 22.48) | (matches >= 5) | (left == best)
            group, left, apart = left[same], left[~same], apart[same]
            share = scores[group] * (apart <= min(reaches[best], 15))
            portion = share / share.sum(0)
            pose_scores = (share * portion).sum(0)
            if min(scores[best].max(), pose_scores.max()) < 0.3:
                continue
            keep[best] = True
            merged[best] = (portion[..., None] * poses[group]).sum(0)
            merged_scores[best] = pose_scores
            person_scores[best] = pose_scores.mean() + box_scores[best] + 1.25 * pose_scores.max()
    return merged, merged_scores, person_scores, keep


def nearby_joints_nms(keypoints: Array, scores: Array, offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Who is kept, (N,), in DEKR's manner with its numbers: all distances of an image at once, then a loop."""
    keep = np.zeros(len(scores), bool)
    for begin, end in pairwise(offsets):
        poses, own_scores = keypoints[begin:end], scores[begin:end]
        diagonal = np.linalg.norm(poses.max(1) - poses.min(1), axis=1)
        distance = np.linalg.norm(poses[:, None] - poses, axis=3)
        close = (distance < 0.05 * diagonal[:, None, None]).sum(2) > keypoints.shape[1] // 2
        suppressed = np.zeros(end - begin, bool)
        order = np.argsort(-own_scores, kind="stable")
        kept = []
        for i in order:
            if suppressed[i]:
                continue
            members = np.flatnonzero(close[i])
            best = members[np.argmax(own_scores[members])]
            if not suppressed[best]:
                kept.append(best)
                suppressed |= close[i]
        kept = sorted(kept, key=lambda i: -own_scores[i])
        keep[begin + np.array(kept[:30], int)] = True
    return keep
