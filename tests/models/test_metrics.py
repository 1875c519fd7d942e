"""PCK, PCKh and OKS-AP on numbers worked out by hand."""

import numpy as np
import pytest

from python_models import metrics
from python_models.data import COCO_SKELETON, GeneratedPeople

TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
# Shoulders 6 apart, hips 2 apart, 3 below: the diagonals are 5 (4 across, 3 down) both.
PERSON = np.array([[[6.0, 0.0], [0.0, 0.0], [4.0, 3.0], [2.0, 3.0]]])
BOX = np.array([[0.0, 0.0, 6.0, 9.0]])


def labelled(*flags: int) -> np.ndarray:
    return np.array([flags], dtype=bool)


def test_torso_is_the_mean_of_both_diagonals():
    skewed = PERSON.copy()
    skewed[0, 1] = (4.0, -5.0)  # right shoulder to left hip: 8
    assert metrics.torso_sizes(skewed, labelled(1, 1, 1, 1), BOX, TORSO) == pytest.approx([6.5])


def test_torso_is_the_diagonal_that_is_labelled():
    skewed = PERSON.copy()
    skewed[0, 1] = (4.0, -5.0)
    assert metrics.torso_sizes(skewed, labelled(1, 0, 1, 1), BOX, TORSO) == pytest.approx([5.0])


def test_without_a_torso_the_longer_side_of_the_box_counts():
    assert metrics.torso_sizes(PERSON, labelled(1, 1, 0, 0), BOX, TORSO) == pytest.approx([9.0])
    assert metrics.torso_sizes(PERSON, labelled(1, 1, 1, 1), BOX, ("a", "b", "c", "d")) == pytest.approx(
        [9.0]
    )
    flat = np.zeros_like(PERSON)
    assert metrics.torso_sizes(flat, labelled(1, 1, 1, 1), BOX, TORSO) == pytest.approx([9.0])


def test_pck_counts_labelled_joints_up_to_the_threshold():
    predicted = PERSON + np.array([[[1.0, 0.0], [0.0, 1.001], [3.0, 0.0], [0.0, 0.0]]])
    found = metrics.pck(predicted, PERSON, labelled(1, 1, 0, 1), np.array([5.0]), 0.2)
    np.testing.assert_array_equal(found.per_joint, [1.0, 0.0, np.nan, 1.0])
    assert found.mean == pytest.approx(2 / 3)


def test_pck_mean_weighs_joints_not_people():
    truth = np.zeros((3, 2, 2))
    predicted = truth.copy()
    predicted[1:, 0] = 100.0
    flags = np.array([[1, 1], [1, 0], [1, 0]], dtype=bool)
    found = metrics.pck(predicted, truth, flags, np.ones(3), 0.5)
    assert found.per_joint == pytest.approx([1 / 3, 1.0])
    assert found.mean == pytest.approx(2 / 3)


def test_people_without_a_size_are_not_counted():
    found = metrics.pck(PERSON, PERSON, labelled(1, 1, 1, 1), np.array([np.nan]), 0.5)
    assert np.isnan(found.mean) and np.isnan(found.per_joint).all()


def test_head_size_given_with_the_data_comes_first():
    people = np.repeat(np.array([[[0.0, 0.0], [3.0, 4.0]]]), 3, axis=0)
    flags = np.array([[1, 1], [1, 1], [1, 0]], dtype=bool)
    sizes = metrics.head_sizes(people, flags, [7.0, None, None], ("head_top", "neck"))
    np.testing.assert_array_equal(sizes, [7.0, 5.0, np.nan])


def results_of(dataset: GeneratedPeople, shift: float) -> list[dict]:
    return [
        {
            "image_id": record.image_id,
            "category_id": 1,
            "keypoints": np.c_[record.keypoints + shift, np.ones(17)].ravel().tolist(),
            "score": 0.9,
        }
        for record in dataset.records
    ]


def test_oks_ap_is_one_for_the_labels_and_nothing_for_strangers():
    people = GeneratedPeople(5, 4)
    ids = [record.image_id for record in people.records]
    perfect = metrics.oks_ap(people.to_coco(), results_of(people, 0.0), COCO_SKELETON.sigmas, image_ids=ids)
    assert perfect["AP"] == pytest.approx(1.0) and perfect["AR"] == pytest.approx(1.0)
    missed = metrics.oks_ap(people.to_coco(), results_of(people, 500.0), COCO_SKELETON.sigmas, image_ids=ids)
    assert missed["AP"] == 0.0


def test_oks_ap_leaves_out_images_that_do_not_count():
    people = GeneratedPeople(5, 4)
    found = results_of(people, 0.0)[:2]
    ids = [record.image_id for record in people.records[:2]]
    assert metrics.oks_ap(people.to_coco(), found, COCO_SKELETON.sigmas, image_ids=ids)[
        "AR"
    ] == pytest.approx(1.0)
