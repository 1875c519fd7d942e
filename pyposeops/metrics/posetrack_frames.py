"""The frames of a tracking benchmark one by one: who is annotated there, who was found, how far they are apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyposeops.metrics.posetrack_data import Bools, Floats, Frame, Integers, TrackResults, TrackTruths

COMPATS = (None, "poseval")
_COMPARE = {"<=": np.less_equal, "<": np.less}


class FramePeople(NamedTuple):
    """G annotated and D found people of one frame; rows are in the order of the arrays that they came in."""

    frame: Frame
    truth_tracks: Integers  # (G,)
    labelled: Bools  # (G, K)
    result_tracks: Integers  # (D,)
    found: Bools  # (D, K)
    scores: Floats  # (D, K)
    distances: Floats  # (D, G, K) in head sizes, NaN where one of the joints is missing
    near: Bools  # (D, G, K): close enough


def frames_of(
    truths: TrackTruths, results: TrackResults, *, threshold: float, comparison: str, compat: str | None
) -> Iterator[FramePeople]:
    """Labelled frames in order; those without annotated people too, but for ``compat="poseval"``.

    Raises:
        ValueError: options that are none, or truths and results of other joints.
    """
    if comparison not in _COMPARE:
        raise ValueError(f"comparison: expected one of {', '.join(_COMPARE)}, got {comparison!r}")
    if compat not in COMPATS:
        raise ValueError(f"compat: expected None or 'poseval', got {compat!r}")
    if not (np.isfinite(threshold) and threshold > 0):
        raise ValueError(f"threshold: expected a number above 0, got {threshold}")
    joints = truths.keypoints.shape[1]
    if len(results.keypoints) and results.keypoints.shape[1] != joints:
        raise ValueError(f"results: expected {joints} joints, as annotated, got {results.keypoints.shape[1]}")
    annotated = _rows_by_frame(truths.sequences, truths.frames)
    seen = _rows_by_frame(results.sequences, results.frames)
    for sequence, number in truths.labelled_frames.tolist():
        frame = (sequence, number)
        rows, found_rows = (table.get(frame, _NOBODY) for table in (annotated, seen))
        if compat == "poseval" and len(rows) == 0:
            continue
        yield _people(truths, results, frame, rows, found_rows, threshold, comparison)


_NOBODY: Integers = np.zeros(0, np.int64)


def _rows_by_frame(sequences: Integers, frames: Integers) -> dict[Frame, Integers]:
    keys = np.stack([sequences, frames], axis=1)
    unique, inverse = np.unique(keys, axis=0, return_inverse=True)
    order = np.argsort(inverse.reshape(-1), kind="stable")
    edges = np.searchsorted(inverse.reshape(-1)[order], np.arange(len(unique) + 1))
    return {
        (int(sequence), int(frame)): order[edges[i] : edges[i + 1]]
        for i, (sequence, frame) in enumerate(unique)
    }


def _people(
    truths: TrackTruths,
    results: TrackResults,
    frame: Frame,
    rows: Integers,
    found_rows: Integers,
    threshold: float,
    comparison: str,
) -> FramePeople:
    joints = truths.keypoints.shape[1]
    true = truths.keypoints[rows]
    seen = results.keypoints[found_rows].reshape(-1, joints, 2)
    labelled: Bools = np.asarray(true[..., 2] > 0)
    found: Bools = np.asarray(np.isfinite(seen).all(-1))
    polygons = truths.ignored.get(frame, ())
    if len(polygons):
        labelled = labelled & ~inside_any(true[..., :2], polygons)
        found = found & ~inside_any(np.nan_to_num(seen), polygons)
    both = found[:, None] & labelled[None]
    with np.errstate(
        invalid="ignore", over="ignore"
    ):  # joints not found are NaN; too far to be squared is far
        distances = np.linalg.norm(seen[:, None] - true[None, ..., :2], axis=-1)
        distances = np.where(both, distances / truths.head_sizes[rows][None, :, None], np.nan)
        near = both & _COMPARE[comparison](distances, threshold)
    scores = results.scores[found_rows].reshape(-1, joints)
    return FramePeople(
        frame, truths.tracks[rows], labelled, results.tracks[found_rows], found, scores, distances, near
    )


def inside_any(points: Floats, polygons: Sequence[ArrayLike]) -> Bools:
    """Which points (..., 2) lie in one of the polygons (P, 2), by the even-odd rule; borders belong to polygons."""
    inside = np.zeros(points.shape[:-1], bool)
    for polygon in polygons:
        with np.errstate(over="ignore", invalid="ignore"):  # of corners beyond all pictures
            inside |= _inside(points, np.asarray(polygon, np.float64))
    return inside


def _inside(points: Floats, polygon: Floats) -> Bools:
    x, y = points[..., 0], points[..., 1]
    crossings = np.zeros(x.shape, np.int64)
    on_border = np.zeros(x.shape, bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        side = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
        between = (np.minimum(x0, x1) <= x) & (x <= np.maximum(x0, x1))
        between &= (np.minimum(y0, y1) <= y) & (y <= np.maximum(y0, y1))
        on_border |= between & (side == 0)
        # An edge crosses the ray to the right where it passes the point's height, its lower end included.
        upwards, downwards = (y0 <= y) & (y < y1), (y1 <= y) & (y < y0)
        crossings += (upwards & (side > 0)) | (downwards & (side < 0))
    inside: Bools = on_border | (crossings % 2 == 1)
    return inside


def mean_of_known(values: NDArray[Any]) -> float:
    """Mean without NaN; NaN for nothing."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
