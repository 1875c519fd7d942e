"""Where people are found, but some joints are not: COCO's evaluation joint by joint, and joints of the wrong side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyposeops.metrics.coco_data import Floats, Integers, KeypointTruths
from pyposeops.metrics.coco_matching import Matched

# (left, right) of COCO's 17 joints and CrowdPose's 14, from 0.
COCO_FLIP_PAIRS = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16))
CROWDPOSE_FLIP_PAIRS = ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11))
_FLIP_PAIRS = {17: COCO_FLIP_PAIRS, 14: CROWDPOSE_FLIP_PAIRS}


class SwapRates(NamedTuple):
    """Left joints found on the right and the other way round; see :meth:`COCOeval.swap_rates`."""

    rates: Floats
    """(P,): share of each pair's examined people in whom it is swapped; NaN where nobody was examined."""
    mean: float
    """Share of all examined pairs, NaN for none."""
    swapped: Integers
    """(P,): in how many people the pair is swapped."""
    examined: Integers
    """(P,): matched people with both joints labelled."""


def with_one_joint(truths: KeypointTruths, joint: int) -> KeypointTruths:
    """The same people with one joint labelled at most; those without it no longer count."""
    keypoints = truths.keypoints.copy()
    keypoints[:, :joint, 2] = 0.0
    keypoints[:, joint + 1 :, 2] = 0.0
    labelled = keypoints[:, joint, 2] > 0
    return replace(truths, keypoints=keypoints, num_keypoints=labelled.astype(np.int64))


def default_flip_pairs(joints: int) -> tuple[tuple[int, int], ...]:
    if joints not in _FLIP_PAIRS:
        raise ValueError(f"flip_pairs: expected pairs of joints for a set of {joints}, got none")
    return _FLIP_PAIRS[joints]


def swap_rates(
    matched: Matched,
    matches: NDArray[np.int32],
    flip_pairs: Sequence[Sequence[int]],
    *,
    iou: float,
    similarity: float,
) -> SwapRates:
    """See :meth:`COCOeval.swap_rates`; ``matches`` as of :func:`match_details`."""
    joints = len(matched.params.kpt_oks_sigmas)
    pairs = np.array([_checked(pair, joints) for pair in flip_pairs], np.int64).reshape(-1, 2)
    thresholds = np.asarray(matched.params.iouThrs)
    at = np.flatnonzero(np.isclose(thresholds, iou, rtol=0, atol=1e-9))
    if len(at) == 0:
        raise ValueError(f"iou: expected one of params.iouThrs {thresholds.tolist()}, got {iou}")
    positions = matches[0, at[0]]
    found = np.flatnonzero((positions >= 0) & (matched.states[0, at[0]] == 1))
    truths = matched.gt_order[positions[found]]
    detections = matched.dt_order[found]
    true = matched.truths.keypoints[truths][:, pairs]  # (N, P, 2, 3)
    seen = matched.results.keypoints[detections][:, pairs][..., :2]
    tolerance = (2 * matched.params.kpt_oks_sigmas[pairs]) ** 2  # (P, 2)
    area = matched.truths.areas[truths][:, None, None] + np.spacing(1)
    direct = _mean_similarity(true[..., :2] - seen, tolerance, area)
    crossed = _mean_similarity(true[..., :2] - seen[:, :, ::-1], tolerance, area)
    both = (true[..., 2] > 0).all(-1)
    swapped = both & (crossed > direct) & (crossed >= similarity)
    counts, examined = swapped.sum(0), both.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return SwapRates(
            counts / examined, float(counts.sum() / np.float64(examined.sum())), counts, examined
        )


def _checked(pair: Sequence[int], joints: int) -> tuple[int, int]:
    first, second = (int(joint) for joint in pair)
    if first == second or not all(0 <= joint < joints for joint in (first, second)):
        raise ValueError(
            f"flip_pairs: expected pairs of different joints below {joints}, got {(first, second)}"
        )
    return first, second


def _mean_similarity(difference: Floats, tolerance: Floats, area: Floats) -> Floats:
    """Of both joints of every pair: (N, P) from (N, P, 2, 2)."""
    distance = np.square(difference).sum(-1)
    similarity: Floats = np.exp(-distance / tolerance / area / 2).mean(-1)
    return similarity
