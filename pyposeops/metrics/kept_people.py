"""What is kept of matched people until the end: a row per image and category, a few bytes per detection."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyposeops.metrics.coco_data import Floats, Integers
from pyposeops.metrics.coco_matching import Matched, Params, curves

BITS = 63  # of an int64 that are not its sign
# Columns of `rows`; the counted people of each view and area range follow.
IMAGE, CATEGORY, DETECTIONS, TRUTHS, POSITIVES = range(5)


class KeptPeople(NamedTuple):
    """Detections stand in the order of the rows, by falling score within each.

    A view is an evaluation of its own of the same detections, such as that of a single joint.
    """

    rows: Integers
    """(N, 4 + views x areas), one per image and category."""
    scores: Floats
    """(D,)"""
    bits: Integers
    """(D, 2 W): first the words of "correct", then of "ignored"; a bit per view, area range and threshold."""
    crowd_index: Floats
    """(N,), NaN where not known."""

    @classmethod
    def empty(cls, params: Params, views: int) -> KeptPeople:
        areas, words = len(params.areaRng), 2 * word_count(params, views)
        rows = np.zeros((0, POSITIVES + views * areas), np.int64)
        return cls(rows, np.zeros(0), np.zeros((0, words), np.int64), np.zeros(0))

    @classmethod
    def of(cls, views: list[Matched], crowd_index: dict[int, float]) -> KeptPeople:
        """All that matters of matched images; the views differ in their truths alone."""
        first = views[0]
        images, categories = (np.array(ids, np.int64) for ids in (first.params.imgIds, first.params.catIds))
        columns = [
            np.tile(images, len(categories)),
            np.repeat(categories, len(images)),
            np.diff(first.dt_offsets),
            np.diff(first.gt_offsets),
            *(column for view in views for column in _positives(view)),
        ]
        kinds = len(first.params.areaRng) * len(first.params.iouThrs)
        states = np.concatenate([view.states.reshape(kinds, len(first.dt_order)) for view in views])
        return cls(
            np.stack(columns, axis=1),
            first.results.scores[first.dt_order],
            np.concatenate([pack(states == 1), pack(states == 2)], axis=1),
            np.array([crowd_index.get(int(image), np.nan) for image in columns[0]]),
        )

    def ordered(self) -> KeptPeople:
        """By category and image, repeated images once.

        Raises:
            ValueError: an image that came several times with different people.
        """
        order = np.lexsort((self.rows[:, IMAGE], self.rows[:, CATEGORY]))
        kept = self.select(order)
        same = (np.diff(kept.rows[:, [CATEGORY, IMAGE]], axis=0) == 0).all(1)
        starts = kept._starts()
        for row in np.flatnonzero(same).tolist():
            if not kept._equal(row, row + 1, starts):
                raise ValueError(
                    f"image {kept.rows[row, IMAGE]}: expected all of its people in one update, got several with "
                    "different people"
                )
        return kept.select(np.flatnonzero(np.concatenate([[True], ~same]))) if same.any() else kept

    def select(self, order: Integers | NDArray[np.bool_]) -> KeptPeople:
        """Some rows, with their detections."""
        order = np.flatnonzero(order) if order.dtype == bool else order
        counts = self.rows[order, DETECTIONS]
        first = np.concatenate([[0], np.cumsum(counts)])[:-1]
        at = np.repeat(self._starts()[order] - first, counts) + np.arange(counts.sum())
        return KeptPeople(self.rows[order], self.scores[at], self.bits[at], self.crowd_index[order])

    def _starts(self) -> Integers:
        """Where each row's detections begin."""
        counts = self.rows[:, DETECTIONS]
        starts: Integers = np.cumsum(counts) - counts
        return starts

    def _equal(self, one: int, other: int, starts: Integers) -> bool:
        if not (self.rows[one] == self.rows[other]).all():
            return False
        first, second = (slice(starts[row], starts[row] + self.rows[row, DETECTIONS]) for row in (one, other))
        same = np.array_equal(self.scores[first], self.scores[second])
        return same and np.array_equal(self.bits[first], self.bits[second])

    def draw(self, params: Params, view: int, views: int) -> dict[str, Floats]:
        """The curves of a view; rows must be ordered."""
        areas, thresholds = len(params.areaRng), len(params.iouThrs)
        edges = np.searchsorted(self.rows[:, CATEGORY], [*params.catIds, params.catIds[-1] + 1])
        detections, truths = (_sums(self.rows[:, column]) for column in (DETECTIONS, TRUTHS))
        positives = self.rows[:, POSITIVES + view * areas : POSITIVES + (view + 1) * areas]
        kinds = slice(view * areas * thresholds, (view + 1) * areas * thresholds)
        correct, ignored = (
            unpack(words, views * areas * thresholds)[kinds] for words in np.split(self.bits, 2, axis=1)
        )
        states = (correct + 2 * ignored).astype(np.uint8).reshape(areas, thresholds, -1)
        ranks = np.arange(len(self.scores)) - np.repeat(self._starts(), self.rows[:, DETECTIONS])
        return curves(
            params,
            states,
            self.scores,
            ranks.astype(np.int32),
            detections[edges],
            (np.diff(detections[edges]) > 0) | (np.diff(truths[edges]) > 0),
            np.diff(_sums(positives)[edges], axis=0),
        )


def _positives(matched: Matched) -> list[Integers]:
    """Per area range: how many people count in each cell."""
    sums = _sums(1 - matched.outside.astype(np.int64).T)
    return list(np.diff(sums[matched.gt_offsets], axis=0).T)


def _sums(values: Integers) -> Integers:
    """Sums of the rows before each one, and of all."""
    sums: Integers = np.concatenate([np.zeros((1, *values.shape[1:]), np.int64), np.cumsum(values, axis=0)])
    return sums


def word_count(params: Params, views: int) -> int:
    return -(-views * len(params.areaRng) * len(params.iouThrs) // BITS)


def pack(flags: NDArray[np.bool_]) -> Integers:
    """(F, D) flags as words (D, W)."""
    words = np.zeros((flags.shape[1], -(-len(flags) // BITS)), np.int64)
    for index, flag in enumerate(flags):
        words[:, index // BITS] |= flag.astype(np.int64) << (index % BITS)
    return words


def unpack(words: Integers, count: int) -> NDArray[Any]:
    """(D, W) words as (count, D) zeros and ones."""
    if count == 0:
        return np.zeros((0, len(words)), np.int64)
    return np.stack([words[:, index // BITS] >> (index % BITS) & 1 for index in range(count)])
