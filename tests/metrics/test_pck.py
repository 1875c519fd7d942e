"""PCK, PCKh, PDJ, curves and the LSP protocol against loops after the public codes, and on numbers by hand."""

from __future__ import annotations

import doctest
import inspect

import numpy as np
import pytest
import torch

from pyposeops import metrics
from pyposeops.metrics import (
    FLIC_JOINTS,
    LSP_JOINTS,
    MPII_JOINTS,
    MPII_PARTS,
    PCKH_CONVENTIONS,
    area_under_curve,
    distance_curve,
    lsp_protocol,
    observer_centric,
    pck,
    pckh,
    pdj,
)
from tests.metrics import joint_loops
from tests.property_tests import given, settings, st

PUBLIC = [name for name in metrics.__all__ if inspect.isfunction(getattr(metrics, name))]


def people(count: int, joints: int, seed: int = 0, spread: float = 12.0) -> tuple[np.ndarray, np.ndarray]:
    """Predictions around true joints, with errors of every size."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 200, (count, joints, 2))
    return truth + rng.normal(0, spread, truth.shape) * rng.uniform(0, 2, (count, 1, 1)), truth


def mask(count: int, joints: int, seed: int = 1, share: float = 0.8) -> np.ndarray:
    return np.random.default_rng(seed).random((count, joints)) < share


def head_corners(count: int, seed: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 100, (count, 2))
    return np.stack([low, low + rng.uniform(10, 60, (count, 2))], axis=1)


@pytest.mark.parametrize("name", PUBLIC)
def test_example_of_the_docstring_runs(name):
    text = inspect.getdoc(getattr(metrics, name))
    assert "Args:" in text and "Returns:" in text and "Example:" in text
    scope = {"torch": torch, "np": np, **vars(metrics)}
    tests = doctest.DocTestFinder(recurse=False).find(getattr(metrics, name), name, globs=scope)
    assert any(test.examples for test in tests)
    for test in tests:
        assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test).failed == 0


# PCKh


@pytest.mark.parametrize(
    ("code", "strictly", "fine_row", "by_count"),
    [("hrnet", False, 11, True), ("mmpose", True, 10, True), ("pytorch_pose", True, 10, False)],
)
def test_pckh_is_that_of_the_published_codes(code, strictly, fine_row, by_count):
    pred, truth = people(60, 16)
    labelled, corners = mask(60, 16), head_corners(60)
    rows, mean, fine = joint_loops.mpii(
        pred, truth, ~labelled, corners, strictly=strictly, fine_row=fine_row, by_count=by_count
    )
    boxes = np.concatenate([corners[:, 0], corners[:, 1] - corners[:, 0]], axis=1)
    heads = metrics.head_box_sizes(boxes)
    got = pckh(pred, truth, labelled, heads, target_origin=1, **PCKH_CONVENTIONS[code])
    assert list(rows) == list(MPII_PARTS)
    np.testing.assert_array_equal(got.parts, list(rows.values()))
    assert got.mean == pytest.approx(mean, rel=1e-14)
    assert got.fine_mean == pytest.approx(fine, rel=1e-14)
    np.testing.assert_array_equal(got.counted, labelled.sum(0))


def test_hrnets_row_11_is_the_threshold_of_its_convention():
    assert np.arange(0, 0.5 + 0.01, 0.01)[11] == PCKH_CONVENTIONS["hrnet"]["fine_threshold"] == 0.11


def test_pckh_at_a_tenth_and_as_hrnet_prints_it_differ():
    truth = np.zeros((1, 16, 2))
    pred = truth + np.array([1.05, 0.0])  # 0.105 of the head
    ones, head = np.ones((1, 16)), np.array([10.0])
    assert pckh(pred, truth, ones, head).fine_mean == 0
    assert pckh(pred, truth, ones, head, fine_threshold=0.11).fine_mean == 1


def test_error_on_the_threshold_is_right_or_wrong_by_the_comparison():
    truth = np.zeros((1, 16, 2))
    pred = truth + np.array([3.0, 4.0])
    ones, head = np.ones((1, 16)), np.array([10.0])
    assert pckh(pred, truth, ones, head).mean == 1
    assert pckh(pred, truth, ones, head, comparison="<").mean == 0


def test_pelvis_and_thorax_are_not_in_the_mean_of_pckh():
    truth = np.zeros((2, 16, 2))
    pred = truth.copy()
    pred[:, [MPII_JOINTS.index("pelvis"), MPII_JOINTS.index("thorax")]] = 50
    ones, heads = np.ones((2, 16)), np.array([10.0, 10.0])
    assert pckh(pred, truth, ones, heads).mean == 1
    assert pckh(pred, truth, ones, heads, left_out=()).mean == 14 / 16


def test_averages_of_pckh_weigh_labels_joints_or_parts():
    truth = np.zeros((4, 16, 2))
    pred, labelled = truth.copy(), np.zeros((4, 16))
    head, left = MPII_JOINTS.index("head_top"), MPII_JOINTS.index("left_knee")
    right = MPII_JOINTS.index("right_knee")
    labelled[:, head], labelled[0, left], labelled[:2, right] = 1, 1, 1
    pred[:, head] = 99
    heads = np.full(4, 10.0)
    means = [pckh(pred, truth, labelled, heads, average=name).mean for name in ("labels", "joints", "parts")]
    assert means == pytest.approx([3 / 7, 2 / 3, 1 / 2])


def test_joints_at_the_origin_count_where_the_mask_says_so():
    truth = np.zeros((1, 16, 2))
    assert pckh(truth, truth, np.ones((1, 16)), np.array([5.0])).counted.sum() == 16


def test_part_with_one_labelled_side_is_that_side():
    truth = np.zeros((1, 16, 2))
    labelled = np.ones((1, 16))
    labelled[0, MPII_JOINTS.index("left_hip")] = 0
    got = pckh(truth, truth, labelled, np.array([5.0]))
    assert np.isnan(got.per_joint[MPII_JOINTS.index("left_hip")])
    assert got.parts[list(MPII_PARTS).index("hip")] == 1


# PCK


@pytest.mark.parametrize("limit", [0.05, 0.2, 0.5])
def test_pck_is_that_of_mmpose(limit):
    pred, truth = people(50, 7)
    labelled = mask(50, 7)
    labelled[:, 3] = False
    boxes = np.random.default_rng(3).uniform(20, 90, (50, 4))
    boxes[4, 2:] = 0.0
    sizes = boxes[:, 2:].max(1)
    shares, mean = joint_loops.mmpose_pck(pred, truth, labelled, limit, np.stack([sizes, sizes], axis=1))
    got = pck(pred, truth, labelled, normalizer="box", boxes=boxes, threshold=limit, comparison="<")
    np.testing.assert_array_equal(np.nan_to_num(got.per_joint, nan=-1.0), shares)
    assert got.mean == pytest.approx(mean, rel=1e-14)


def test_several_thresholds_give_one_row_each():
    pred, truth = people(30, 5)
    sizes = np.random.default_rng(3).uniform(20, 90, 30)
    table = pck(pred, truth, normalizer=sizes, threshold=[0.1, 0.3])
    for row, limit in enumerate((0.1, 0.3)):
        single = pck(pred, truth, normalizer=sizes, threshold=limit)
        np.testing.assert_array_equal(table.per_joint[row], single.per_joint)
        assert table.mean[row] == single.mean and single.mean.shape == ()
    assert pck(pred, truth, normalizer=sizes, threshold=[0.1]).mean.shape == (1,)


def test_mean_over_joints_and_over_labels():
    truth = np.zeros((3, 2, 2))
    pred = truth.copy()
    pred[1:, 0] = 100.0
    labelled = np.array([[1, 1], [1, 0], [1, 0]])
    sizes = np.ones(3)
    assert pck(pred, truth, labelled, normalizer=sizes).mean == pytest.approx(2 / 3)
    assert pck(pred, truth, labelled, normalizer=sizes, average="labels").mean == pytest.approx(2 / 4)


def test_never_labelled_joint_is_nan_and_not_in_the_mean():
    truth = np.zeros((2, 3, 2))
    labelled = np.array([[1, 0, 1], [1, 0, 1]])
    got = pck(truth, truth, labelled, normalizer=np.ones(2))
    np.testing.assert_array_equal(got.per_joint, [1.0, np.nan, 1.0])
    assert got.mean == 1
    nobody = pck(truth, truth, np.zeros((2, 3)), normalizer=np.ones(2))
    assert np.isnan(nobody.mean) and nobody.counted.sum() == 0


@pytest.mark.parametrize("size", [np.nan, 0.0])
def test_person_without_a_size_does_not_count(size):
    truth = np.zeros((2, 3, 2))
    got = pck(truth, truth, normalizer=np.array([size, 1.0]))
    np.testing.assert_array_equal(got.counted, [1, 1, 1])


def test_joint_that_was_not_found_is_infinitely_far():
    truth = np.zeros((1, 2, 2))
    pred = truth.copy()
    pred[0, 1] = np.inf
    np.testing.assert_array_equal(pck(pred, truth, normalizer=np.ones(1)).per_joint, [1.0, 0.0])


def test_error_is_divided_by_the_size_as_the_published_codes_round():
    """49 (1 / 49) is a little less than 1."""
    truth, pred = np.zeros((1, 1, 2)), np.array([[[49.0, 0.0]]])
    assert pck(pred, truth, normalizer=np.array([49.0]), threshold=1.0, comparison="<").mean == 0


def test_unlabelled_joints_may_hold_anything():
    truth = np.full((1, 2, 2), np.nan)
    truth[0, 0] = 1.0
    got = pck(truth, truth, np.array([[1, 0]]), normalizer=np.ones(1))
    np.testing.assert_array_equal(got.per_joint, [1.0, np.nan])


def test_no_people_give_nan():
    got = pck(np.zeros((0, 4, 2)), np.zeros((0, 4, 2)), normalizer=np.zeros(0))
    assert np.isnan(got.per_joint).all() and np.isnan(got.mean)


TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip", "head_top", "neck")
# left shoulder to right hip: 5; right shoulder to left hip: 13; head: 2; box of the joints: 12 wide, 17 high
BODY = 50 + np.array([[[4.0, 0.0], [0.0, -10.0], [12.0, -5.0], [0.0, 3.0], [6.0, 7.0], [6.0, 5.0]]])


@pytest.mark.parametrize(
    ("normalizer", "labelled", "size"),
    [
        ("torso", (1, 1, 1, 1, 1, 1), 5.0),
        (("right_shoulder", "left_hip"), (1, 1, 1, 1, 1, 1), 13.0),
        ("torso_mean", (1, 1, 1, 1, 1, 1), 9.0),
        ("torso_mean", (0, 1, 1, 1, 1, 1), 13.0),
        ("torso_mean", (1, 1, 1, 0, 1, 1), 13.0),
        ("head", (1, 1, 1, 1, 1, 1), 2.0),
        ("joints_box", (1, 1, 1, 1, 1, 1), 17.0),
        ("joints_box", (1, 0, 1, 1, 0, 0), 12.0),
        ("box", (1, 1, 1, 1, 1, 1), 30.0),
    ],
)
def test_normalizers_are_the_lengths_they_name(normalizer, labelled, size):
    """Every labelled joint is off by 4, which is right up to the threshold 4 / size and not below it."""
    pred = BODY + np.array([4.0, 0.0])
    options = {"normalizer": normalizer, "joint_names": TORSO, "boxes": np.array([[0.0, 0.0, 20.0, 30.0]])}
    flags = np.array([labelled])
    assert pck(pred, BODY, flags, threshold=4 / size, **options).mean == 1
    assert pck(pred, BODY, flags, threshold=np.nextafter(4 / size, 0), **options).mean == 0


def test_torso_that_is_not_labelled_counts_nobody():
    got = pck(BODY, BODY, np.array([[0, 1, 1, 1, 1, 1]]), normalizer="torso", joint_names=TORSO)
    assert got.counted.sum() == 0


def test_tensors_in_tensors_out_and_the_same_numbers():
    pred, truth = people(20, 6)
    sizes = np.full(20, 50.0)
    arrays = pck(pred, truth, normalizer=sizes)
    tensors = pck(torch.from_numpy(pred), torch.from_numpy(truth), normalizer=torch.from_numpy(sizes))
    assert isinstance(arrays.mean, np.ndarray) and isinstance(tensors.mean, torch.Tensor)
    for a, b in zip(arrays, tensors, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.int64])
def test_distances_are_those_of_the_given_values_in_float64(dtype):
    pred, truth = (torch.from_numpy(values).to(dtype) for values in people(20, 6))
    sizes = torch.full((20,), 40, dtype=dtype)
    got = pck(pred, truth, normalizer=sizes)
    want = pck(pred.double(), truth.double(), normalizer=sizes.double())
    assert torch.equal(got.per_joint, want.per_joint) and got.mean.dtype == torch.float64


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 5),
    st.integers(1, 4),
    st.integers(0, 2**31),
    st.sampled_from(["<=", "<"]),
    st.sampled_from(["joints", "labels"]),
)
def test_any_people_on_a_grid_with_ties_score_as_the_loop_counts(count, joints, seed, comparison, average):
    """Integers, so that errors often lie on the threshold."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 6, (count, joints, 2)).astype(float)
    pred = rng.integers(0, 6, (count, joints, 2)).astype(float)
    labelled = rng.random((count, joints)) < 0.7
    sizes = rng.choice([np.nan, 0.0, 1.0, 2.0, 10.0], count)
    got = pck(pred, truth, labelled, normalizer=sizes, threshold=0.5, comparison=comparison, average=average)
    counted = labelled & (np.nan_to_num(sizes) > 0)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = joint_loops.scaled_errors(pred, truth, sizes)
    want = joint_loops.shares_at(scaled, counted, 0.5, comparison == "<")
    np.testing.assert_array_equal(got.per_joint, want)
    weights = counted.sum(0) if average == "labels" else (counted.sum(0) > 0)
    mean = np.nansum(np.array(want) * weights) / weights.sum() if weights.any() else np.nan
    np.testing.assert_allclose(got.mean, mean, rtol=1e-14)


