"""PoseTrack's figures as metrics of torchmetrics: whole sequences in, on any number of processes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from pyposeops.metrics.posetrack_ap import Compat, JointFindings, PoseTrackAp, ap_of, find_joints
from pyposeops.metrics.posetrack_data import POSETRACK_JOINTS, Integers, TrackResults, TrackTruths
from pyposeops.metrics.posetrack_mota import COUNTS, PoseTrackMota, TrackCounts, count_tracks, mota_of


class _SequenceMetric(Metric):
    """Rows of numbers that grow by whole sequences; those that come again (a sampler's padding) count once.

    A sequence must be whole in one ``update``, on one process: its tracks cannot be put together from counts. One
    that comes again with other counts came in parts, and is refused.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    # State -> (shape of a row, dtype).
    _rows: dict[str, tuple[tuple[int, ...], Any]]

    def __init__(
        self,
        *,
        joints: int = len(POSETRACK_JOINTS),
        threshold: float = 0.5,
        comparison: str = "<=",
        compat: Compat | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if joints < 1:
            raise ValueError(f"joints: expected at least 1, got {joints}")
        self.joints, self.threshold, self.comparison, self.compat = joints, threshold, comparison, compat

    def _add_states(self, rows: dict[str, tuple[tuple[int, ...], Any]]) -> None:
        self._rows = rows
        for name in rows:
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def _check(self, truths: TrackTruths, results: TrackResults) -> None:
        for name, people in (("truths", truths), ("results", results)):
            if people.keypoints.shape[1] != self.joints:
                raise ValueError(f"{name}: expected {self.joints} joints, got {people.keypoints.shape[1]}")

    def _append(self, **rows: NDArray[Any]) -> None:
        for name, value in rows.items():
            getattr(self, name).append(torch.from_numpy(np.ascontiguousarray(value)).to(self.device))

    def _kept(self) -> dict[str, NDArray[Any]]:
        """All rows of each state, in the order they came."""
        kept = {}
        for name, (shape, dtype) in self._rows.items():
            state: list[Tensor] | Tensor = getattr(self, name)
            parts = [state] if isinstance(state, Tensor) else state
            kept[name] = np.concatenate(
                [np.zeros((0, *shape), dtype), *(part.cpu().numpy() for part in parts)]
            )
        return kept

    def sync(self, *arguments: Any, **options: Any) -> None:
        """As in ``Metric``. A process that has seen nothing takes part with no rows, since all must exchange."""
        if not self._is_synced and not getattr(self, next(iter(self._rows))):
            self._append(
                **{name: np.zeros((0, *shape), dtype) for name, (shape, dtype) in self._rows.items()}
            )
        super().sync(*arguments, **options)


class MOTA(_SequenceMetric):
    """:func:`posetrack_mota` from whole sequences, as they come.

    A sequence is one row of counts, and rows are summed in the order of the sequences' numbers: the same bits on one
    process and on many. A sequence that comes again counts once.

    Args:
        joints: K. threshold, comparison, compat: as in :func:`posetrack_mota`.
        options: of ``torchmetrics.Metric``.

    ``update(truths, results)``: :class:`TrackTruths` and :class:`TrackResults` of whole sequences.
    ``compute()``: :class:`PoseTrackMota`.

    Example:
        >>> metric = MOTA(joints=1)
        >>> truths = TrackTruths([1], [1], [7], [[[10.0, 20.0, 1]]], [30.0])
        >>> metric.update(truths, TrackResults([1], [1], [0], [[[10.0, 20.0]]]))
        >>> metric.compute().mean
        1.0
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        counts = (self.joints, len(COUNTS))
        self._add_states(
            {
                "sequences": ((), np.int64),
                "counts": (counts, np.int64),
                "distances": ((self.joints,), np.float64),
            }
        )

    def update(self, truths: TrackTruths, results: TrackResults) -> None:
        """Add whole sequences."""
        self._check(truths, results)
        options = {"threshold": self.threshold, "comparison": self.comparison, "compat": self.compat}
        counted = count_tracks(truths, results, **options)  # type: ignore[arg-type]
        self._append(**counted._asdict())

    def compute(self) -> PoseTrackMota:
        """The figures of all sequences so far."""
        columns = self._kept()
        kept = TrackCounts(columns["sequences"], columns["counts"], columns["distances"])
        first = _first_of_each(kept.sequences, kept.counts)
        return mota_of(TrackCounts(kept.sequences[first], kept.counts[first], kept.distances[first]))


class PoseTrackAP(_SequenceMetric):
    """:func:`posetrack_ap` from whole sequences, as they come.

    Found joints are put in the order of their sequences: the same bits on one process and on many.
    A sequence that comes again counts once.

    Args:
        joints: K. threshold, comparison, compat: as in :func:`posetrack_ap`.
        options: of ``torchmetrics.Metric``.

    ``update(truths, results)``: :class:`TrackTruths` and :class:`TrackResults` of whole sequences.
    ``compute()``: :class:`PoseTrackAp`.

    Example:
        >>> metric = PoseTrackAP(joints=1)
        >>> truths = TrackTruths([1], [1], [7], [[[10.0, 20.0, 1]]], [30.0])
        >>> metric.update(truths, TrackResults([1], [1], [0], [[[10.0, 20.0]]], [[0.9]]))
        >>> metric.compute().mean
        1.0
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._add_states(
            {
                # number, how many rows of the other states, annotated joints of each kind
                "sequences": ((2 + self.joints,), np.int64),
                "keys": ((4,), np.int64),
                "scores": ((), np.float64),
                "correct": ((), np.int64),
            }
        )

    def update(self, truths: TrackTruths, results: TrackResults) -> None:
        """Add whole sequences."""
        self._check(truths, results)
        options = {"threshold": self.threshold, "comparison": self.comparison, "compat": self.compat}
        for sequence in np.unique(truths.labelled_frames[:, 0]).tolist():
            found = find_joints(_part(truths, sequence), results, **options)  # type: ignore[arg-type]
            row = np.array([[sequence, len(found.scores), *found.annotated]], np.int64)
            self._append(sequences=row, keys=found.keys, scores=found.scores, correct=found.correct)

    def compute(self) -> PoseTrackAp:
        """The figures of all sequences so far."""
        kept = self._kept()
        rows = kept["sequences"]
        starts = np.cumsum(rows[:, 1]) - rows[:, 1]
        first = _first_of_each(rows[:, 0], rows[:, 1:])
        at = np.concatenate(
            [np.zeros(0, np.int64), *(starts[row] + np.arange(rows[row, 1]) for row in first)]
        )
        return ap_of(
            JointFindings(kept["keys"][at], kept["scores"][at], kept["correct"][at], rows[first, 2:].sum(0))
        )


def _first_of_each(sequences: Integers, counts: Integers) -> Integers:
    """Row of each sequence, in the order of their numbers."""
    _, first, inverse = np.unique(sequences, return_index=True, return_inverse=True)
    other = (counts != counts[first][inverse]).any(axis=tuple(range(1, counts.ndim)))
    if other.any():
        number = sequences[other][0]
        raise ValueError(f"truths: expected whole sequences, got {number} again with other counts")
    return first


def _part(truths: TrackTruths, sequence: int) -> TrackTruths:
    """One sequence."""
    rows: Integers = np.flatnonzero(truths.sequences == sequence)
    frames = truths.labelled_frames[truths.labelled_frames[:, 0] == sequence]
    return TrackTruths(
        truths.sequences[rows],
        truths.frames[rows],
        truths.tracks[rows],
        truths.keypoints[rows],
        truths.head_sizes[rows],
        labelled_frames=frames,
        ignored={frame: polygons for frame, polygons in truths.ignored.items() if frame[0] == sequence},
    )
