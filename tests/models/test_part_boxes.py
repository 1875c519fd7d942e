"""Boxes of hands and faces, against the published rules written out person by person."""

from __future__ import annotations

from math import dist

import pytest
import torch

from pyposeops.skeletons import COCO_17_JOINTS, OPENPOSE_BODY_25, OPENPOSE_COCO_18, OPENPOSE_MPI_15
from python_models.part_boxes import face_boxes, hand_boxes

NAMES = OPENPOSE_BODY_25.joints
HEAD = ("neck", "nose", "left_eye", "right_eye", "left_ear", "right_ear")


def square(middle, side):
    return [middle[0] - side / 2, middle[1] - side / 2, side, side]


def mean(*points):
    return [sum(values) / len(points) for values in zip(*points, strict=True)]


def hand_rule(at, side):
    wrist, elbow, shoulder = (at.get(f"{side}_{name}") for name in ("wrist", "elbow", "shoulder"))
    if None in (wrist, elbow, shoulder):
        return [0.0] * 4
    middle = [w + 0.33 * (w - e) for w, e in zip(wrist, elbow, strict=True)]
    return square(middle, 1.5 * max(dist(wrist, elbow), 0.9 * dist(elbow, shoulder)))


def face_rule(at):
    neck, nose, leye, reye, lear, rear = (at.get(name) for name in HEAD)
    middles, sides = [], []
    if neck and nose:
        seen = [bool(x) for x in (leye, lear, reye, rear)]
        if seen in ([True, True, False, False], [False, False, True, True]):
            eye, ear = (leye, lear) if leye else (reye, rear)
            middles.append(mean(nose, eye, ear))
            sides.append(0.85 * (dist(nose, eye) + dist(nose, ear) + dist(neck, nose)))
        else:
            middles.append(mean(neck, nose))
            sides.append(2 * dist(neck, nose))
    for pair, factor in (((leye, reye), 3), ((lear, rear), 2)):
        if all(pair):
            middles.append(mean(*pair))
            sides.append(factor * dist(*pair))
    if not middles:
        return [0.0] * 4
    return square(mean(*middles), sum(sides) / len(sides))


def people(count: int, seed: int, threshold: float):
    """(N, K, 2), (N, K), and the same as dictionaries of the joints that count."""
    generator = torch.Generator().manual_seed(seed)
    keypoints = 200 * torch.rand(count, len(NAMES), 2, generator=generator, dtype=torch.float64)
    scores = torch.rand(count, len(NAMES), generator=generator, dtype=torch.float64)
    scores[torch.rand(scores.shape, generator=generator) < 0.4] = 0.0
    listed = [
        {name: at for name, at, score in zip(NAMES, places, marks, strict=True) if score > threshold}
        for places, marks in zip(keypoints.tolist(), scores.tolist(), strict=True)
    ]
    return keypoints, scores, listed


def test_hands_lie_where_the_published_rule_says():
    keypoints, scores, listed = people(200, 1, 0.03)
    wanted = torch.tensor([[hand_rule(at, side) for side in ("left", "right")] for at in listed])
    got = hand_boxes(keypoints, scores, NAMES)
    torch.testing.assert_close(got, wanted.double(), rtol=1e-6, atol=1e-4)
    assert 0.1 < float((got[..., 2] > 0).double().mean()) < 0.9


def test_faces_lie_where_the_published_rule_says():
    keypoints, scores, listed = people(500, 2, 0.25)
    wanted = torch.tensor([face_rule(at) for at in listed])
    torch.testing.assert_close(face_boxes(keypoints, scores, NAMES), wanted.double(), rtol=1e-6, atol=1e-4)
    profiles = [at for at in listed if {"neck", "nose", "left_eye", "left_ear"} <= at.keys()]
    assert any({"right_eye", "right_ear"}.isdisjoint(at) for at in profiles)


def test_an_arm_stretched_to_the_right():
    at = {"right_shoulder": (0.0, 50.0), "right_elbow": (30.0, 50.0), "right_wrist": (60.0, 50.0)}
    keypoints, scores = torch.zeros(1, 18, 2), torch.zeros(1, 18)
    for name, place in at.items():
        index = OPENPOSE_COCO_18.joints.index(name)
        keypoints[0, index], scores[0, index] = torch.tensor(place), 0.9
    left, right = hand_boxes(keypoints, scores, OPENPOSE_COCO_18.joints)[0]
    assert left.tolist() == [0, 0, 0, 0]
    torch.testing.assert_close(right, torch.tensor([69.9 - 22.5, 50 - 22.5, 45.0, 45.0]))


def test_without_a_neck_it_is_between_the_shoulders():
    generator = torch.Generator().manual_seed(3)
    joints, scores = 100 * torch.rand(5, 17, 2, generator=generator), torch.ones(5, 17)
    scores[1, 5] = 0.1
    with_neck = torch.cat([joints, joints[:, [5, 6]].mean(1, keepdim=True)], dim=1)
    marks = torch.cat([scores, scores[:, [5, 6]].amin(1, keepdim=True)], dim=1)
    wanted = face_boxes(with_neck, marks, [*COCO_17_JOINTS, "neck"])
    torch.testing.assert_close(face_boxes(joints, scores, COCO_17_JOINTS), wanted)


def test_a_head_without_a_face_is_a_square_around_it():
    keypoints, scores = torch.zeros(2, 15, 2), torch.ones(2, 15)
    keypoints[:, 0], keypoints[:, 1], scores[1, 1] = torch.tensor([50.0, 20]), torch.tensor([50.0, 40]), 0.2
    boxes = face_boxes(keypoints, scores, OPENPOSE_MPI_15.joints)
    torch.testing.assert_close(boxes[0], torch.tensor([50 - 13.3, 20 - 13.3, 26.6, 26.6]))
    assert boxes[1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_joints_that_are_not_finite_do_not_count(value: float):
    keypoints, scores, _ = people(1, 4, 0.0)
    scores[:] = 1.0
    keypoints[0, NAMES.index("left_wrist"), 1] = value
    keypoints[0, NAMES.index("nose"), 0] = value
    left, right = hand_boxes(keypoints, scores, NAMES)[0]
    assert left.tolist() == [0, 0, 0, 0] and right.isfinite().all() and right[2] > 0
    assert face_boxes(keypoints, scores, NAMES).isfinite().all()


def test_nobody_and_bad_input():
    assert hand_boxes(torch.zeros(0, 25, 2), torch.zeros(0, 25), NAMES).shape == (0, 2, 4)
    assert face_boxes(torch.zeros(0, 25, 2), torch.zeros(0, 25), NAMES).shape == (0, 4)
    with pytest.raises(
        ValueError, match=r"expected \(N, 25, 2\) and \(N, 25\), got \(1, 18, 2\) and \(1, 18\)"
    ):
        hand_boxes(torch.zeros(1, 18, 2), torch.zeros(1, 18), NAMES)
