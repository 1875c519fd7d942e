"""PCKh, PCK and PCP on real annotations: shares that follow from how the predictions were made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from pyposeops.metrics import (
    LSP_JOINTS,
    MPII_JOINTS,
    PCKH_CONVENTIONS,
    lsp_protocol,
    mean_stick_lengths,
    observer_centric,
    pck,
    pckh,
    pcp,
    torso_sizes,
)
from tests.metrics import joint_loops


class Annotated(NamedTuple):
    joints: np.ndarray
    labelled: np.ndarray
    heads: np.ndarray


def read(folder: Path, names: tuple[str, ...]) -> Annotated:
    if not folder.is_dir():
        pytest.skip(f"no {folder.name}")
    data = json.loads((folder / "annotations.json").read_text())
    assert tuple(data["categories"][0]["keypoints"]) == names
    people = [entry for entry in data["annotations"] if entry.get("num_keypoints")]
    table = np.array([entry["keypoints"] for entry in people], float).reshape(len(people), len(names), 3)
    heads = np.array([entry.get("head_size", np.nan) for entry in people], float)
    return Annotated(table[..., :2], table[..., 2] > 0, heads)


@pytest.fixture
def mpii(pose_data: Path) -> Annotated:
    return read(pose_data / "mpii_mini", MPII_JOINTS)


@pytest.fixture
def lsp(pose_data: Path) -> Annotated:
    return read(pose_data / "lspet" / "val", LSP_JOINTS)


def shifted(joints: np.ndarray, lengths: np.ndarray, seed: int = 0) -> np.ndarray:
    """Every joint moved by its person's length, in a random direction."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, joints.shape[:2])
    way = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return joints + way * lengths.reshape(len(joints), -1, 1)


def test_pckh_of_mpii_with_its_head_sizes(mpii: Annotated):
    joints, labelled, heads = mpii
    assert (heads > 0).all()
    for part, share in ((0.09, 1), (0.105, 0), (0.11001, 0)):
        got = pckh(shifted(joints, part * heads), joints, labelled, heads)
        assert got.mean == 1 and got.fine_mean == share
    as_printed = pckh(shifted(joints, 0.105 * heads), joints, labelled, heads, **PCKH_CONVENTIONS["hrnet"])
    assert as_printed.fine_mean == 1
    missed = pckh(shifted(joints, 0.501 * heads), joints, labelled, heads)
    assert missed.mean == 0 and np.nansum(missed.parts) == 0


def test_pckh_of_mpii_counts_missed_joints(mpii: Annotated):
    """Two people get every joint wrong, the others none: the mean is the share of the others' labels."""
    joints, labelled, heads = mpii
    parts = np.zeros(len(joints))
    parts[:2] = 2.0
    pred = shifted(joints, parts * heads)
    kept = [joint for joint, name in enumerate(MPII_JOINTS) if name not in ("pelvis", "thorax")]
    got = pckh(pred, joints, labelled, heads)
    assert got.mean == pytest.approx(labelled[2:, kept].sum() / labelled[:, kept].sum())


def test_pck_of_lsp_in_torsos(lsp: Annotated):
    joints, labelled, _ = lsp
    torso = torso_sizes(joints, labelled, LSP_JOINTS)
    known = torso > 0
    assert 400 < known.sum() < len(joints)  # some torsos are not labelled
    for part, share in ((0.19, 1), (0.21, 0)):
        pred = shifted(joints, part * np.nan_to_num(torso))
        got = lsp_protocol(pred, joints, labelled)
        assert got.mean == share and set(got.parts) == {share}
        np.testing.assert_array_equal(got.counted, labelled[known].sum(0))
    # Shifts from 0 to 0.2 torsos, evenly: the mean's curve is a straight line, with half of the area below.
    steps = np.linspace(0, 0.2, joints.shape[0] * 14).reshape(-1, 14)
    pred = shifted(joints, np.random.default_rng(1).permutation(steps) * np.nan_to_num(torso)[:, None])
    assert lsp_protocol(pred, joints, labelled).auc == pytest.approx(0.5, abs=0.02)


def test_observer_centric_lsp_trades_some_limbs_and_no_place(lsp: Annotated):
    joints, labelled, _ = lsp
    moved = observer_centric(joints, labelled)
    traded = (moved.keypoints != joints).any((1, 2))
    assert 0.1 < traded.mean() < 0.9  # people seen from behind, and of both sides
    np.testing.assert_allclose(moved.keypoints.sum(1), joints.sum(1))
    assert lsp_protocol(moved.keypoints, joints, labelled, centric="observer").mean == 1
    assert lsp_protocol(joints, joints, labelled, centric="observer").mean < 1


def test_pcp_of_lsp(lsp: Annotated):
    joints, labelled, _ = lsp
    whole = labelled.all(1)
    lengths = np.array([[joint_loops.norm(a - b) for a, b in joint_loops.lsp_sticks(p)] for p in joints])
    whole &= (lengths > 0).all(1)
    assert whole.sum() > 150
    rng = np.random.default_rng(3)
    truth = joints[whole]
    pred = truth + rng.normal(0, 8, truth.shape)
    for rule in ("strict", "relaxed"):
        want = joint_loops.deeppose_pcp(pred, truth, relaxed=rule == "relaxed")
        assert 0.1 < np.mean(want) < 0.95
        np.testing.assert_array_equal(pcp(pred, truth, rule=rule).per_stick, want)
    np.testing.assert_array_equal(
        pcp(pred, truth, rule="mean_length").per_stick, joint_loops.deepcut_pcp(pred, truth)
    )


def test_pcp_of_lsp_moved_as_a_whole_is_right_where_limbs_are_twice_as_long(lsp: Annotated):
    """Everybody moved by 15 pixels: strict and relaxed agree, and count the limbs of 30 pixels and more."""
    joints, labelled, _ = lsp
    pred = joints + np.array([9.0, 12.0])
    strict, relaxed = (pcp(pred, joints, labelled, rule=rule) for rule in ("strict", "relaxed"))
    np.testing.assert_array_equal(strict.per_stick, relaxed.per_stick)
    for stick, (a, b) in {2: (8, 7), 9: (4, 5)}.items():
        known = labelled[:, a] & labelled[:, b]
        length = np.linalg.norm(joints[known, a] - joints[known, b], axis=1)
        counted = length[length > 0]
        assert strict.counted[stick] == len(counted)
        assert strict.per_stick[stick] == pytest.approx((counted >= 30).mean())
    by_mean = pcp(pred, joints, labelled, rule="mean_length").per_stick
    np.testing.assert_array_equal(by_mean, mean_stick_lengths(joints, labelled) >= 30)


def test_unlabelled_joints_of_lsp_change_nothing(lsp: Annotated):
    joints, labelled, _ = lsp
    pred = shifted(joints, np.full(len(joints), 4.0))
    hidden = np.where(labelled[..., None], joints, np.nan)
    for a, b in zip(
        pck(pred, joints, labelled, joint_names=LSP_JOINTS),
        pck(pred, hidden, labelled, joint_names=LSP_JOINTS),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
