"""PoseTrack's figures: cases counted by hand, another package's counts, slow definitions, real annotations."""

from __future__ import annotations

import copy
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyposeops import _core
from pyposeops.metrics import (
    POSETRACK_JOINTS,
    TrackResults,
    TrackTruths,
    posetrack_ap,
    posetrack_mota,
    read_posetrack_results,
    read_posetrack_truths,
)
from pyposeops.metrics.posetrack_frames import inside_any
from tests.property_tests import given, settings, st

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


# ---- assignment ----------------------------------------------------------------------------------------------------


def cheapest(costs: np.ndarray) -> tuple[int, float]:
    """Most pairs and their smallest sum, by trying all."""
    best = (0, 0.0)
    rows, columns = costs.shape
    for size in range(1, min(rows, columns) + 1):
        for chosen in itertools.combinations(range(rows), size):
            for partners in itertools.permutations(range(columns), size):
                values = costs[list(chosen), list(partners)]
                if np.isfinite(values).all():
                    best = max(best, (size, -float(values.sum())))
    return best[0], -best[1]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**31))
def test_assignment_is_the_cheapest_of_the_largest(seed: int):
    rng = np.random.default_rng(seed)
    costs = rng.choice([0.0, 0.25, 0.5, 1.0, 3.0, -2.0, np.nan, np.inf], rng.integers(0, 5, 2))
    partner = _core.assign(costs)
    chosen = np.flatnonzero(partner >= 0)
    pairs = partner[chosen]
    assert len(set(pairs.tolist())) == len(pairs)
    values = costs[chosen, pairs]
    size, total = cheapest(costs)
    assert len(chosen) == size and np.isfinite(values).all()
    assert float(values.sum()) == pytest.approx(total, abs=1e-9)


@pytest.mark.parametrize("unit", [1e308, 1e-308, 5e-324])
def test_assignment_takes_costs_of_any_size(unit: float):
    assert _core.assign(np.array([[unit, -unit], [-unit, unit]])).tolist() == [1, 0] or unit < 1e-320
    assert sorted(_core.assign(np.full((3, 3), unit)).tolist()) == [0, 1, 2]


def test_assignment_agrees_with_scipy_on_large_problems():
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(1)
    for shape in ((60, 60), (40, 75), (75, 40), (1, 9)):
        costs = rng.random(shape)
        partner = _core.assign(costs)
        chosen = np.flatnonzero(partner >= 0)
        rows, columns = optimize.linear_sum_assignment(costs)
        assert costs[chosen, partner[chosen]].sum() == pytest.approx(costs[rows, columns].sum())


# ---- tracking ------------------------------------------------------------------------------------------------------


def test_people_found_everywhere_are_perfect():
    rows = [(s, f, t, 100.0 * t + f) for s in (1, 2) for f in range(4) for t in range(3)]
    found = posetrack_mota(truths(rows), results(rows))
    assert found.mean == found.total == 1.0 and found.motp.tolist() == [1.0]
    assert counts(found) == (24, 24, 0, 0, 0)


def test_names_of_tracks_do_not_matter():
    rows = [(1, f, t, 100.0 * t + f) for f in range(5) for t in range(3)]
    renamed = [(s, f, 77 - 5 * t, x) for s, f, t, x in rows]
    assert counts(posetrack_mota(truths(rows), results(renamed))) == (15, 15, 0, 0, 0)


def test_exchanged_identities_are_two_switches():
    true = [(1, f, t, 100.0 * t) for f in range(4) for t in (0, 1)]
    seen = [(1, f, t if f < 2 else 1 - t, 100.0 * t) for f in range(4) for t in (0, 1)]
    found = posetrack_mota(truths(true), results(seen))
    assert counts(found) == (8, 8, 0, 0, 2) and found.mean == pytest.approx(1 - 2 / 8)