# PDJ, curves, areas


@pytest.mark.parametrize(
    ("torso", "pair"),
    [(("left_shoulder", "right_hip"), (6, 5)), (("right_shoulder", "left_hip"), (2, 9))],
)
def test_pdj_is_that_of_eval_pose(torso, pair):
    pred, truth = people(40, 10)
    want = joint_loops.eval_pose_pdj(pred, truth, pair)
    got = pdj(pred, truth, torso=torso)
    assert (FLIC_JOINTS[pair[0]], FLIC_JOINTS[pair[1]]) == torso
    np.testing.assert_array_equal(got.per_joint, want)
    np.testing.assert_allclose(got.mean, want.mean(1), rtol=1e-14)
    np.testing.assert_array_equal(got.thresholds, [step / 100 for step in range(51)])


def test_curve_in_pixels_is_that_of_modec():
    pred, truth = people(40, 10)
    curve = distance_curve(pred, truth, thresholds=range(1, 21), joint_names=FLIC_JOINTS)
    for joint in range(10):
        want = joint_loops.modec_curve(pred, truth, joint, (6, 5))
        np.testing.assert_array_equal(curve.per_joint[:, joint], want)
        assert curve.auc_per_joint[joint] == pytest.approx(np.trapezoid(want, np.arange(20) / 19))


