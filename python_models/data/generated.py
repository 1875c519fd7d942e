"""Generated people: the embedded data set. Every image follows from (seed, index) alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from python_models.data.people.body import HEAD_AXES, Camera, draw_build, pose_body, rotation
from python_models.data.people.brush import Brush
from python_models.data.people.figure import Figure, inside_polygon, outline_figure
from python_models.data.people.paint import paint_figure
from python_models.data.people.poses import draw_pose
from python_models.data.people.surroundings import (
    Occluder,
    draw_occluder,
    finish,
    paint_background,
    paint_occluder,
    paint_seat,
    paint_shadow,
)
from python_models.data.people.wardrobe import draw_outfit
from python_models.data.records import AREA_OF_BOX, PersonRecord, PoseDataset
from python_models.data.skeletons import COCO_SKELETON


class Scene(NamedTuple):
    """One image before it is painted."""

    size: tuple[int, int]  # height, width
    figure: Figure
    seated: bool
    occluders: list[Occluder]


def _draw_yaw(rng: np.random.Generator) -> float:
    """Draw how far a person is turned: mostly toward the camera, some in profile, some away from it."""
    view, spread = rng.random(), rng.normal()
    if view < 0.85:
        return float(np.clip(20.0 * spread, -45.0, 45.0))
    if view < 0.94:
        return float(rng.choice((-1.0, 1.0)) * rng.uniform(40.0, 85.0))
    return 180.0 + float(np.clip(20.0 * spread, -50.0, 50.0))


def draw_figure(rng: np.random.Generator) -> tuple[Figure, bool]:
    """Draw somebody in some pose, seen from somewhere, and whether they sit; about 100 pixels tall."""
    pose = draw_pose(rng)
    tilt = rotation(2, rng.normal(0, 4)) @ rotation(0, rng.normal(4, 7))
    camera = Camera(tilt @ rotation(1, _draw_yaw(rng)), rng.uniform(2.8, 6.0), 100.0, np.zeros(2))
    return outline_figure(pose_body(draw_build(rng), pose), camera), pose.stance == "seated"


def plan_scene(seed: int, index: int) -> Scene:
    """Draw the pose, the view and what hides parts of the person."""
    rng = np.random.default_rng((seed, index, 0))
    height, width = (int(side) for side in rng.integers((176, 144), (241, 225)))
    figure, seated = draw_figure(rng)
    low, high = figure.corners()
    extent = high - low
    zoom = float((np.array([width, height]) / extent).min()) * rng.uniform(0.72, 1.03)
    place = rng.uniform(0.1, 0.9, 2) * (np.array([width, height]) - zoom * extent)
    figure = figure.placed(zoom, place - zoom * low)
    occluders = [draw_occluder(rng, figure.corners()) for _ in range(int(rng.random() < 0.25))]
    return Scene((height, width), figure, seated, occluders)


def draw_light(rng: np.random.Generator) -> np.ndarray:
    """Draw where light comes from, from above: a direction (x, y) shorter than 1."""
    turn = rng.uniform(-np.pi, 0.0)
    return rng.uniform(0.3, 0.9) * np.array([np.cos(turn), np.sin(turn)])


def label_figure(
    figure: Figure, hidden: np.ndarray, size: tuple[int, int], index: int, identity: int
) -> PersonRecord:
    """The record of somebody drawn in image `index` of `size` (height, width); `hidden` (17,) has visibility 1."""
    joints = figure.joints[:, :2]
    limits = np.array(size[::-1]) - 1
    outside = ((joints < 0) | (joints > limits)).any(1)
    low, high = np.clip(figure.corners(), 0, limits)
    box = np.concatenate([low, high - low]).astype(np.float32)
    return PersonRecord(
        image=index,
        image_id=index + 1,
        annotation_id=identity,
        box_xywh=box,
        keypoints=joints.astype(np.float32),
        visibility=np.where(outside, 0, np.where(hidden, 1, 2)).astype(np.float32),
        area=AREA_OF_BOX * float(box[2] * box[3]),
        head_size=1.2 * float(np.hypot(*HEAD_AXES[:2])) * figure.body.build.head * figure.camera.pixels,
    )


def paint_scene(scene: Scene, seed: int, index: int) -> np.ndarray:
    """Paint a planned scene, uint8 (H, W, 3) RGB."""
    rng = np.random.default_rng((seed, index, 1))
    figure, corners = scene.figure, scene.figure.corners()
    ground = float(corners[1, 1])
    image = paint_background(rng, *scene.size, ground)
    paint_shadow(image, corners, rng.uniform(0.2, 0.55))
    brush = Brush(image, figure.camera.pixels, draw_light(rng), rng.uniform(0.25, 0.45))
    if scene.seated:
        paint_seat(rng, brush, figure.joints[11:13, :2], ground)
    paint_figure(brush, figure, draw_outfit(rng))
    for occluder in scene.occluders:
        paint_occluder(brush, occluder)
    return finish(rng, image)


class GeneratedPeople(PoseDataset):
    """Articulated figures with COCO's 17 joints, drawn on demand: nothing is stored or downloaded.

    People stand, walk, run, sit, squat, kick or bend in clothes of many cuts and patterns before clutter;
    four in five face the camera, one in sixteen turns away from it; things stand in front of one in four.
    Faces, collars, buttons and pockets tell left from right. Joints behind the person's own body or an object have
    visibility 1, joints outside the image 0. `head_size` is 0.6 times the diagonal of the head's box, as in
    MPII; `area` is 0.53 times the box.

    The same seed and index give the same person in every process; two seeds share nobody, so that one can
    be trained on and another tested.

    Args:
        seed: which people, a whole number from 0.
        count: how many.
    """

    def __init__(self, seed: int, count: int) -> None:
        if seed < 0 or count < 1:
            raise ValueError(f"seed, count: expected at least 0 and 1, got {seed} and {count}")
        self.seed = seed
        self.skeleton = COCO_SKELETON
        self.records = [self._record(index) for index in range(count)]

    def _record(self, index: int) -> PersonRecord:
        scene = plan_scene(self.seed, index)
        hidden = scene.figure.hidden
        for occluder in scene.occluders:
            hidden = hidden | inside_polygon(scene.figure.joints[:, :2], occluder.outline)
        return label_figure(scene.figure, hidden, scene.size, index, index + 1)

    def load_image(self, record: PersonRecord) -> np.ndarray:
        index = int(record.image)
        return paint_scene(plan_scene(self.seed, index), self.seed, index)