def test_a_new_name_after_a_gap_is_a_switch_and_the_old_one_is_none():
    true = [(1, f, 0, 0.0) for f in range(5)]
    back = [(1, f, 3, 0.0) for f in (0, 1, 4)]
    assert counts(posetrack_mota(truths(true), results(back))) == (5, 3, 2, 0, 0)
    renamed = [(1, f, 3 if f < 2 else 9, 0.0) for f in (0, 1, 4)]
    assert counts(posetrack_mota(truths(true), results(renamed))) == (5, 3, 2, 0, 1)


def test_whoever_was_matched_stays_although_another_is_nearer():
    true = [(1, f, 0, 0.0) for f in range(3)]
    seen = [(1, f, 1, 4.0) for f in range(3)] + [(1, f, 2, 1.0) for f in (1, 2)]
    found = posetrack_mota(truths(true), results(seen))
    assert counts(found) == (3, 3, 0, 2, 0)
    assert found.motp[0] == pytest.approx(1 - 0.4)


def test_as_many_as_possible_are_matched_before_distance_counts():
    true, seen = [(1, 0, 0, 0.0), (1, 0, 1, 4.0)], [(1, 0, 0, 4.5), (1, 0, 1, 8.9)]
    assert counts(posetrack_mota(truths(true), results(seen)))[1] == 2


def test_of_two_who_claim_a_track_it_stays_with_the_later_one():
    true = [(1, f, 0, 0.0) for f in (0, 2)] + [(1, f, 1, x) for f, x in ((0, 100.0), (1, 0.0), (2, 4.0))]
    seen = [(1, f, 5, x) for f, x in ((0, 0.0), (1, 0.0), (2, 2.0))] + [(1, 0, 6, 100.0)]
    found = posetrack_mota(truths(true), results(seen))
    # frame 1: track 1 takes over 5 (a switch); frame 2: both are near it, track 1 had it last, track 0 is missed
    assert counts(found) == (5, 4, 1, 0, 1)
    assert counts(posetrack_mota(truths(true), results(seen), compat="poseval")) == (3, 3, 0, 0, 1)


def test_false_positives_where_nobody_is_annotated_count():
    true = truths([(1, 0, 0, 0.0)], labelled_frames=np.array([[1, 0], [1, 1]]))
    seen = results([(1, 0, 0, 0.0), (1, 1, 0, 0.0), (1, 2, 0, 0.0)])  # frame 2 is not labelled
    assert counts(posetrack_mota(true, seen)) == (1, 1, 0, 1, 0)


def test_the_threshold_and_its_comparison():
    true, seen = truths([(1, 0, 0, 0.0)]), results([(1, 0, 0, 5.0)])
    assert counts(posetrack_mota(true, seen))[1] == 1
    assert counts(posetrack_mota(true, seen, comparison="<"))[1] == 0
    assert counts(posetrack_mota(true, seen, threshold=0.49))[1] == 0


def test_poseval_leaves_out_last_frames_and_counts_empty_ones_once():
    true = [(1, f, t, 100.0 * t) for f in range(4) for t in (0, 1)]
    seen = [(1, f, t, 100.0 * t) for f in (0, 2, 3) for t in (0, 1)]
    assert counts(posetrack_mota(truths(true), results(seen))) == (8, 6, 2, 0, 0)
    # frames 0 and 2 with two people each; frame 1 as one object, one miss and one false positive; frame 3 left out
    assert counts(posetrack_mota(truths(true), results(seen), compat="poseval")) == (5, 4, 1, 1, 0)


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


# ---- precision -----------------------------------------------------------------------------------------------------


def test_right_joints_before_wrong_ones_cost_nothing():
    true = [(1, 0, 0, 0.0), (1, 0, 1, 100.0)]
    seen = [(1, 0, 0, 0.0), (1, 0, 1, 300.0), (1, 0, 2, 100.0)]
    assert posetrack_ap(truths(true), results(seen, [0.9, 0.1, 0.8])).mean == 1.0
    assert posetrack_ap(truths(true), results(seen, [0.9, 0.85, 0.8])).mean == pytest.approx(
        0.5 + 0.5 * 2 / 3
    )