def test_area_is_that_of_mmpose():
    pred, truth = people(40, 6)
    labelled = mask(40, 6)
    want = joint_loops.mmpose_auc(pred, truth, labelled)
    curve = distance_curve(
        pred,
        truth,
        labelled,
        normalizer=np.full(40, 30.0),
        reference_px=1,
        thresholds=np.arange(20) / 20,
        comparison="<",
        auc_rule="mean",
    )
    assert curve.auc == pytest.approx(want, rel=1e-13)


def test_area_ends_between_two_thresholds_on_the_line_between_them():
    x, y = np.array([0.0, 2.0, 4.0]), np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    np.testing.assert_allclose(area_under_curve(x, y), [0.5, 1.0])
    np.testing.assert_allclose(area_under_curve(x, y, limit=3.0), [(1 + 0.75) / 3, 1.0])
    np.testing.assert_allclose(area_under_curve(x, y, limit=2.0, rule="mean"), [0.5, 1.0])


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 8), st.integers(0, 2**31))
def test_area_is_that_of_numpys_trapezoids(points, seed):
    rng = np.random.default_rng(seed)
    x, y = np.cumsum(rng.uniform(0.1, 1, points)), rng.random(points)
    np.testing.assert_allclose(area_under_curve(x, y), np.trapezoid(y, x) / (x[-1] - x[0]), rtol=1e-12)
    limit = float(rng.uniform(x[0] + 1e-3, x[-1]))
    fine = np.union1d(x[x <= limit], [limit])
    want = np.trapezoid(np.interp(fine, x, y), fine) / (limit - x[0])
    np.testing.assert_allclose(area_under_curve(x, y, limit=limit), want, rtol=1e-9)


