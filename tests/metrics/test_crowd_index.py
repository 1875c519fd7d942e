"""CrowdPose's crowd index against numbers worked out by hand, a loop, and those stored with real annotations."""

import json
from collections import defaultdict

import numpy as np
import pytest

from pyposeops.metrics import crowd_index


def slow_index(boxes, keypoints, visibility) -> float:
    ratios = []
    for number, (x, y, width, height) in enumerate(boxes):
        own = sum(flag > 0 for flag in visibility[number])
        if not own:
            continue
        others = 0
        for other, joints in enumerate(keypoints):
            for (px, py), flag in zip(joints, visibility[other], strict=True):
                others += other != number and flag > 0 and x <= px <= x + width and y <= py <= y + height
        ratios.append(others / own)
    return sum(ratios) / len(ratios) if ratios else 0.0


def test_equal_to_a_loop_on_random_people():
    rng = np.random.default_rng(0)
    for _ in range(50):
        count = int(rng.integers(1, 9))
        corners = rng.integers(0, 30, (count, 2))
        boxes = np.concatenate([corners, rng.integers(0, 20, (count, 2))], 1)
        keypoints = rng.integers(0, 50, (count, 14, 2)).astype(float)
        visibility = rng.integers(0, 3, (count, 14)) * (rng.random((count, 1)) < 0.8)
        keypoints[visibility == 0] = np.nan
        assert crowd_index(boxes, keypoints, visibility) == pytest.approx(
            slow_index(boxes, keypoints, visibility), abs=1e-12
        )


def test_two_people_in_one_place_hold_each_other():
    box, joints = [0, 0, 4, 4], [[0, 0], [4, 4]]  # on the rims
    assert crowd_index([box, box], [joints, joints], [[2, 1], [1, 2]]) == 1.0


def test_nobody_and_people_without_labels_count_as_empty():
    assert crowd_index([], [], []) == 0.0
    assert crowd_index(np.zeros((0, 4)), np.zeros((0, 14, 2)), np.zeros((0, 14))) == 0.0
    assert crowd_index([[0, 0, 9, 9]], [[[np.nan, 0]]], [[0]]) == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0, 0, 1]], [[[0, 0]]], [[1]]), r"boxes: expected \(N, 4\), got \(1, 3\)"),
        (([[0, 0, 1, 1]], [[0, 0]], [[1]]), r"keypoints: expected \(1, K, 2\), got \(1, 2\)"),
        (([[0, 0, 1, 1]], [[[0, 0]]], [1]), r"visibility: expected \(1, 1\), got \(1,\)"),
        (([[0, 0, 1, 1]], [[[0, np.inf]]], [[1]]), "expected finite numbers"),
        (([[0, 0, np.nan, 1]], [[[0, 0]]], [[1]]), "expected finite numbers"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        crowd_index(*arguments)


def test_stored_numbers_of_crowdpose(pose_data):
    content = json.loads((pose_data / "crowdpose_mini" / "annotations.json").read_text())
    people = defaultdict(list)
    for annotation in content["annotations"]:
        people[annotation["image_id"]].append(annotation)
    for image in content["images"]:
        own = people[image["id"]]
        triples = np.array([person["keypoints"] for person in own], float).reshape(len(own), -1, 3)
        found = crowd_index([person["bbox"] for person in own], triples[..., :2], triples[..., 2])
        assert found == pytest.approx(image["crowdIndex"], abs=0.00501)