def test_of_two_at_the_same_person_one_is_wrong():
    true, seen = [(1, 0, 0, 0.0)], [(1, 0, 0, 1.0), (1, 0, 1, 0.0)]
    assert posetrack_ap(truths(true), results(seen, [0.5, 0.9])).mean == pytest.approx(
        0.5
    )  # the first of equals won
    assert posetrack_ap(truths(true), results(seen[::-1], [0.9, 0.5])).mean == 1.0


def test_ties_go_by_frame_and_order():
    true = [(1, 0, 0, 0.0), (1, 1, 0, 0.0)]
    seen = [(1, 1, 0, 50.0), (1, 0, 0, 0.0)]
    assert posetrack_ap(truths(true), results(seen, [0.5, 0.5])).mean == pytest.approx(0.5)
    assert posetrack_ap(truths(true), results(seen)).mean == pytest.approx(0.5)


def test_a_joint_that_the_person_has_not_annotated_is_wrong():
    keypoints = np.array([[[0.0, 0, 2], [0.0, 0, 0]], [[100.0, 0, 2], [100.0, 0, 2]]])
    true = TrackTruths([1, 1], [0, 0], [0, 1], keypoints, [HEAD, HEAD])
    seen = TrackResults(
        [1, 1], [0, 0], [0, 1], keypoints[..., :2] * [1, 1], np.array([[0.9, 0.9], [0.8, 0.8]])
    )
    assert posetrack_ap(true, seen).per_joint.tolist() == [1.0, 0.5]


def test_a_joint_never_annotated_is_in_no_mean():
    keypoints = np.array([[[0.0, 0, 2], [0.0, 0, 0]]])
    true = TrackTruths([1], [0], [0], keypoints, [HEAD])
    seen = TrackResults([1], [0], [0], keypoints[..., :2])
    found, tracked = posetrack_ap(true, seen), posetrack_mota(true, seen)
    assert np.isnan(found.per_joint[1]) and found.mean == 1.0
    assert np.isnan(tracked.per_joint[1]) and tracked.mean == 1.0 and tracked.total == 0.0


def test_poseval_forgives_frames_without_annotated_people():
    true = truths([(1, 0, 0, 0.0)], labelled_frames=np.array([[1, 0], [1, 1]]))
    seen = results([(1, 0, 0, 0.0), (1, 1, 0, 0.0)], [0.5, 0.9])
    assert posetrack_ap(true, seen).mean == pytest.approx(0.5)
    assert posetrack_ap(true, seen, compat="poseval").mean == 1.0


# ---- ignored regions -----------------------------------------------------------------------------------------------

SQUARE = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]])


@pytest.mark.parametrize(
    ("point", "inside"),
    [
        ((5, 5), True),
        ((-1, 5), False),
        ((11, 5), False),
        ((10, 5), True),
        ((0, 0), True),
        ((5, 10.001), False),
    ],
)
def test_borders_belong_to_polygons(point: tuple[float, float], inside: bool):
    assert bool(inside_any(np.array(point, float), [SQUARE])) == inside
    assert bool(inside_any(np.array(point, float), [SQUARE[::-1]])) == inside


def test_polygons_with_notches_agree_with_matplotlib():
    path = pytest.importorskip("matplotlib.path")
    rng = np.random.default_rng(0)
    for _ in range(20):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        polygon = np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(0.2, 1, (9, 1))
        points = rng.uniform(-1, 1, (200, 2))
        np.testing.assert_array_equal(
            inside_any(points, [polygon]), path.Path(polygon).contains_points(points)
        )


def test_joints_in_ignored_regions_count_for_nobody():
    ignored = {(1, 0): [SQUARE - 5.0]}
    true = truths([(1, 0, 0, 0.0), (1, 0, 1, 100.0)], ignored=ignored)
    seen = results([(1, 0, 0, 2.0), (1, 0, 1, 100.0), (1, 0, 2, 4.0)])
    assert counts(posetrack_mota(true, seen)) == (1, 1, 0, 0, 0)
    assert posetrack_ap(true, seen).mean == 1.0


