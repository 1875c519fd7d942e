"""The sizes that PCK and PCKh are measured in, and figures of predictions, on numbers worked out by hand."""

from typing import Any

import numpy as np
import pytest

from python_models.data import GeneratedPeople, PersonRecord
from python_models.evaluate import Predictions, body_sizes, coco_result, head_sizes, score_predictions

TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
# Shoulders 6 apart, hips 2 apart, 3 below: the diagonals are 5 (4 across, 3 down) both.
PERSON = np.array([[[6.0, 0.0], [0.0, 0.0], [4.0, 3.0], [2.0, 3.0]]])
BOX = np.array([[0.0, 0.0, 6.0, 9.0]])


def labelled(*flags: int) -> np.ndarray:
    return np.array([flags], dtype=bool)


def skewed() -> np.ndarray:
    """Right shoulder to left hip: 8."""
    person = PERSON.copy()
    person[0, 1] = (4.0, -5.0)
    return person


def test_torso_is_the_mean_of_both_diagonals():
    assert body_sizes(skewed(), labelled(1, 1, 1, 1), BOX, TORSO) == pytest.approx([6.5])


def test_torso_is_the_diagonal_that_is_labelled():
    assert body_sizes(skewed(), labelled(1, 0, 1, 1), BOX, TORSO) == pytest.approx([5.0])


def test_without_a_torso_the_longer_side_of_the_box_counts():
    everything = labelled(1, 1, 1, 1)
    assert body_sizes(PERSON, labelled(1, 1, 0, 0), BOX, TORSO) == pytest.approx([9.0])
    assert body_sizes(PERSON, everything, BOX, ("a", "b", "c", "d")) == pytest.approx([9.0])
    assert body_sizes(np.zeros_like(PERSON), everything, BOX, TORSO) == pytest.approx([9.0])


def record(head_size: float | None) -> PersonRecord:
    nothing: Any = np.zeros(0)
    return PersonRecord("", 0, 0, nothing, nothing, nothing, 1.0, head_size)


def test_head_size_given_with_the_data_comes_first():
    people = np.repeat(np.array([[[0.0, 0.0], [3.0, 4.0]]]), 4, axis=0)
    flags = np.array([[1, 1], [1, 1], [1, 0], [1, 1]], dtype=bool)
    records = [record(7.0), record(None), record(None), record(0.0)]
    sizes = head_sizes(records, people, flags, ("head_top", "neck"))
    np.testing.assert_array_equal(sizes, [7.0, 5.0, np.nan, 5.0])


def test_predictions_are_scored_joint_by_joint():
    people = GeneratedPeople(5, 4)
    truth = np.stack([person.keypoints for person in people.records]).astype(np.float64)
    seen = np.stack([person.visibility for person in people.records]) > 0
    predicted = truth.copy()
    predicted[:, 0] += 500.0
    read = np.array([True, True, True, False])
    scores = score_predictions(people, Predictions(predicted, np.ones(truth.shape[:2]), read))
    wanted = [0.0 if joint == 0 else 1.0 for joint in range(17) if seen[:3, joint].any()]
    for name in ("PCK@0.2", "PCK@0.5", "PCKh@0.5"):
        values = [row[name] for row in scores["per_joint"].values()]
        assert [value for value in values if not np.isnan(value)] == wanted
        assert scores[name] == pytest.approx(np.mean(wanted))
    assert scores["people"] == 3


def test_the_score_of_a_person_is_the_mean_of_its_certain_joints():
    scores = np.array([0.1, 0.004, 0.3])
    found = [coco_result(1, 1, np.zeros((3, 2)), scores, *limit)["score"] for limit in ((), (0.005,), (0.0,))]
    assert found == pytest.approx([0.3, 0.2, 0.404 / 3])
    assert coco_result(1, 1, np.zeros((3, 2)), scores / 2)["score"] == 0.0
    assert coco_result(1, 1, np.full((1, 2), 1.23456), np.array([0.00123]))["keypoints"] == [
        1.235,
        1.235,
        0.00123,
    ]


def test_average_precision_ranks_people_by_scores_of_a_softmax():
    """With the limit of heat maps all would score 0, and the order of the file would decide."""
    people = GeneratedPeople(5, 4)
    truth = np.stack([person.keypoints for person in people.records]).astype(np.float64)
    truth[:2] += 500.0  # the first two are missed
    scores = np.full(truth.shape[:2], 0.01)
    scores[:2] = 0.002
    found = Predictions(truth, scores, np.ones(4, dtype=bool))
    low, high = (score_predictions(people, found, certain_score=limit)["AP50"] for limit in (0.2, 0.0))
    assert high > low


def test_an_area_that_the_file_leaves_empty_is_that_of_the_box(monkeypatch: pytest.MonkeyPatch):
    people = GeneratedPeople(5, 3)
    truth = np.stack([person.keypoints for person in people.records]).astype(np.float64)
    found = Predictions(truth + 2.0, np.ones(truth.shape[:2]), np.ones(3, dtype=bool))
    expected = score_predictions(people, found)["AP"]
    content = people.to_coco()
    for entry in content["annotations"]:
        entry["area"] = None
    content["annotations"].append({**content["annotations"][0], "id": 99, "iscrowd": 1})
    monkeypatch.setattr(people, "to_coco", lambda: content)
    assert score_predictions(people, found)["AP"] == expected


def test_longer_side_of_the_box_as_the_unit_of_pck():
    people = GeneratedPeople(5, 4)
    truth = np.stack([person.keypoints for person in people.records]).astype(np.float64)
    sides = np.array([person.box_xywh[2:].max() for person in people.records])
    read = np.ones(4, dtype=bool)
    for part, share in ((0.19, 1.0), (0.21, 0.0)):
        moved = truth + np.stack([sides * part, np.zeros(4)], axis=1)[:, None]
        scores = score_predictions(
            people, Predictions(moved, np.ones(truth.shape[:2]), read), pck_normalizer="bbox"
        )
        assert scores["PCK@0.2"] == share and scores["PCK@0.5"] == 1.0