# LSP


def test_lsp_protocol_is_that_of_eval_pose():
    pred, truth = people(30, 14)
    per_joint, mean, area = joint_loops.eval_pose_pck(pred[-20:], truth[-20:])
    got = lsp_protocol(pred, truth, last=20)
    np.testing.assert_array_equal(got.per_joint, per_joint)
    assert got.mean == pytest.approx(mean, rel=1e-14) and got.auc == pytest.approx(area, rel=1e-12)
    pairs = [(13, 12), (9, 8), (10, 7), (11, 6), (3, 2), (4, 1), (5, 0)]
    np.testing.assert_allclose(got.parts, [(per_joint[a] + per_joint[b]) / 2 for a, b in pairs], rtol=1e-15)


def test_lsp_scores_the_last_1000_people():
    truth = np.tile(np.random.default_rng(0).uniform(0, 100, (14, 2)), (1003, 1, 1))
    pred = truth.copy()
    pred[:3] += 1000
    got = lsp_protocol(pred, truth)
    assert got.mean == 1 and set(got.counted) == {1000}
    assert set(lsp_protocol(pred, truth, last=None).counted) == {1003}


def facing(towards_camera: bool) -> np.ndarray:
    """One person whose right side is at the image's left, or the other way round."""
    rng = np.random.default_rng(5)
    person = rng.uniform(0, 100, (1, 14, 2))
    for joint, name in enumerate(LSP_JOINTS):
        right = name.startswith("right") == towards_camera
        person[0, joint, 0] += 0 if right else 200
    return person