# ---- files ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def content() -> dict[str, Any]:
    """Two frames of two people in the form of PoseTrack18, with an unlabelled frame between them."""
    names = [*POSETRACK_JOINTS[:3], "left_ear", "right_ear", *POSETRACK_JOINTS[3:]]
    images = [
        {"id": 10 + f, "frame_id": 10 + f, "vid_id": "000342", "is_labeled": f != 1, "file_name": f"{f}.jpg"}
        for f in range(3)
    ]
    people = []
    for image, track in itertools.product(images, (0, 1)):
        joints = [[100.0 * track + 3 * k, 5.0 * k + 1, 1] for k in range(17)]
        joints[3] = joints[4] = [0, 0, 0]
        people.append(
            {
                "image_id": image["id"],
                "track_id": track,
                "category_id": 1,
                "bbox_head": [0, 0, 30, 40],
                "keypoints": [value for joint in joints for value in joint],
            }
        )
    return {"images": images, "annotations": people, "categories": [{"id": 1, "keypoints": names}]}


def test_files_are_read(content: dict[str, Any]):
    read = read_posetrack_truths([content])
    assert len(read.sequences) == 4 and set(read.sequences.tolist()) == {342}
    assert read.head_sizes.tolist() == [30.0] * 4 and read.labelled_frames.tolist() == [[342, 10], [342, 12]]
    assert read.keypoints.shape == (4, 15, 3)
    assert read.keypoints[0, 3].tolist() == [15.0, 26.0, 1.0]  # the left shoulder stands after the ears
    seen = read_posetrack_results([content])
    assert len(seen.sequences) == 6 and np.isfinite(seen.keypoints).all()
    assert posetrack_mota(read, seen).mean == 1.0 and posetrack_ap(read, seen).mean == 1.0


def test_scores_and_missing_joints_of_results_are_read(content: dict[str, Any]):
    person = content["annotations"][0]
    person["scores"] = [k / 20 for k in range(17)]
    person["keypoints"][0:3] = [0, 0, 0.4]
    content["annotations"][1]["keypoints"][6:9] = [5, 5, 0]
    seen = read_posetrack_results([content])
    assert np.isnan(seen.keypoints[0, 0]).all() and np.isnan(seen.keypoints[1, 2]).all()
    assert seen.scores[0, 3] == 0.25 and seen.scores[1, 0] == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("images"), r"file 0: images: expected a list, got none"),
        (lambda c: c["images"][1].pop("id"), r"file 0: images\[1\]: id: expected a value, got none"),
        (
            lambda c: c["images"][1].update(frame_id="a"),
            r"images\[1\]: frame_id: expected an integer, got 'a'",
        ),
        (lambda c: c["annotations"][2].update(image_id=99), r"annotations\[2\]: image_id: expected an image"),
        (
            lambda c: c["annotations"][0].update(track_id=None),
            r"annotations\[0\]: track_id: expected an integer",
        ),
        (lambda c: c["annotations"][0].update(bbox_head=[1, 2]), r"bbox_head: expected 4 numbers, got 2"),
        (lambda c: c["annotations"][0].update(bbox_head=None), r"bbox_head: expected a value, got none"),
        (lambda c: c["annotations"][0].update(keypoints=[1] * 48), r"keypoints: expected 51 numbers, got 48"),
        (lambda c: c["annotations"][0].update(keypoints=["x"] * 51), r"keypoints: expected numbers, got"),
        (
            lambda c: c["annotations"][0]["keypoints"].__setitem__(4, float("nan")),
            r"expected finite numbers, got nan",
        ),
        (
            lambda c: c["categories"][0]["keypoints"].remove("nose"),
            r"categories: expected the joints of Pose",
        ),
        (
            lambda c: c["annotations"][1].update(track_id=0),
            r"tracks: expected each once in a frame, got 0 twice",
        ),
        (
            lambda c: c["images"][0].update(ignore_regions_x=[[1, 2, 3]], ignore_regions_y=[[1, 2]]),
            r"equal lengths",
        ),
    ],
)
def test_malformed_files_are_named(content: dict[str, Any], change: Any, message: str):
    change(content)
    with pytest.raises(ValueError, match=message):
        read_posetrack_truths([content])


