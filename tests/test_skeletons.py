"""COCO's 17 joints out of OpenPose's, and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import pyposeops
from benchmarks.planted_people import crowd
from pyposeops.skeletons import (
    COCO_17_JOINTS,
    OPENPOSE_BODY_25,
    OPENPOSE_COCO_18,
    OPENPOSE_MPI_15,
    PafSkeleton,
    coco_17_of,
    openpose_of_coco_17,
)

SKELETONS = pytest.mark.parametrize(
    "skeleton", [OPENPOSE_COCO_18, OPENPOSE_BODY_25], ids=["coco 18", "body 25"]
)
# The published index of each of COCO's joints among OpenPose's, written out by hand.
PLACES = {
    OPENPOSE_COCO_18: [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10],
    OPENPOSE_BODY_25: [0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11],
}
L_SHOULDER, R_SHOULDER, L_HIP, R_HIP = 5, 6, 11, 12


def people(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, 17, 3, generator=generator, dtype=torch.float64) + 0.1


@SKELETONS
def test_each_joint_goes_to_its_published_place(skeleton: PafSkeleton):
    numbered = torch.arange(len(skeleton.joints))[:, None].expand(-1, 2)
    assert coco_17_of(numbered, skeleton)[:, 0].tolist() == PLACES[skeleton]


@SKELETONS
def test_there_and_back_changes_nothing(skeleton: PafSkeleton, generator: torch.Generator):
    joints = people(generator, 2, 3)
    joints[0, 0, 5], joints[0, 1, 9], joints[1, 2] = 0.0, float("nan"), 0.0
    there = openpose_of_coco_17(joints, skeleton)
    assert there.shape == (2, 3, len(skeleton.joints), 3)
    torch.testing.assert_close(coco_17_of(there, skeleton), joints, rtol=0, atol=0, equal_nan=True)


def test_neck_and_middle_of_the_hips_lie_between_with_the_smaller_score(generator: torch.Generator):
    joints = people(generator)
    body = openpose_of_coco_17(joints, OPENPOSE_BODY_25)
    for name, left, right in (("neck", L_SHOULDER, R_SHOULDER), ("mid_hip", L_HIP, R_HIP)):
        middle = body[OPENPOSE_BODY_25.joints.index(name)]
        torch.testing.assert_close(middle[:2], joints[[left, right], :2].mean(0))
        assert middle[2] == min(joints[left, 2], joints[right, 2])
    assert body[19:].count_nonzero() == 0  # feet


@pytest.mark.parametrize(
    "number,value", [(2, 0.0), (2, -1.0), (2, float("nan")), (0, float("nan")), (1, float("inf"))]
)
@pytest.mark.parametrize("shoulder", [L_SHOULDER, R_SHOULDER])
def test_without_a_shoulder_there_is_no_neck(
    shoulder: int, number: int, value: float, generator: torch.Generator
):
    joints = people(generator, 2)
    joints[0, shoulder, number] = value
    neck = openpose_of_coco_17(joints, OPENPOSE_COCO_18)[:, 1]
    assert neck[0].tolist() == [0, 0, 0] and neck[1].all()


def test_gradients(generator: torch.Generator):
    joints = people(generator, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: openpose_of_coco_17(x, OPENPOSE_BODY_25), joints)
    lacking = joints.detach().clone()
    lacking[0, L_SHOULDER] = float("nan")
    lacking.requires_grad_()
    openpose_of_coco_17(lacking, OPENPOSE_COCO_18)[:, 1].sum().backward()
    assert lacking.grad is not None and lacking.grad.isfinite().all()
    assert lacking.grad[0].count_nonzero() == 0


def test_people_who_were_found():
    planted = crowd(5, seed=1)
    found = pyposeops.paf_decode(planted.heatmaps, planted.pafs, OPENPOSE_COCO_18)
    joints = coco_17_of(found.keypoints, OPENPOSE_COCO_18)
    assert joints.shape == (1, 127, 17, 3)
    nose, ankle = COCO_17_JOINTS.index("nose"), COCO_17_JOINTS.index("right_ankle")
    assert torch.equal(joints[..., nose, :], found.keypoints[..., 0, :])
    assert torch.equal(joints[..., ankle, :], found.keypoints[..., 10, :])


def test_numpy_comes_back_as_numpy():
    joints = np.ones((2, 17, 3), np.float32)
    body = openpose_of_coco_17(joints, OPENPOSE_COCO_18)
    assert isinstance(body, np.ndarray) and body.shape == (2, 18, 3)
    assert isinstance(coco_17_of(body, OPENPOSE_COCO_18), np.ndarray)


def test_nobody():
    assert openpose_of_coco_17(torch.zeros(0, 17, 3), OPENPOSE_BODY_25).shape == (0, 25, 3)
    assert coco_17_of(torch.zeros(0, 25, 3), OPENPOSE_BODY_25).shape == (0, 17, 3)


def test_bad_input():
    with pytest.raises(ValueError, match=r"keypoints: expected \(\.\.\., 18, D\), got \(2, 17, 3\)"):
        coco_17_of(torch.zeros(2, 17, 3), OPENPOSE_COCO_18)
    with pytest.raises(ValueError, match="got one without nose"):
        coco_17_of(torch.zeros(2, 15, 3), OPENPOSE_MPI_15)
    with pytest.raises(ValueError, match=r"keypoints: expected \(\.\.\., 17, 3\), got \(17, 2\)"):
        openpose_of_coco_17(torch.zeros(17, 2), OPENPOSE_COCO_18)
    with pytest.raises(ValueError, match="got one without nose"):
        openpose_of_coco_17(torch.zeros(17, 3), OPENPOSE_MPI_15)
    with pytest.raises(TypeError, match="floating"):
        openpose_of_coco_17(torch.zeros(17, 3, dtype=torch.int64), OPENPOSE_COCO_18)
