"""The tables of sigmas against figures typed a second time, joint by joint where joints have names."""

from __future__ import annotations

import pytest

from pyposeops.evaluate.coco import sigma_sets
from pyposeops.metrics import keypoint_sets
from pyposeops.metrics.sticks import LSP_JOINTS, MPII_JOINTS

# name: how many, first, last, sum, sum weighted by position from 1
FIGURES = {
    "COCO_17": (17, 0.026, 0.089, 1.138, 12.154),
    "CROWDPOSE_14": (14, 0.079, 0.079, 1.15, 8.861),
    "MPII_16": (16, 0.089, 0.062, 1.336, 10.614),
    "MPII_16_MMPOSE": (16, 0.089, 0.062, 1.288, 11.288),
    "LSP_14": (14, 0.089, 0.079, 1.15, 8.161),
    "AIC_14": (14, 0.01388152, 0.01236173, 0.30056174, 2.42915537),
    "WHOLEBODY_133": (133, 0.026, 0.031, 3.861, 199.249),
}


def test_every_table_is_tested_here_and_known_to_the_command():
    assert set(sigma_sets()) == {name.lower() for name in FIGURES}


@pytest.mark.parametrize("name", FIGURES)
def test_figures(name):
    sigmas = getattr(keypoint_sets, name)
    count, first, last, total, weighted = FIGURES[name]
    assert len(sigmas) == count and all(type(sigma) is float for sigma in sigmas)
    assert (sigmas[0], sigmas[-1]) == pytest.approx((first, last), rel=1e-15)
    assert sum(sigmas) == pytest.approx(total, rel=1e-12)
    assert sum(i * sigma for i, sigma in enumerate(sigmas, 1)) == pytest.approx(weighted, rel=1e-12)


COCO = {
    "nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072, "wrist": 0.062, "hip": 0.107,
    "knee": 0.087, "ankle": 0.089,
}  # fmt: skip
HEAD = dict.fromkeys(("head_top", "neck", "upper_neck", "thorax"), 0.079) | {"pelvis": 0.107}


@pytest.mark.parametrize(("name", "joints"), [("MPII_16", MPII_JOINTS), ("LSP_14", LSP_JOINTS)])
def test_derived_tables_joint_by_joint(name, joints):
    for joint, sigma in zip(joints, getattr(keypoint_sets, name), strict=True):
        want = {**COCO, **HEAD}[joint.removeprefix("left_").removeprefix("right_")]
        assert sigma == pytest.approx(want, rel=1e-15), joint


def test_parts_of_the_whole_body():
    sigmas = keypoint_sets.WHOLEBODY_133
    body, feet, face, left, right = (
        sigmas[:17], sigmas[17:23], sigmas[23:91], sigmas[91:112], sigmas[112:],
    )  # fmt: skip
    assert body == pytest.approx(keypoint_sets.COCO_17, rel=1e-15)
    assert feet == (0.068, 0.066, 0.066, 0.092, 0.094, 0.094)
    assert (face[0], face[16], face[30], face[47], face[-1]) == (0.042, 0.045, 0.007, 0.034, 0.008)
    assert sum(face) == pytest.approx(1.137)
    assert left == right and (left[0], left[4], left[20]) == (0.029, 0.047, 0.031)
