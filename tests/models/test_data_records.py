"""Skeletons and records."""

import pytest
from pycocotools.coco import COCO

from python_models.data import COCO_SKELETON, GeneratedPeople, Skeleton
from python_models.data.records import DEFAULT_SIGMA

MOUSE = Skeleton.from_names("mouse", ("snout", "leftear", "rightear", "tailbase"), [[1, 2], [1, 3], [2, 4]])


def test_coco_partners_limbs_and_sigmas_are_the_published_ones():
    assert COCO_SKELETON.flip_pairs == tuple((left, left + 1) for left in range(1, 17, 2))
    assert COCO_SKELETON.limbs[0] == (15, 13)
    published = [26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]
    assert COCO_SKELETON.sigmas == pytest.approx([value / 1000 for value in published])


def test_names_without_underscore_have_partners():
    assert MOUSE.flip_pairs == ((1, 2),)
    assert MOUSE.flip_order == (0, 2, 1, 3)
    assert MOUSE.limbs == ((0, 1), (0, 2), (1, 3))


def test_right_joints_may_come_before_left_ones():
    lsp = Skeleton.from_names("person", ("right_ankle", "right_knee", "left_knee", "left_ankle", "neck"))
    assert set(lsp.flip_pairs) == {(2, 1), (3, 0)}
    assert lsp.flip_order == (3, 2, 1, 0, 4)


def test_flip_order_is_its_own_inverse():
    order = COCO_SKELETON.flip_order
    assert [order[order[joint]] for joint in range(17)] == list(range(17))


def test_sigmas_of_other_sets_follow_the_joint_names():
    skeleton = Skeleton.from_names("person", ("head_top", "upper_neck", "pelvis", "left_ankle", "tailbase"))
    assert skeleton.sigmas == pytest.approx((0.079, 0.079, 0.107, 0.089, DEFAULT_SIGMA))


def test_a_joint_without_partner_is_named():
    skeleton = Skeleton.from_names("crab", ("left_claw", "right_claw", "left_eye", "shell"))
    assert skeleton.one_sided == ("left_eye",)
    assert COCO_SKELETON.one_sided == ()


def test_lower_body_is_hips_and_below():
    lower = [
        name for name, low in zip(COCO_SKELETON.joint_names, COCO_SKELETON.lower_body, strict=True) if low
    ]
    assert lower == [f"{side}_{part}" for part in ("hip", "knee", "ankle") for side in ("left", "right")]


def test_category_survives_a_round_trip():
    category = COCO_SKELETON.to_category()
    assert Skeleton.from_names(category["name"], category["keypoints"], category["skeleton"]) == COCO_SKELETON


def test_pycocotools_reads_the_labels_of_any_set():
    dataset = GeneratedPeople(0, 3)
    coco = COCO()
    coco.dataset = dataset.to_coco()
    coco.createIndex()
    annotation = coco.loadAnns([2])[0]
    record = dataset.records[1]
    assert annotation["image_id"] == record.image_id
    assert annotation["num_keypoints"] == (record.visibility > 0).sum()
    x, y, visibility = annotation["keypoints"][15:18]
    assert (x, y, visibility) == pytest.approx((*record.keypoints[5], record.visibility[5]), abs=1e-3)