def test_real_annotations_found_again_are_perfect(pose_data: Path):
    path = pose_data / "posetrack_mini" / "annotations.json"
    if not path.is_file():
        pytest.skip(f"no {path}")
    content = json.loads(path.read_text())
    before = copy.deepcopy(content)
    true, seen = read_posetrack_truths([content]), read_posetrack_results([content])
    assert content == before and len(true.sequences) > 5
    assert posetrack_mota(true, seen).mean == pytest.approx(1.0)
    assert posetrack_ap(true, seen).mean == pytest.approx(1.0)
    shifted = seen.keypoints + np.array([true.head_sizes.max(), 0.0])
    moved = TrackResults(seen.sequences, seen.frames, seen.tracks, shifted, seen.scores)
    assert posetrack_ap(true, moved).mean < 0.2


# ---- mistakes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.5], [0], [0], np.zeros((1, 1, 3)), [1.0]), "sequences: expected integers, got float64"),
        (([1], [0, 1], [0], np.zeros((1, 1, 3)), [1.0]), r"frames: expected \(1,\), got \(2,\)"),
        (([1], [0], [0], np.zeros((1, 3)), [1.0]), r"keypoints: expected \(1, K, 3\), got \(1, 3\)"),
        (([1], [0], [0], np.full((1, 1, 3), np.inf), [1.0]), "keypoints of labelled joints: expected finite"),
        (
            ([1], [0], [0], np.zeros((1, 1, 3)), [0.0]),
            r"head_sizes: expected \(1,\) finite numbers above 0, got",
        ),
        (
            ([1], [0], [0], np.zeros((1, 1, 3)), [np.nan]),
            r"head_sizes: expected \(1,\) finite numbers above 0, got",
        ),
    ],
)
def test_malformed_truths_are_named(arguments: Any, message: str):
    with pytest.raises(ValueError, match=message):
        TrackTruths(*arguments)


def test_malformed_results_and_options_are_named():
    with pytest.raises(ValueError, match=r"scores: expected \(1, 1\), got \(2, 1\)"):
        TrackResults([1], [0], [0], np.zeros((1, 1, 2)), np.zeros((2, 1)))
    with pytest.raises(ValueError, match="scores: expected finite numbers, got nan"):
        TrackResults([1], [0], [0], np.zeros((1, 1, 2)), np.full((1, 1), np.nan))
    with pytest.raises(ValueError, match="got infinity"):
        TrackResults([1], [0], [0], np.full((1, 1, 2), np.inf))
    true, seen = truths([(1, 0, 0, 0.0)]), results([(1, 0, 0, 0.0)])
    for function in (posetrack_ap, posetrack_mota):
        with pytest.raises(ValueError, match="threshold: expected a number above 0, got 0"):
            function(true, seen, threshold=0)
        with pytest.raises(ValueError, match="comparison: expected one of <=, <, got '>'"):
            function(true, seen, comparison=">")
        with pytest.raises(ValueError, match="compat: expected None or 'poseval', got 'x'"):
            function(true, seen, compat="x")
        with pytest.raises(ValueError, match="results: expected 1 joints, as annotated, got 2"):
            function(true, TrackResults([1], [0], [0], np.zeros((1, 2, 2))))


def test_nobody_at_all():
    nobody = results([])
    assert np.isnan(posetrack_ap(truths([]), nobody).mean) and np.isnan(
        posetrack_mota(truths([]), nobody).mean
    )
    assert counts(posetrack_mota(truths([(1, 0, 0, 0.0)]), nobody)) == (1, 0, 1, 0, 0)
