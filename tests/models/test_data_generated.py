"""Generated people: the same everywhere, labelled where they are drawn, plausible, and exportable."""

import hashlib
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from python_models.data import CocoKeypoints, GeneratedPeople, export_coco, generated
from python_models.data.people.body import HEAD_AXES, Body, Build, Camera, draw_build, pose_body, rotation
from python_models.data.people.brush import Brush
from python_models.data.people.figure import (
    FOREARM,
    SHANK,
    THIGH,
    UPPER_ARM,
    Figure,
    inside_polygon,
    outline_figure,
)
from python_models.data.people.paint import paint_figure
from python_models.data.people.poses import draw_pose
from python_models.data.people.surroundings import Occluder
from python_models.data.people.wardrobe import Outfit, draw_outfit

BACKGROUND = np.array([0, 255, 0], dtype=np.uint8)


def digest(seed: int, count: int) -> str:
    dataset = GeneratedPeople(seed, count)
    content = hashlib.sha256()
    for sample, record in zip(dataset, dataset.records, strict=True):
        content.update(sample.image.numpy().tobytes())
        content.update(record.keypoints.tobytes() + record.visibility.tobytes() + record.box_xywh.tobytes())
    return content.hexdigest()


def paint_alone(scene: generated.Scene, parts: np.ndarray, outfit: Outfit) -> np.ndarray:
    """Paint parts of a person, and nothing else, on a green ground."""
    image = np.empty((*scene.size, 3), dtype=np.uint8)
    image[:] = BACKGROUND
    brush = Brush(image, scene.figure.camera.pixels, np.zeros(2), 0.2)
    paint_figure(brush, scene.figure._replace(order=parts), outfit)
    return image


def test_same_seed_gives_the_same_pixels_and_labels_in_another_process():
    script = f"from {__name__} import digest; print(digest(7, 6))"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == digest(7, 6)


def test_a_person_does_not_depend_on_how_many_are_asked_for():
    few, many = GeneratedPeople(3, 4), GeneratedPeople(3, 9)
    assert torch.equal(few[3].image, many[3].image)
    np.testing.assert_array_equal(few.records[3].keypoints, many.records[3].keypoints)


def test_two_seeds_share_nobody():
    first, second = GeneratedPeople(1, 50), GeneratedPeople(2, 50)
    poses = {record.keypoints.tobytes() for dataset in (first, second) for record in dataset.records}
    assert len(poses) == 100


def test_joints_lie_on_the_painted_person():
    missed = 0
    for index in range(60):
        scene = generated.plan_scene(0, index)
        image = paint_alone(scene, scene.figure.order, draw_outfit(np.random.default_rng(index)))
        for x, y in np.rint(scene.figure.joints[:, :2]).astype(int):
            if 0 <= x < image.shape[1] and 0 <= y < image.shape[0]:
                missed += (image[y, x] == BACKGROUND).all()
    assert missed <= 0.005 * 60 * 17  # a nose or ear seen from the side sticks out of the head a little


LIMBS = {  # part: its two joints, in COCO's numbers
    **{UPPER_ARM[i]: (5 + i, 7 + i) for i in range(2)},
    **{FOREARM[i]: (7 + i, 9 + i) for i in range(2)},
    **{THIGH[i]: (11 + i, 13 + i) for i in range(2)},
    **{SHANK[i]: (13 + i, 15 + i) for i in range(2)},
}


@pytest.mark.parametrize("part", LIMBS)
def test_each_limb_is_painted_from_joint_to_joint_of_its_own_side(part):
    for index in range(15):
        scene = generated.plan_scene(0, index)
        image = paint_alone(
            scene, np.array([part]), draw_outfit(np.random.default_rng(index))._replace(skirt=0.0)
        )
        for x, y in np.rint(scene.figure.joints[list(LIMBS[part]), :2]).astype(int):
            if 0 <= x < image.shape[1] and 0 <= y < image.shape[0]:
                assert (image[y, x] != BACKGROUND).any()


def posed(seed: int) -> tuple[Build, Body]:
    rng = np.random.default_rng(seed)
    build = draw_build(rng)
    return build, pose_body(build, draw_pose(rng))


def test_limbs_keep_their_length_in_every_pose():
    for seed in range(100):
        build, body = posed(seed)
        lengths = {
            build.upper_arm: (5, 7),
            build.forearm: (7, 9),
            build.thigh: (11, 13),
            build.shank: (13, 15),
        }
        for length, (first, second) in lengths.items():
            gaps = body.joints[[second, second + 1]] - body.joints[[first, first + 1]]
            np.testing.assert_allclose(np.linalg.norm(gaps, axis=1), length, rtol=1e-9)


def test_knees_bend_backward():
    for seed in range(200):
        joints = posed(seed)[1].joints
        for hip, knee, ankle in ((11, 13, 15), (12, 14, 16)):
            thigh, shank = joints[knee] - joints[hip], joints[ankle] - joints[knee]
            backward = np.cross([1.0, 0.0, 0.0], thigh)
            assert shank @ backward > -0.02 * np.linalg.norm(shank) * np.linalg.norm(backward)


