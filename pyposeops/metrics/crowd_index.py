"""How crowded an image is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def crowd_index(boxes: ArrayLike, keypoints: ArrayLike, visibility: ArrayLike) -> float:
    """CrowdPose's crowd index: how many joints of others a person's box holds for one of the own, on average.

    0 where nobody's box holds a joint of somebody else; about 1 where two people stand in one place. A box
    has its rims. People without a labelled joint are left out; what they hold is not counted and they count nowhere.

    Args:
        boxes: (N, 4) of x, y, width, height in pixels.
        keypoints: (N, K, 2) of x, y in pixels; not read where not labelled.
        visibility: (N, K), above 0 where a joint is labelled.

    Returns:
        The mean over people; 0.0 without any. The numbers that CrowdPose's files store follow from their annotations
        in most images, but not in all: score by the stored ones.

    Raises:
        ValueError: wrong shapes, or labelled joints or boxes that are not finite.

    Example:
        >>> boxes = [[0, 0, 10, 10], [5, 0, 10, 10]]
        >>> keypoints = [[[2, 2], [7, 7]], [[8, 2], [12, 5]]]
        >>> crowd_index(boxes, keypoints, [[2, 2], [2, 1]])
        0.5

    Source: Li et al., CrowdPose: Efficient Crowded Scenes Pose Estimation and A New Benchmark, CVPR 2019,
    section 4.1.
    """
    frames, places, labelled = _checked(boxes, keypoints, visibility)
    kept = labelled.any(1)
    frames, places, labelled = frames[kept], places[kept], labelled[kept]
    if not len(frames):
        return 0.0
    low, high = frames[:, :2], frames[:, :2] + frames[:, 2:]
    joints = np.where(labelled[..., None], places, np.nan)
    inside = ((joints >= low[:, None, None]) & (joints <= high[:, None, None])).all(
        -1
    )  # (box, person, joint)
    held = inside.sum(2)
    others = held.sum(1) - held.diagonal()
    return float((others / labelled.sum(1)).mean())


def _checked(
    boxes: ArrayLike, keypoints: ArrayLike, visibility: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Boxes, joints and which of them are labelled; nobody's lists may be empty."""
    frames, places = np.asarray(boxes, np.float64), np.asarray(keypoints, np.float64)
    labelled = np.asarray(visibility) > 0
    if frames.shape == places.shape == labelled.shape == (0,):
        return np.zeros((0, 4)), np.zeros((0, 0, 2)), np.zeros((0, 0), np.bool_)
    if frames.ndim != 2 or frames.shape[1] != 4:
        raise ValueError(f"boxes: expected (N, 4), got {frames.shape}")
    if places.ndim != 3 or places.shape[2] != 2 or len(places) != len(frames):
        raise ValueError(f"keypoints: expected ({len(frames)}, K, 2), got {places.shape}")
    if labelled.shape != places.shape[:2]:
        raise ValueError(f"visibility: expected {places.shape[:2]}, got {labelled.shape}")
    if not np.isfinite(frames).all() or not np.isfinite(places[labelled]).all():
        raise ValueError(
            "boxes, keypoints: expected finite numbers where joints are labelled, got NaN or inf"
        )
    return frames, places, labelled
