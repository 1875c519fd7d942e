"""Boxes from several sources made one set: of those that overlap much, the best stays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from python_models.errors import UserError

Boxes = NDArray[np.float64]


def box_iou(first: ArrayLike, second: ArrayLike) -> Boxes:
    """Intersection over union of every box of one set with every box of another.

    Args:
        first, second: (N, 4) and (M, 4) as x, y, width, height; a box without extent overlaps with nothing.

    Returns:
        (N, M) float64, 0 to 1.

    Example:
        >>> box_iou([[0, 0, 4, 2]], [[2, 0, 4, 2], [4, 0, 4, 2]]).round(3).tolist()
        [[0.333, 0.0]]
    """
    a, b = (np.asarray(boxes, np.float64).reshape(-1, 4) for boxes in (first, second))
    low = np.maximum(a[:, None, :2], b[:, :2])
    high = np.minimum((a[:, :2] + a[:, 2:])[:, None], b[:, :2] + b[:, 2:])
    common = np.clip(high - low, 0, None).prod(-1)
    union = a[:, 2:].prod(-1)[:, None] + b[:, 2:].prod(-1) - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def box_nms(boxes: ArrayLike, scores: ArrayLike, *, threshold: float = 0.5) -> NDArray[np.int64]:
    """Greedy non-maximum suppression: the best box stays, those that overlap with it by more than `threshold` go.

    Args:
        boxes: (N, 4) as x, y, width, height, finite.
        scores: (N,), finite.
        threshold: intersection over union, 0 to 1; 1 keeps all.

    Returns:
        Places of the boxes that stay, the best first; of equal scores the first.

    Raises:
        UserError: shapes that do not fit, numbers that are not finite, a threshold out of range.

    Example:
        >>> box_nms([[0, 0, 9, 9], [0, 0, 10, 10], [20, 0, 5, 5]], [0.8, 0.9, 0.3]).tolist()
        [1, 2]
    """
    table, values = np.asarray(boxes, np.float64), np.asarray(scores, np.float64)
    if not 0 <= threshold <= 1:
        raise UserError(f"threshold: expected an overlap from 0 to 1, got {threshold}")
    if values.ndim != 1 or table.size != 4 * values.size or table.shape[-1:] not in ((4,), (0,)):
        raise UserError(f"boxes: expected (N, 4) and scores (N,), got {table.shape} and {values.shape}")
    if not (np.isfinite(table).all() and np.isfinite(values).all()):
        raise UserError("boxes: expected finite boxes and scores")
    order = np.argsort(-values, kind="stable")
    overlaps = box_iou(table.reshape(-1, 4)[order], table.reshape(-1, 4)[order]) > threshold
    gone, kept = np.zeros(len(order), bool), []
    for place in range(len(order)):
        if not gone[place]:
            kept.append(order[place])
            gone |= overlaps[place]
    return np.array(kept, np.int64)


def unify_boxes(detected: ArrayLike, propagated: ArrayLike, *, threshold: float = 0.5) -> NDArray[np.float32]:
    """Boxes of a detector and boxes carried over from the frame before, without those that show the same person.

    Args:
        detected, propagated: (N, 5) and (M, 5) as x, y, width, height, score.
        threshold: of the non-maximum suppression; of equal scores the detected box stays.

    Returns:
        (P, 5) float32, the best first.

    Source: Xiao et al., Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018, section 3.1.
    """
    both = np.concatenate([np.asarray(boxes, np.float64).reshape(-1, 5) for boxes in (detected, propagated)])
    return both[box_nms(both[:, :4], both[:, 4], threshold=threshold)].astype(np.float32)
