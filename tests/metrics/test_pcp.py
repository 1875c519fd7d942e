"""PCP against loops after the public codes, and on numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pyposeops.metrics import (
    FLIC_JOINTS,
    FLIC_STICKS,
    LSP_JOINTS,
    LSP_STICKS,
    Stick,
    mean_stick_lengths,
    pcp,
    stick_parts,
)
from tests.metrics import joint_loops
from tests.metrics.test_pck import mask, people
from tests.property_tests import given, settings, st

NAMES = ("left_shoulder", "left_elbow", "right_shoulder", "right_elbow")
ARMS = (
    Stick("left_upper_arm", ("left_shoulder",), ("left_elbow",)),
    Stick("right_upper_arm", ("right_shoulder",), ("right_elbow",)),
)
# Upper arms of 10 and 20.
TRUTH = np.array([[[0.0, 0.0], [10.0, 0.0], [50.0, 0.0], [70.0, 0.0]]])


def moved(*shifts: float) -> np.ndarray:
    return TRUTH + np.array([[[0.0, shift] for shift in shifts]])


def arms(pred: np.ndarray, truth: np.ndarray = TRUTH, **options):
    return pcp(pred, truth, sticks=ARMS, joint_names=NAMES, **options)


@pytest.mark.parametrize("rule", ["strict", "relaxed"])
@pytest.mark.parametrize("limit", [0.2, 0.5])
def test_pcp_is_that_of_deeppose_tf(rule, limit):
    pred, truth = people(50, 14, spread=25)
    want = joint_loops.deeppose_pcp(pred, truth, relaxed=rule == "relaxed", limit=limit)
    got = pcp(pred, truth, rule=rule, threshold=limit)
    np.testing.assert_array_equal(got.per_stick, want)
    parts, mean = joint_loops.deeppose_parts(want)
    np.testing.assert_allclose(got.parts, parts, rtol=1e-15)
    assert pcp(pred, truth, rule=rule, threshold=limit, average="parts").mean == pytest.approx(
        mean, rel=1e-14
    )
    assert got.mean == pytest.approx(np.mean(want), rel=1e-14)


def test_pcp_of_mean_length_is_that_of_deepcut():
    pred, truth = people(50, 14, spread=25)
    got = pcp(pred, truth, rule="mean_length")
    np.testing.assert_array_equal(got.per_stick, joint_loops.deepcut_pcp(pred, truth))
    given_lengths = pcp(pred, truth, rule="mean_length", mean_lengths=mean_stick_lengths(truth))
    np.testing.assert_array_equal(given_lengths.per_stick, got.per_stick)


def test_means_over_sticks_parts_and_labels_differ():
    truth = np.random.default_rng(0).uniform(0, 100, (4, 14, 2))
    pred = truth.copy()
    pred[:, LSP_JOINTS.index("head_top")] += 1000
    labelled = np.ones((4, 14))
    labelled[1:, LSP_JOINTS.index("head_top")] = 0
    means = {name: pcp(pred, truth, labelled, average=name).mean for name in ("sticks", "parts", "labels")}
    assert means == pytest.approx({"sticks": 9 / 10, "parts": 5 / 6, "labels": 36 / 37})


def test_strict_wants_both_ends_and_relaxed_their_mean():
    assert list(arms(moved(6, 2, 6, 2)).per_stick) == [0, 1]
    assert list(arms(moved(6, 2, 6, 2), rule="relaxed").per_stick) == [1, 1]
    assert list(arms(moved(6, 6, 11, 11), rule="relaxed").per_stick) == [0, 0]


def test_mean_length_is_kind_to_short_limbs_and_hard_on_long_ones():
    truth = np.concatenate([TRUTH, TRUTH * 3])  # left arms of 10 and 30, mean 20
    pred = truth + np.array([0.0, 9.0])
    assert list(arms(pred, truth).per_stick) == [0.5, 1]
    assert list(arms(pred, truth, rule="mean_length").per_stick) == [1, 1]
    far = truth + np.array([0.0, 12.0])
    assert list(arms(far, truth).per_stick) == [0.5, 0.5]
    assert list(arms(far, truth, rule="mean_length").per_stick) == [0, 1]


def test_mean_length_is_that_of_labelled_limbs():
    truth = np.concatenate([TRUTH, TRUTH * 3, TRUTH * 7])
    labelled = np.array([[1, 1, 0, 1], [1, 1, 1, 0], [0, 1, 1, 0]])
    lengths = mean_stick_lengths(truth, labelled, sticks=ARMS, joint_names=NAMES)
    np.testing.assert_array_equal(lengths, [20.0, np.nan])


def test_end_on_the_threshold_is_right_or_wrong_by_the_comparison():
    assert list(arms(moved(5, 5, 10, 10)).per_stick) == [1, 1]
    assert list(arms(moved(5, 5, 10, 10), comparison="<").per_stick) == [0, 0]


def test_torso_ends_in_the_middles_and_needs_all_four_joints():
    truth = np.zeros((1, 14, 2))
    place = LSP_JOINTS.index
    truth[0, [place("left_shoulder"), place("right_shoulder")]] = [[0, 0], [20, 0]]
    truth[0, [place("left_hip"), place("right_hip")]] = [[4, 40], [16, 40]]
    torso = [stick.name for stick in LSP_STICKS].index("torso")
    assert mean_stick_lengths(truth)[torso] == 40
    pred = truth.copy()
    pred[0, place("left_shoulder"), 0] += 40  # the middle moves by 20: half of 40
    assert pcp(pred, truth).per_stick[torso] == 1
    pred[0, place("left_shoulder"), 0] += 1
    assert pcp(pred, truth).per_stick[torso] == 0
    labelled = np.ones((1, 14))
    labelled[0, place("left_hip")] = 0
    assert pcp(pred, truth, labelled).counted[torso] == 0


def test_stick_without_length_does_not_count():
    truth = TRUTH.copy()
    truth[0, 1] = truth[0, 0]
    got = arms(truth, truth)
    assert list(got.counted) == [0, 1] and np.isnan(got.per_stick[0]) and got.mean == 1


def test_part_with_one_side_counted_is_that_side():
    got = arms(TRUTH, labelled=np.array([[0, 1, 1, 1]]))
    assert np.isnan(got.per_stick[0]) and list(got.parts) == [1]


def test_flic_has_six_sticks_of_four_parts():
    assert list(stick_parts(FLIC_STICKS)) == ["head", "torso", "upper_arm", "lower_arm"]
    truth = np.random.default_rng(0).uniform(0, 100, (3, 10, 2))
    got = pcp(truth, truth, sticks=FLIC_STICKS, joint_names=FLIC_JOINTS)
    assert got.per_stick.shape == (6,) and got.mean == 1


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 4),
    st.integers(0, 2**31),
    st.sampled_from(["strict", "relaxed"]),
    st.sampled_from(["<=", "<"]),
)
def test_any_arms_on_a_grid_with_ties_score_as_the_loop_counts(count, seed, rule, comparison):
    rng = np.random.default_rng(seed)
    truth, pred = (rng.integers(0, 5, (count, 4, 2)).astype(float) for _ in range(2))
    labelled = rng.random((count, 4)) < 0.8
    got = arms(pred, truth, labelled=labelled, rule=rule, comparison=comparison)
    for stick, (a, b) in enumerate([(0, 1), (2, 3)]):
        right = total = 0
        for person in range(count):
            length = joint_loops.norm(truth[person, a] - truth[person, b])
            if length > 0 and labelled[person, a] and labelled[person, b]:
                total += 1
                ends = [joint_loops.norm(pred[person, i] - truth[person, i]) / length for i in (a, b)]
                error = sum(ends) / 2 if rule == "relaxed" else max(ends)
                right += error < 0.5 if comparison == "<" else error <= 0.5
        assert got.counted[stick] == total
        np.testing.assert_array_equal(got.per_stick[stick], right / total if total else np.nan)


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("rule: expected one of strict", {"rule": "loose"}),
        ("comparison: expected one of", {"comparison": ">="}),
        ("average: expected one of sticks", {"average": "joints"}),
        ("threshold: expected finite", {"threshold": -1}),
        ("mean_lengths: expected none with the rule 'strict'", {"mean_lengths": np.ones(2)}),
        (r"mean_lengths: expected \(2,\)", {"rule": "mean_length", "mean_lengths": np.ones(3)}),
        (
            "mean_lengths: expected lengths from 0 on, got another at 1",
            {"rule": "mean_length", "mean_lengths": np.array([1.0, -1.0])},
        ),
        (
            "mean_lengths: expected lengths from 0 on, got another at 0",
            {"rule": "mean_length", "mean_lengths": np.array([np.inf, 1.0])},
        ),
    ],
)
def test_bad_options_are_refused_by_name(message, options):
    with pytest.raises(ValueError, match=message):
        arms(TRUTH, **options)


def test_bad_tables_are_refused_by_name():
    with pytest.raises(ValueError, match="sticks: expected at least one"):
        pcp(TRUTH, TRUTH, sticks=(), joint_names=NAMES)
    with pytest.raises(ValueError, match="'head_top' among them for the stick head"):
        pcp(TRUTH, TRUTH, joint_names=NAMES)
    with pytest.raises(ValueError, match="joint_names: expected 4, one per joint, got 14"):
        pcp(TRUTH, TRUTH, sticks=ARMS)


def test_unlabelled_joints_may_be_nan():
    pred, truth = people(20, 14)
    labelled = mask(20, 14)
    want = pcp(pred, truth, labelled)
    truth[~labelled] = pred[~labelled] = np.nan
    for a, b in zip(pcp(pred, truth, labelled), want, strict=True):
        np.testing.assert_array_equal(a, b)