def test_observer_centric_keeps_who_faces_the_camera_and_trades_who_does_not():
    front, back = facing(True), facing(False)
    np.testing.assert_array_equal(observer_centric(front).keypoints, front)
    order = [LSP_JOINTS.index(_other(name)) for name in LSP_JOINTS]
    np.testing.assert_array_equal(observer_centric(back).keypoints, back[:, order])


def _other(name: str) -> str:
    if name.startswith("left"):
        return "right" + name.removeprefix("left")
    return "left" + name.removeprefix("right") if name.startswith("right") else name


def test_observer_centric_takes_labels_along_and_wants_both_roots():
    back = facing(False)
    labelled = np.ones((1, 14), bool)
    labelled[0, LSP_JOINTS.index("left_wrist")] = False
    moved = observer_centric(back, labelled)
    assert not moved.labelled[0, LSP_JOINTS.index("right_wrist")] and moved.labelled.sum() == 13
    labelled[0, LSP_JOINTS.index("left_hip")] = False
    stays = observer_centric(back, labelled).keypoints
    np.testing.assert_array_equal(stays[:, :6], back[:, :6])  # the legs


def test_observer_centric_score_wants_observer_centric_predictions():
    back = facing(False)
    pred = observer_centric(back).keypoints
    assert lsp_protocol(pred, back, centric="observer").mean == 1
    assert lsp_protocol(back, back, centric="observer").mean == pytest.approx(2 / 14)


# Bad input

