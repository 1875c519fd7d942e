"""PoseTrack's figures against slow definitions in plain loops, and the counts of another package."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from pyposeops.metrics import TrackResults, TrackTruths, posetrack_ap, posetrack_mota
from tests.metrics.tracks import HEAD, counts, random_tracks
from tests.property_tests import given, settings, st

REGION = (4.0, 4.0, 9.0, 11.0)  # left, top, right, bottom
CORNERS = np.array([[4.0, 4.0], [9.0, 4.0], [9.0, 11.0], [4.0, 11.0]])


def scene(seed: int) -> tuple[TrackTruths, TrackResults]:
    """Up to two sequences of people of two joints, close together; joints, people and whole frames are missing."""
    rng = np.random.default_rng(seed)
    true, seen, labelled = [], [], []
    for sequence, frame in itertools.product(range(rng.integers(1, 3)), range(rng.integers(1, 6))):
        if rng.random() < 0.9:
            labelled.append((sequence, frame))
        for track in rng.permutation(3)[: rng.integers(0, 4)]:
            if (sequence, frame) in labelled:
                visible = (rng.random(2) < 0.8)[:, None]
                true.append(
                    (
                        sequence,
                        frame,
                        track,
                        np.hstack([rng.uniform(0, 12, (2, 2)), visible]),
                        rng.uniform(5, 15),
                    )
                )
        for name in rng.permutation(4)[: rng.integers(0, 4)]:
            at = np.where(rng.random((2, 1)) < 0.85, rng.uniform(0, 12, (2, 2)), np.nan)
            seen.append((sequence, frame, name, at, rng.integers(0, 3, 2) / 2))
    ignored = {place: [CORNERS] for place in labelled if rng.random() < 0.3}

    def columns(rows: list[Any], shape: tuple[int, int]) -> list[np.ndarray]:
        keys = np.array([row[:3] for row in rows], int).reshape(-1, 3)
        return [
            *keys.T,
            np.array([row[3] for row in rows]).reshape(-1, *shape),
            np.array([row[4] for row in rows]),
        ]

    *found, scores = columns(seen, (2, 2))
    return (
        TrackTruths(*columns(true, (2, 3)), labelled_frames=labelled, ignored=ignored),
        TrackResults(*found, scores.reshape(-1, 2)),
    )


def people_by_frame(true: TrackTruths, seen: TrackResults) -> Any:
    """(sequence, frame) of each labelled frame, with its annotated and its found people: dictionaries of joints."""
    for place in map(tuple, true.labelled_frames.tolist()):
        regions = [REGION] if place in true.ignored else []

        def counted(x: float, y: float, regions: Any = regions) -> bool:
            return not any(a <= x <= c and b <= y <= d for a, b, c, d in regions)

        annotated, found = [], []
        for row in range(len(true.frames)):
            if (true.sequences[row], true.frames[row]) == place:
                joints = {
                    k: (x, y) for k, (x, y, v) in enumerate(true.keypoints[row]) if v > 0 and counted(x, y)
                }
                annotated.append((true.tracks[row], joints, true.head_sizes[row]))
        for row in range(len(seen.frames)):
            if (seen.sequences[row], seen.frames[row]) == place:
                joints = {
                    k: (x, y) for k, (x, y) in enumerate(seen.keypoints[row]) if x == x and counted(x, y)
                }
                found.append((seen.tracks[row], joints, seen.scores[row]))
        yield place, annotated, found


def best_pairs(allowed: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    """The largest set of pairs without a common member, of those the one with the smallest sum, by trying all."""
    best: tuple[float, float, list[tuple[int, int]]] = (0, 0.0, [])
    for size in range(1, 4):
        for pairs in itertools.combinations(sorted(allowed), size):
            if len({a for a, _ in pairs}) == len({b for _, b in pairs}) == size:
                best = max(best, (size, -sum(allowed[pair] for pair in pairs), list(pairs)))
    return best[2]


def clear_by_definition(true: TrackTruths, seen: TrackResults, joint: int) -> tuple[tuple[int, ...], float]:
    """Annotated, matches, misses, false positives, switches, and the sum of distances."""
    totals, travelled = np.zeros(5, int), 0.0
    last: dict[Any, tuple[Any, int]] = {}  # (sequence, track) -> name, time of the last match
    for time, (place, annotated, found) in enumerate(people_by_frame(true, seen)):
        objects = {t: (p[joint], head) for t, p, head in annotated if joint in p}
        names = {n: p[joint] for n, p, _ in found if joint in p}
        apart = {
            (t, n): math.dist(at, names[n]) / head
            for (t, (at, head)), n in itertools.product(objects.items(), names)
            if math.dist(at, names[n]) / head <= 0.5
        }
        pairs: dict[Any, Any] = {}
        kept = [t for t in objects if (place[0], t) in last and (t, last[place[0], t][0]) in apart]
        for t in sorted(kept, key=lambda t: -last[place[0], t][1]):
            if last[place[0], t][0] not in pairs.values():
                pairs[t] = last[place[0], t][0]
        pairs |= dict(
            best_pairs(
                {(t, n): d for (t, n), d in apart.items() if t not in pairs and n not in pairs.values()}
            )
        )
        switches = sum(last.get((place[0], t), (n, 0))[0] != n for t, n in pairs.items())
        last |= {(place[0], t): (n, time) for t, n in pairs.items()}
        travelled += sum(apart[pair] for pair in pairs.items())
        matched = len(pairs)
        totals += (len(objects), matched, len(objects) - matched, len(names) - matched, switches)
    return tuple(totals.tolist()), travelled


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**31))
def test_tracking_is_as_defined(seed: int):
    true, seen = scene(seed)
    found = posetrack_mota(true, seen)
    for joint in range(2):
        want, travelled = clear_by_definition(true, seen, joint)
        got = (found.annotated, found.matches, found.misses, found.false_positives, found.switches)
        assert tuple(int(count[joint]) for count in got) == want
        if want[0]:
            assert found.per_joint[joint] == pytest.approx(1 - sum(want[2:]) / want[0])
            assert found.recall[joint] == pytest.approx(want[1] / want[0])
        if want[1]:
            assert found.motp[joint] == pytest.approx(1 - travelled / want[1])
            assert found.precision[joint] == pytest.approx(want[1] / (want[1] + want[3]))


def precision_by_definition(true: TrackTruths, seen: TrackResults, joint: int) -> float:
    judged, annotated_joints = [], 0
    for _, annotated, found in people_by_frame(true, seen):
        annotated_joints += sum(joint in p for _, p, _ in annotated)

        def right(at: Any, k: int, person: Any) -> bool:
            return k in person[1] and math.dist(at[k], person[1][k]) / person[2] <= 0.5

        share = [[sum(right(p, k, a) for k in p) / max(len(a[1]), 1) for a in annotated] for _, p, _ in found]
        wanted = [max(range(len(row)), key=lambda g, row=row: (row[g], -g)) if row else -1 for row in share]
        for d, (_, joints, scores) in enumerate(found):
            g = wanted[d]
            rivals = [(share[e][g], -e) for e in range(len(found)) if wanted[e] == g >= 0]
            assigned = g >= 0 and share[d][g] > 0 and max(rivals) == (share[d][g], -d)
            if joint in joints:
                judged.append((scores[joint], assigned and right(joints, joint, annotated[g])))
    judged = sorted(judged, key=lambda entry: -entry[0])
    hits = [sum(r for _, r in judged[: n + 1]) for n in range(len(judged))]
    precisions = [hit / (n + 1) for n, hit in enumerate(hits)]
    gained = sum(max(precisions[n:]) for n, (_, r) in enumerate(judged) if r)
    return gained / annotated_joints if annotated_joints else math.nan


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**31))
def test_average_precision_is_as_defined(seed: int):
    true, seen = scene(seed)
    want = [precision_by_definition(true, seen, joint) for joint in range(2)]
    found = posetrack_ap(true, seen)
    np.testing.assert_allclose(found.per_joint, want, rtol=1e-12)
    known = [value for value in want if value == value]
    assert not known or found.mean == pytest.approx(sum(known) / len(known))


@pytest.mark.parametrize("seed", range(15))
def test_counts_are_those_of_another_package(seed: int):
    """motmetrics keeps old matches in the order of objects, as compat="poseval" does; the last frame is left out."""
    motmetrics = pytest.importorskip("motmetrics")
    true, seen = random_tracks(seed)
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    frames = np.unique(true.frames)
    for frame in frames[:-1]:
        rows, found = np.flatnonzero(true.frames == frame), np.flatnonzero(seen.frames == frame)
        difference = true.keypoints[rows, None, 0, :2] - seen.keypoints[None, found, 0]
        distances = np.linalg.norm(difference, axis=-1) / HEAD
        accumulator.update(
            true.tracks[rows].tolist(),
            seen.tracks[found].tolist(),
            np.where(distances <= 0.5, distances, np.nan),
        )
    names = ["num_objects", "num_detections", "num_misses", "num_false_positives", "num_switches"]
    summary = motmetrics.metrics.create().compute(accumulator, metrics=names)
    want = tuple(int(summary[name].iloc[0]) for name in names)
    assert counts(posetrack_mota(true, seen, compat="poseval")) == want
