"""Matching found people with annotated ones, and the curves drawn from that: what COCO's evaluation is made of."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyposeops import _core
from pyposeops.metrics.coco_data import Floats, Integers, KeypointResults, KeypointTruths
from pyposeops.metrics.keypoint_sets import COCO_17, CROWDPOSE_14

_LONGEST_TABLE = 1_000_000  # entries of a table by number, before people are searched for instead


class Params:
    """The settings of an evaluation; all may be changed before ``evaluate``. Names are those of pycocotools."""

    def __init__(self, iouType: str = "keypoints", sigmas: ArrayLike | None = None) -> None:
        self.iouType = iouType
        self.imgIds: Sequence[int] = []
        self.catIds: Sequence[int] = []
        self.iouThrs = np.linspace(0.5, 0.95, 10)
        self.recThrs = np.linspace(0.0, 1.0, 101)
        self.maxDets: list[int] = [20]
        self.areaRng: list[list[float]] = [[0.0, 1e10], [32.0**2, 96.0**2], [96.0**2, 1e10]]
        self.areaRngLbl = ["all", "medium", "large"]
        self.useCats = 1
        if sigmas is None:
            sigmas = CROWDPOSE_14 if iouType == "keypoints_crowd" else COCO_17
        self.kpt_oks_sigmas: Floats = np.array(sigmas, dtype=np.float64)


class Matched(NamedTuple):
    """What one evaluation leaves behind. Rows of detections and truths are in the order of their cells."""

    truths: KeypointTruths
    results: KeypointResults
    params: Params
    strict: bool
    gt_order: NDArray[np.int64]
    gt_offsets: NDArray[np.int64]
    dt_order: NDArray[np.int64]
    dt_offsets: NDArray[np.int64]
    dt_ranks: NDArray[np.int32]
    states: NDArray[np.uint8]  # (areas, thresholds, detections): 0 false, 1 true, 2 ignored
    outside: NDArray[np.uint8]  # (areas, truths)


def match(truths: KeypointTruths, results: KeypointResults, params: Params, *, strict: bool) -> Matched:
    """Match detections with people in every image, in the order of ``params``, which must be sorted.

    Raises:
        ValueError: sigmas that are not (K,) above 0, limits, thresholds or area ranges that are none.
    """
    _check_params(params)
    sigmas = np.ascontiguousarray(params.kpt_oks_sigmas, np.float64)
    if sigmas.ndim != 1 or len(sigmas) == 0 or not (sigmas > 0).all():
        raise ValueError(f"kpt_oks_sigmas: expected (K,) above 0, got {sigmas}")
    cells = len(params.imgIds) * (len(params.catIds) if params.useCats else 1)
    gt_order, gt_offsets, _ = _core.coco_group(_cells(truths, params), None, cells, len(truths.ids))
    groups = _core.coco_group(_cells(results, params), results.scores, cells, params.maxDets[-1])
    dt_order, dt_offsets, ranks = groups
    order = (gt_order, gt_offsets, dt_order, dt_offsets)
    states, outside, *_ = _run(truths, results, params, order, strict=strict, details=False)
    return Matched(truths, results, copy.copy(params), strict, *order, ranks, states, outside)


def _check_params(params: Params) -> None:
    """What a caller may have put there: a limit that is no number of people, or NaN, would be scored in silence."""
    limits, thresholds, areas = map(np.asarray, (params.maxDets, params.iouThrs, params.areaRng))
    if limits.ndim != 1 or limits.size == 0 or not np.issubdtype(limits.dtype, np.integer):
        raise ValueError(f"maxDets: expected at least one integer, got {params.maxDets}")
    if np.isnan(thresholds).any():
        raise ValueError(f"iouThrs: expected no NaN, got {params.iouThrs}")
    if areas.ndim != 2 or areas.shape[1] != 2 or np.isnan(areas).any():
        raise ValueError(f"areaRng: expected at least one pair (lowest, highest), got {params.areaRng}")


def match_details(matched: Matched) -> tuple[NDArray[np.int32], Floats, Integers]:
    """Whom each detection was matched with, and the similarities of all pairs.

    Returns:
        Positions in ``gt_order`` (areas, thresholds, detections), -1 for none; similarities, per cell (detections,
        people), one cell after the other; where each cell's begin (cells + 1).
    """
    order = (matched.gt_order, matched.gt_offsets, matched.dt_order, matched.dt_offsets)
    *_, matches, values, offsets = _run(
        matched.truths, matched.results, matched.params, order, strict=matched.strict, details=True
    )
    return matches, values, offsets


def _run(
    truths: KeypointTruths,
    results: KeypointResults,
    params: Params,
    order: tuple[Integers, Integers, Integers, Integers],
    *,
    strict: bool,
    details: bool,
) -> tuple[Any, ...]:
    gt_order, gt_offsets, dt_order, dt_offsets = order
    joints = len(params.kpt_oks_sigmas)
    keypoints = results.keypoints if results.keypoints.shape[1] else np.zeros((0, joints, 2))
    matched: tuple[Any, ...] = _core.coco_match(
        truths.keypoints.reshape(-1, joints, 3),
        truths.areas,
        truths.boxes,
        truths.crowd.view(np.uint8),
        (truths.crowd | (truths.num_keypoints == 0)).view(np.uint8),
        ((truths.ids == 0) & strict).view(np.uint8),
        gt_order,
        gt_offsets,
        keypoints,
        results.areas,
        ((results.ids == 0) & strict).view(np.uint8),
        dt_order,
        dt_offsets,
        np.ascontiguousarray(params.kpt_oks_sigmas, np.float64),
        np.ascontiguousarray(params.iouThrs, np.float64),
        np.ascontiguousarray(params.areaRng, np.float64),
        details,
    )
    return matched


def draw_curves(matched: Matched) -> dict[str, Floats]:
    """Precision and scores (T, R, K, A, M), recall (T, K, A, M) of what was matched; -1 where no person counts."""
    params = matched.params
    categories = len(params.catIds) if params.useCats else 1
    edges = np.arange(categories + 1) * len(params.imgIds)
    truths_at, detections_at = matched.gt_offsets[edges], matched.dt_offsets[edges]
    exists = (np.diff(truths_at) > 0) | (np.diff(detections_at) > 0)
    before = np.zeros((len(params.areaRng), 1), np.int64)
    counted = np.concatenate([before, np.cumsum(1 - matched.outside.astype(np.int64), 1)], 1)
    return curves(
        params,
        matched.states,
        matched.results.scores[matched.dt_order],
        matched.dt_ranks,
        detections_at,
        exists,
        np.diff(counted[:, truths_at], axis=1).T,
    )


def curves(
    params: Params,
    states: NDArray[np.uint8],
    scores: Floats,
    ranks: NDArray[np.int32],
    category_offsets: Integers,
    exists: NDArray[np.bool_],
    positives: Integers,
) -> dict[str, Floats]:
    """The curves of detections that are sorted by category, image and score; see `coco_curves.h`."""
    precision, score_at, recall = _core.coco_curves(
        np.ascontiguousarray(states),
        np.ascontiguousarray(scores),
        np.ascontiguousarray(ranks),
        np.ascontiguousarray(category_offsets),
        np.ascontiguousarray(exists).view(np.uint8),
        np.ascontiguousarray(positives),
        np.array(params.maxDets, np.int64),
        np.ascontiguousarray(params.recThrs, np.float64),
    )
    return {"precision": precision, "recall": recall, "scores": score_at}


def sort_params(params: Params) -> None:
    """Puts images, categories and limits in order, each once."""
    params.imgIds = np.unique(params.imgIds).tolist()
    if params.useCats:
        params.catIds = np.unique(params.catIds).tolist()
    params.maxDets = sorted(params.maxDets)


def cell_names(params: Params) -> list[tuple[int, int]]:
    """(category, image) of every cell; category -1 without categories."""
    categories = params.catIds if params.useCats else [-1]
    return [(category, image) for category in categories for image in params.imgIds]


def _cells(people: KeypointTruths | KeypointResults, params: Params) -> Integers:
    """The cell of every row: its category's place times the images, plus its image's place; -1 for none."""
    image, known = _places(people.image_ids, params.imgIds)
    category, listed = _places(people.category_ids, params.catIds)
    if not params.useCats:
        return np.where(known, image, -1)
    return np.where(known & listed, category * len(params.imgIds) + image, -1)


def _places(values: Integers, among: Sequence[int]) -> tuple[Integers, NDArray[np.bool_]]:
    """Where each value stands in a sorted list, and whether it does."""
    table = np.asarray(among, dtype=np.int64)
    if len(table) == 0:
        return np.zeros(len(values), np.int64), np.zeros(len(values), bool)
    first, span = int(table[0]), int(table[-1]) - int(table[0]) + 1
    if span <= _LONGEST_TABLE + 16 * len(table):  # three times as fast as searching
        by_number = np.zeros(span, np.int64)
        by_number[table - first] = np.arange(len(table))
        places = by_number[np.clip(values, first, table[-1]) - first]
    else:
        places = np.minimum(np.searchsorted(table, values), len(table) - 1)
    return places, table[places] == values
