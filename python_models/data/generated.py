"""Generated people: the embedded data set. Every image follows from (seed, index) alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .people.body import Camera, draw_build, pose_body
from .people.brush import Brush
from .people.figure import Figure, extent, inside_polygon, outline_figure
from .people.paint import paint_figure
from .people.poses import draw_pose
from .people.scene import Occluder, draw_occluder, finish, paint_background, paint_occluder, paint_shadow
from .people.wardrobe import draw_outfit
from .records import COCO_SKELETON, PersonRecord, PoseDataset


class Scene(NamedTuple):
    height: int
    width: int
    figure: Figure
    occluders: list[Occluder]


def plan_scene(seed: int, index: int) -> Scene:
    rng = np.random.default_rng((seed, index, 0))
    height, width = int(rng.integers(176, 241)), int(rng.integers(144, 225))
    body = pose_body(draw_build(rng), draw_pose(rng))
    view = rng.random()
    if view < 0.72:
        yaw = np.clip(rng.normal(0, 22), -50, 50)
    elif view < 0.88:
        yaw = rng.choice((-1, 1)) * rng.uniform(45, 100)
    else:
        yaw = 180 + rng.normal(0, 25)
    camera = Camera(100.0, yaw, rng.normal(4, 7), rng.normal(0, 4), rng.uniform(2.8, 6.0))
    figure = outline_figure(body, camera)
    low, high = extent(figure)
    zoom = min(height / (high - low)[1], width / (high - low)[0]) * rng.uniform(0.72, 1.02)
    room = np.array([width, height]) - zoom * (high - low)
    offset = -zoom * low + room * np.where(room > 0, rng.uniform(0.1, 0.9, 2), rng.uniform(0, 1, 2))
    figure = outline_figure(body, camera._replace(pixels=100.0 * zoom, offset=tuple(offset)))
    low, high = extent(figure)
    count = int(rng.random() < 0.3)
    return Scene(height, width, figure, [draw_occluder(rng, low, high) for _ in range(count)])


def paint_scene(scene: Scene, seed: int, index: int) -> np.ndarray:
    rng = np.random.default_rng((seed, index, 1))
    low, high = extent(scene.figure)
    image = paint_background(rng, scene.height, scene.width, high[1])
    paint_shadow(image, np.array([(low[0] + high[0]) / 2, high[1]]), (high - low)[0] / 2)
    turn = rng.uniform(-np.pi, 0)
    light = rng.uniform(0.3, 0.9) * np.array([np.cos(turn), np.sin(turn)])
    brush = Brush(image, scene.figure.camera.pixels, light, rng.uniform(0.15, 0.3))
    paint_figure(brush, scene.figure, draw_outfit(rng))
    for occluder in scene.occluders:
        paint_occluder(rng, brush, occluder)
    return finish(rng, image)


class GeneratedPeople(PoseDataset):
    def __init__(self, seed: int, count: int) -> None:
        self.seed, self.count = seed, count
        self.skeleton = COCO_SKELETON
        self.records = [self._record(index) for index in range(count)]

    def _record(self, index: int) -> PersonRecord:
        scene = plan_scene(self.seed, index)
        joints = scene.figure.joints[:, :2]
        hidden = scene.figure.hidden.copy()
        for occluder in scene.occluders:
            hidden |= inside_polygon(joints, occluder.outline)
        limits = np.array([scene.width - 1, scene.height - 1])
        outside = ((joints < 0) | (joints > limits)).any(1)
        visibility = np.where(outside, 0, np.where(hidden, 1, 2)).astype(np.float32)
        low, high = np.clip(extent(scene.figure), 0, limits)
        box = np.concatenate([low, high - low]).astype(np.float32)
        return PersonRecord(
            index, index + 1, index + 1, box, joints.astype(np.float32), visibility, 0.53 * float(box[2] * box[3])
        )

    def load_image(self, record: PersonRecord) -> np.ndarray:
        return paint_scene(plan_scene(self.seed, record.image), self.seed, record.image)
