"""Tracks of one joint on a line, and random ones in the plane, for the tests of PoseTrack's figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyposeops.metrics import TrackResults, TrackTruths

HEAD = 10.0


def truths(rows: list[tuple[int, int, int, float]], **options: Any) -> TrackTruths:
    """People of one joint at (x, 0): (sequence, frame, track, x)."""
    table = np.array(rows, float).reshape(-1, 4)
    keypoints = np.stack([table[:, 3], np.zeros(len(table)), np.full(len(table), 2.0)], -1)[:, None]
    return TrackTruths(*table[:, :3].astype(int).T, keypoints, np.full(len(table), HEAD), **options)


def results(rows: list[tuple[int, int, int, float]], scores: list[float] | None = None) -> TrackResults:
    table = np.array(rows, float).reshape(-1, 4)
    keypoints = np.stack([table[:, 3], np.zeros(len(table))], -1)[:, None]
    given_scores = None if scores is None else np.array(scores)[:, None]
    return TrackResults(*table[:, :3].astype(int).T, keypoints, given_scores)


def counts(found: Any) -> tuple[int, ...]:
    """(annotated, matches, misses, false positives, switches) of all joints."""
    return tuple(
        int(getattr(found, n).sum())
        for n in ("annotated", "matches", "misses", "false_positives", "switches")
    )


def random_tracks(seed: int, people: int = 5, frames: int = 12) -> tuple[TrackTruths, TrackResults]:
    """People who wander close together in the plane (on a line, sums of distances would often be equal)."""
    rng = np.random.default_rng(seed)
    at = rng.uniform(0, 20, (people, 2))
    true, seen = [], []
    for frame in range(frames):
        at = at + rng.normal(0, 2, (people, 2))
        names = rng.permutation(people) if rng.random() < 0.2 else np.arange(people)
        for person in range(people):
            if rng.random() < 0.9:
                true.append((frame, person, *at[person]))
            if rng.random() < 0.85:
                seen.append((frame, names[person], *(at[person] + rng.normal(0, 2.5, 2))))
    ours, theirs = np.array(true), np.array(seen)
    keypoints = np.column_stack([ours[:, 2:], np.full(len(ours), 2.0)])[:, None]
    heads, sequence = np.full(len(ours), HEAD), np.ones(len(ours), int)
    return (
        TrackTruths(sequence, *ours[:, :2].astype(int).T, keypoints, heads),
        TrackResults(np.ones(len(theirs), int), *theirs[:, :2].astype(int).T, theirs[:, None, 2:]),
    )