SIX = np.zeros((2, 6, 2))
ONES = np.ones(2)


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, r"pred: expected \(N, K, 2\), got \(2, 6\)", lambda: pck(SIX[..., 0], SIX, normalizer=ONES)),
        (ValueError, r"target: expected \(2, 6, 2\), got \(2, 5, 2\)", lambda: pck(SIX, SIX[:, 1:], normalizer=ONES)),
        (ValueError, r"labelled: expected \(2, 6\), got \(6,\)", lambda: pck(SIX, SIX, np.ones(6), normalizer=ONES)),
        (ValueError, r"normalizer: expected \(2,\), got \(3,\)", lambda: pck(SIX, SIX, normalizer=np.ones(3))),
        (ValueError, "normalizer: expected sizes from 0 on", lambda: pck(SIX, SIX, normalizer=np.array([1.0, -1.0]))),
        (ValueError, "normalizer: expected one of torso", lambda: pck(SIX, SIX, normalizer="leg", joint_names=TORSO)),
        (TypeError, "normalizer: expected a name", lambda: pck(SIX, SIX, normalizer=3.0)),
        (ValueError, "joint_names: expected names for the normalizer 'torso'", lambda: pck(SIX, SIX)),
        (ValueError, "joint_names: expected 6, one per joint", lambda: pck(SIX, SIX, joint_names=TORSO[:5])),
        (ValueError, "boxes: expected", lambda: pck(SIX, SIX, normalizer="box")),
        (ValueError, "threshold: expected finite", lambda: pck(SIX, SIX, normalizer=ONES, threshold=-0.1)),
        (ValueError, "threshold: expected finite", lambda: pck(SIX, SIX, normalizer=ONES, threshold=float("nan"))),
        (ValueError, "threshold: expected a number", lambda: pck(SIX, SIX, normalizer=ONES, threshold="much")),
        (ValueError, "threshold: expected a number", lambda: pck(SIX, SIX, normalizer=ONES, threshold=[[0.1, 0.2]])),
        (ValueError, "normalizer: .* two joints", lambda: pck(SIX, SIX, normalizer=TORSO[:3], joint_names=TORSO)),
        (ValueError, "comparison: expected one of <=, <", lambda: pck(SIX, SIX, normalizer=ONES, comparison=">")),
        (ValueError, "average: expected one of joints", lambda: pck(SIX, SIX, normalizer=ONES, average="people")),
        (TypeError, "pred: expected positions", lambda: pck(SIX > 0, SIX, normalizer=ONES)),
        (TypeError, "target: expected real numbers", lambda: pck(SIX, SIX * 1j, normalizer=ONES)),
        (TypeError, "target: expected a tensor", lambda: pck(SIX, SIX.tolist(), normalizer=ONES)),
        (ValueError, "thresholds: expected two or more", lambda: pdj(SIX, SIX, joint_names=TORSO, thresholds=[1, 0])),
        (ValueError, "limit: expected a number above", lambda: pdj(SIX, SIX, joint_names=TORSO, auc_limit=0.6)),
        (ValueError, "rule: expected one of trapezoid", lambda: pdj(SIX, SIX, joint_names=TORSO, auc_rule="sum")),
        (ValueError, "reference_px", lambda: distance_curve(SIX, SIX, normalizer=ONES, reference_px=0)),
        (ValueError, "'left_shoulder' among them", lambda: pdj(SIX, SIX, joint_names=tuple("abcdef"))),
        (ValueError, "target_origin", lambda: pckh(*_mpii(), target_origin=2)),
        (ValueError, "average: expected one of labels", lambda: pckh(*_mpii(), average="people")),
        (ValueError, "'neck' among them", lambda: pckh(*_mpii(), left_out=("neck",))),
        (ValueError, "head_sizes: expected", lambda: pckh(*_mpii()[:3], np.ones(3))),
        (ValueError, "joint_names: expected 13", lambda: lsp_protocol(np.zeros((2, 13, 2)), np.zeros((2, 13, 2)))),
        (ValueError, "centric: expected one of", lambda: lsp_protocol(*_lsp(), centric="camera")),
        (ValueError, "last: expected", lambda: lsp_protocol(*_lsp(), last=0)),
        (ValueError, "threshold: expected a number above 0", lambda: lsp_protocol(*_lsp(), threshold=0)),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name(error, message, call):
    with pytest.raises(error, match=message):
        call()


def _mpii() -> tuple[np.ndarray, ...]:
    return np.zeros((2, 16, 2)), np.zeros((2, 16, 2)), np.ones((2, 16)), np.ones(2)


def _lsp() -> tuple[np.ndarray, ...]:
    return np.zeros((2, 14, 2)), np.zeros((2, 14, 2))


@pytest.mark.parametrize(("name", "value"), [("pred", np.nan), ("target", np.nan), ("target", np.inf)])
def test_labelled_joint_that_is_nan_is_named(name, value):
    arrays = {"pred": SIX.copy(), "target": SIX.copy()}
    arrays[name][1, 4, 0] = value
    with pytest.raises(ValueError, match=rf"{name}: .*joint 4 of person 1"):
        pck(**arrays, normalizer=ONES)


@pytest.mark.cuda
def test_cuda_gives_the_numbers_of_the_cpu():
    pred, truth = (torch.from_numpy(values) for values in people(50, 14))
    want = lsp_protocol(pred, truth)
    got = lsp_protocol(pred.cuda(), truth.cuda())
    for a, b in zip(got, want, strict=True):
        assert a.is_cuda
        torch.testing.assert_close(a.cpu(), b, rtol=1e-15, atol=0)