def seen_from(yaw: float) -> Figure:
    camera = Camera(rotation(1, yaw), 4.0, 100.0, np.zeros(2))
    return outline_figure(posed(3)[1], camera)


def test_left_is_on_the_right_of_the_image_from_the_front_and_on_the_left_from_behind():
    front, back = seen_from(0.0), seen_from(180.0)
    for left in (5, 11):
        assert front.joints[left, 0] > front.joints[left + 1, 0]
        assert back.joints[left, 0] < back.joints[left + 1, 0]


def test_the_face_is_hidden_from_behind():
    assert not seen_from(0.0).hidden[:3].any()
    assert seen_from(180.0).hidden[:3].all()


def test_the_far_shoulder_is_hidden_in_profile():
    assert seen_from(90.0).hidden[[5, 6]].tolist() == [True, False]  # facing the image's right
    assert seen_from(-90.0).hidden[[5, 6]].tolist() == [False, True]


def test_most_people_face_the_camera():
    facing = [generated.plan_scene(0, index).figure.trunk.facing for index in range(300)]
    assert np.mean(np.array(facing) > 0.5) > 0.75
    assert np.mean(np.array(facing) < -0.5) > 0.02


def test_records_are_consistent():
    for record in GeneratedPeople(4, 100).records:
        scene = generated.plan_scene(4, record.image)
        height, width = scene.size
        x, y, box_width, box_height = record.box_xywh
        assert x >= 0 and y >= 0 and x + box_width <= width - 1 and y + box_height <= height - 1
        assert record.area == pytest.approx(0.53 * box_width * box_height)
        labelled = record.keypoints[record.visibility > 0]
        assert (labelled >= [x - 1, y - 1]).all() and (
            labelled <= [x + box_width + 1, y + box_height + 1]
        ).all()
        outside = (record.keypoints < 0) | (record.keypoints > [width - 1, height - 1])
        np.testing.assert_array_equal(record.visibility == 0, outside.any(1))


def test_head_size_is_that_of_mpii():
    record, scene = GeneratedPeople(4, 1).records[0], generated.plan_scene(4, 0)
    width, height = 2 * HEAD_AXES[:2] * scene.figure.body.build.head * scene.figure.camera.pixels
    assert record.head_size == pytest.approx(0.6 * np.hypot(width, height))


def test_joints_behind_an_object_are_painted_over_and_flagged(monkeypatch):
    plan = generated.plan_scene

    def with_wall(seed: int, index: int) -> generated.Scene:
        scene = plan(seed, index)
        wall = np.array([[-1.0, 60.0], [400.0, 60.0], [400.0, 500.0], [-1.0, 500.0]])
        return scene._replace(occluders=[Occluder(wall, np.array([255.0, 0.0, 255.0]))])

    monkeypatch.setattr(generated, "plan_scene", with_wall)
    dataset = GeneratedPeople(0, 10)
    for sample, record in zip(dataset, dataset.records, strict=True):
        behind = record.keypoints[:, 1] > 63  # below the wall's rim
        assert set(record.visibility[behind]) <= {0, 1}
        red, green, blue = sample.image[66:].float().mean((0, 1)).tolist()
        assert green < 0.3 * red and green < 0.3 * blue


def test_point_in_polygon_agrees_with_opencv():
    rng = np.random.default_rng(0)
    for corners in (3, 6, 11):
        polygon = rng.uniform(0, 100, (corners, 2)).astype(np.float32)
        points = rng.uniform(0, 100, (300, 2)).astype(np.float32)
        expected = [cv2.pointPolygonTest(polygon, tuple(map(float, point)), False) > 0 for point in points]
        np.testing.assert_array_equal(inside_polygon(points, polygon), expected)


def test_export_can_be_read_again(tmp_path):
    dataset = GeneratedPeople(5, 4)
    file = export_coco(dataset, tmp_path / "people")
    again = CocoKeypoints(file)
    assert not list(tmp_path.rglob("*.part"))
    assert again.skeleton == dataset.skeleton
    size = json.loads(file.read_text())["images"][0]
    assert (size["height"], size["width"]) == dataset[0].image.shape[:2]
    for index, (before, after) in enumerate(zip(dataset.records, again.records, strict=True)):
        labelled = before.visibility > 0
        np.testing.assert_array_equal(after.visibility, before.visibility)
        np.testing.assert_allclose(after.keypoints[labelled], before.keypoints[labelled], atol=1e-3)
        np.testing.assert_allclose(after.box_xywh, before.box_xywh, atol=1e-3)
        assert after.head_size == pytest.approx(before.head_size)
        error = (again[index].image.float() - dataset[index].image.float()).abs().mean()
        assert error < 5  # JPEG at quality 95 on a noisy image


def test_export_of_a_file_keeps_the_labelled_people_only(tmp_path, pose_data):
    dataset = CocoKeypoints(pose_data / "coco_mini")
    again = CocoKeypoints(export_coco(dataset, tmp_path))
    assert len(again) == len(dataset) == 12
    assert again.skeleton == dataset.skeleton


def test_seed_and_count_are_checked():
    with pytest.raises(ValueError, match="expected at least 0 and 1, got -1 and 5"):
        GeneratedPeople(-1, 5)
