"""What suppresses people today: NumPy loops in the manner of HRNet, and the same with vectors."""

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
    """Who is among the first `max_dets` of his image under the Gaussian decay, (N,)."""
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
