"""PoseTrack's figures: cases counted by hand, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pyposeops.metrics import TrackResults, TrackTruths, posetrack_ap, posetrack_mota
from pyposeops.metrics.posetrack_frames import inside_any
from tests.metrics.tracks import HEAD, counts, results, truths

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


def test_poseval_counts_one_of_each_where_nobody_is_left_on_either_side():
    ignored = {(1, 0): [SQUARE - 5.0]}
    true = truths([(1, 0, 0, 0.0), (1, 1, 0, 0.0), (1, 2, 0, 0.0)], ignored=ignored)
    seen = results([(1, 0, 0, 50.0), (1, 0, 1, 60.0), (1, 1, 0, 0.0), (1, 2, 0, 0.0)])
    assert counts(posetrack_mota(true, seen)) == (2, 2, 0, 2, 0)
    assert counts(posetrack_mota(true, seen, compat="poseval")) == (2, 1, 1, 1, 0)
    lost = TrackResults([1, 1], [0, 1], [0, 0], np.full((2, 1, 2), np.nan))
    assert counts(posetrack_mota(true, lost, compat="poseval")) == (2, 0, 2, 2, 0)


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
            "head_sizes: expected finite numbers above 0, got",
        ),
        (
            ([1], [0], [0], np.zeros((1, 1, 3)), [np.nan]),
            "head_sizes: expected finite numbers above 0, got",
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


def test_tensors_are_taken_as_arrays_are():
    true, seen = truths([(1, 0, 0, 0.0)]), results([(1, 0, 0, 1.0)], [0.5])
    fields = ("sequences", "frames", "tracks", "keypoints")
    tensors = [torch.from_numpy(getattr(seen, name)) for name in fields]
    tensors[3].requires_grad_()
    again = TrackResults(*tensors, torch.tensor([[0.5]], dtype=torch.bfloat16))
    for name in (*fields, "scores"):
        np.testing.assert_array_equal(getattr(again, name), getattr(seen, name))
    heads = torch.from_numpy(true.head_sizes)
    people = TrackTruths(*(torch.from_numpy(getattr(true, name)) for name in fields), heads)
    assert posetrack_mota(people, again).motp.tolist() == [0.9]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labelled_frames": [[1.5, 2]]}, r"labelled_frames: expected integers \(F, 2\), got float64"),
        ({"labelled_frames": [1, 2, 3, 4]}, r"labelled_frames: expected integers \(F, 2\), got int64 \(4,\)"),
        ({"ignored": {(1, 0): [[1.0, 2.0]]}}, r"ignored\[\(1, 0\)\]: expected polygons \(P, 2\)"),
        ({"ignored": {(1, 0): [[[1.0, np.nan]]]}}, r"ignored\[\(1, 0\)\]: expected polygons \(P, 2\)"),
    ],
)
def test_malformed_frames_and_regions_are_named(options: Any, message: str):
    with pytest.raises(ValueError, match=message):
        truths([(1, 0, 0, 0.0)], **options)


def test_results_of_other_joints_are_named_where_nobody_is_annotated():
    empty = TrackTruths([], [], [], np.zeros((0, 1, 3)), [], labelled_frames=np.array([[1, 0]]))
    for function in (posetrack_ap, posetrack_mota):
        with pytest.raises(ValueError, match="results: expected 1 joints, as annotated, got 2"):
            function(empty, TrackResults([1], [0], [0], np.zeros((1, 2, 2))))
