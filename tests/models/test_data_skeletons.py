"""The table of skeletons."""

import pytest

from pyposeops.metrics import keypoint_sets
from python_models.data import SKELETONS

JOINTS = {
    "coco": 17,
    "mpii": 16,
    "lsp": 14,
    "lspet": 14,
    "flic": 11,
    "crowdpose": 14,
    "posetrack18": 17,
    "aic": 14,
}


def test_every_set_has_its_joints():
    assert {name: skeleton.num_joints for name, skeleton in SKELETONS.items()} == JOINTS


@pytest.mark.parametrize("name", SKELETONS)
def test_every_joint_is_named_once_and_has_a_partner_and_a_sigma(name):
    skeleton = SKELETONS[name]
    assert len(set(skeleton.joint_names)) == skeleton.num_joints == len(skeleton.sigmas)
    assert skeleton.one_sided == ()
    for left, right in skeleton.flip_pairs:
        assert skeleton.joint_names[left].replace("left", "right") == skeleton.joint_names[right]
        assert name == "aic" or skeleton.sigmas[left] == skeleton.sigmas[right]  # AI Challenger's differ


@pytest.mark.parametrize("name", SKELETONS)
def test_limbs_are_distinct_mirror_onto_each_other_and_reach_all_joints_that_are_labelled(name):
    skeleton = SKELETONS[name]
    limbs = {frozenset(limb) for limb in skeleton.limbs}
    assert len(limbs) == len(skeleton.limbs)
    order = skeleton.flip_order
    assert {frozenset(order[end] for end in limb) for limb in limbs} == limbs
    reached = {skeleton.joint_names[end] for limb in limbs for end in limb}
    unlabelled = {"left_ear", "right_ear"} if name == "posetrack18" else set()
    assert set(skeleton.joint_names) - reached == unlabelled


def test_derived_sigmas_are_those_of_the_joint_in_coco_and_crowdpose():
    coco = dict(zip(SKELETONS["coco"].joint_names, keypoint_sets.COCO_17, strict=True))
    others = {"neck", "head_top", "upper_neck", "thorax", "head", "head_bottom"}
    for name in ("mpii", "lsp", "flic", "crowdpose", "posetrack18"):
        for joint, sigma in zip(SKELETONS[name].joint_names, SKELETONS[name].sigmas, strict=True):
            expected = 0.079 if joint in others else coco.get(joint, coco["left_hip"])
            assert sigma == pytest.approx(expected), (name, joint)


def test_orders_of_the_published_files():
    """Joints whose place is told in prose: the read-me of LSP, the ids of MPII, the paper of AI Challenger."""
    assert SKELETONS["lsp"].joint_names.index("left_shoulder") == 9
    assert SKELETONS["lsp"].joint_names[12:] == ("neck", "head_top")
    assert SKELETONS["mpii"].joint_names[6:10] == ("pelvis", "thorax", "upper_neck", "head_top")
    assert SKELETONS["aic"].joint_names[12:] == ("head_top", "neck")
    assert SKELETONS["crowdpose"].joint_names[12:] == ("head", "neck")
