"""Generated clips: people who walk past each other before a still camera, with their true tracks.

Every frame follows from the arguments and its number alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np

from python_models.data.generated import draw_light, label_figure
from python_models.data.people.body import HEAD_AXES
from python_models.data.people.brush import Brush
from python_models.data.people.figure import Figure, covering_parts
from python_models.data.people.paint import paint_figure
from python_models.data.people.palette import SENSOR_NOISE_STEPS, sensor_noise
from python_models.data.people.surroundings import paint_background, paint_shadow
from python_models.data.people.walk import Walker, draw_walker, walking_figure
from python_models.data.people.wardrobe import draw_outfit
from python_models.data.records import PersonRecord, PoseDataset, Skeleton
from python_models.data.skeletons import COCO_SKELETON, POSETRACK_SKELETON

Joints = Literal["coco", "posetrack18"]
_SKELETONS: dict[str, Skeleton] = {"coco": COCO_SKELETON, "posetrack18": POSETRACK_SKELETON}

_STATURE_PX = (92.0, 116.0)
_MARGIN, _ACROSS = 60, 360  # pixels: where paths begin, and how long they are
_LANE_PX = 140.0  # from one path to the next where nobody shall hide anybody
_LEAD = 0.12  # of a path: by how much at most somebody is ahead in the first frame
_HEAD_SHARE = 0.6  # PoseTrack's unit of distance, of the head box's diagonal
# What a clip draws: its people, what is around them, each person's clothes, each frame's noise.
_PLAN, _PLACE, _CLOTHES, _NOISE = 20, 21, 22, 23


class Path(NamedTuple):
    """Somebody's way through a clip; columns and rows in pixels."""

    walker: Walker
    stature: float  # pixels
    start: float  # column of the pelvis in the first frame
    step: float  # pixels to the right from frame to frame
    ground: float  # row of the feet
    phase: float  # strides in the first frame

    def figure(self, frame: int) -> Figure:
        """The person in a frame."""
        way = frame * self.step
        figure = walking_figure(self.walker, self.phase + abs(way) / (self.walker.stride * self.stature))
        zoom = self.stature / figure.camera.pixels
        feet = zoom * float(figure.corners()[1, 1])
        return figure.placed(zoom, np.array([self.start + way, self.ground - feet]))


class FramePoses(NamedTuple):
    """People found in a frame, in no order, and who they truly are."""

    keypoints: np.ndarray  # (N, K, 2) float32, pixels
    scores: np.ndarray  # (N, K) float32, 0 for joints that were not found
    tracks: np.ndarray  # (N,) int64


class GeneratedClip(PoseDataset):
    """People who walk to the right and to the left by turns and meet in the middle of the clip, frame by frame.

    A record per person and frame: `image` is the frame, from 0, `track_id` the person, from 0. Joints behind the
    person's own body or somebody nearer have visibility 1. Head sizes are 0.6 times the diagonal of the head's box.

    Args:
        seed: which people, a whole number from 0.
        frames: how many, from 2.
        people: how many, from 1.
        overlap: 0: paths so far apart that nobody hides anybody; 1: all on one path, the nearest pass in front.
        joints: "coco", or "posetrack18" with the ends of the head.

    Raises:
        ValueError: arguments out of range.
    """

    def __init__(
        self, seed: int, frames: int = 32, people: int = 2, *, overlap: float = 0.5, joints: Joints = "coco"
    ) -> None:
        if seed < 0 or frames < 2 or people < 1:
            got = f"{seed}, {frames} and {people}"
            raise ValueError(f"seed, frames, people: expected at least 0, 2 and 1, got {got}")
        if not 0 <= overlap <= 1:
            raise ValueError(f"overlap: expected a number from 0 to 1, got {overlap}")
        if joints not in _SKELETONS:
            raise ValueError(f"joints: expected one of {', '.join(_SKELETONS)}, got {joints!r}")
        self.seed, self.frames, self.skeleton = seed, frames, _SKELETONS[joints]
        lane = (1.0 - overlap) * _LANE_PX
        self.size = round(_LANE_PX + (people - 1) * lane) + 20, _ACROSS + 2 * _MARGIN
        self._paths = _draw_paths(np.random.default_rng((seed, _PLAN)), frames, people, lane)
        self.records = [record for frame in range(frames) for record in self._records(frame)]

    def _records(self, frame: int) -> list[PersonRecord]:
        figures, count = [path.figure(frame) for path in self._paths], len(self._paths)
        records = []
        for track, figure in enumerate(figures):
            hidden = figure.hidden
            for nearer in figures[track + 1 :]:
                hidden = hidden | covering_parts(nearer, figure.joints[:, :2]).any(1)
            record = label_figure(figure, hidden, self.size, frame, frame * count + track + 1)
            record = replace(record, track_id=track)
            if self.skeleton is POSETRACK_SKELETON:
                record = _with_head(record, figure, figures[track + 1 :], self.size)
            records.append(record)
        return records

    def load_image(self, record: PersonRecord) -> np.ndarray:
        return self.paint(int(record.image))

    def paint(self, frame: int) -> np.ndarray:
        """A frame, uint8 (H, W, 3) RGB."""
        rng = np.random.default_rng((self.seed, _PLACE))
        image = paint_background(rng, *self.size, self._paths[0].ground)
        light, relief, shade = draw_light(rng), rng.uniform(0.25, 0.45), rng.uniform(0.2, 0.55)
        amount = rng.uniform(0.5, 4.0) / SENSOR_NOISE_STEPS
        for track, path in enumerate(self._paths):
            figure = path.figure(frame)
            paint_shadow(image, figure.corners(), shade)
            outfit = draw_outfit(np.random.default_rng((self.seed, _CLOTHES, track)))
            paint_figure(Brush(image, figure.camera.pixels, light, relief), figure, outfit)
        grain = sensor_noise(np.random.default_rng((self.seed, _NOISE, frame)), *self.size)
        return cv2.addWeighted(image, 1.0, grain, amount, -128.0 * amount)

    def people_in(self, frame: int) -> list[PersonRecord]:
        """The people of a frame, the farthest first."""
        count = len(self._paths)
        return self.records[frame * count : (frame + 1) * count]

    def to_posetrack(self) -> dict[str, Any]:
        """The labels in the form of a PoseTrack18 file; its evaluation needs the joints of "posetrack18"."""
        content = self.to_coco()
        content["images"] = [
            {
                "id": n + 1,
                "frame_id": n + 1,
                "vid_id": str(self.seed),
                "is_labeled": True,
                "file_name": f"{n:06d}.jpg",
            }
            for n in range(self.frames)
        ]
        for annotation in content["annotations"]:
            diagonal = annotation.pop("head_size") / _HEAD_SHARE
            sides = diagonal * HEAD_AXES[:2] / np.hypot(*HEAD_AXES[:2])
            corner = np.array(annotation["keypoints"][:2]) - sides / 2  # about the nose, the first joint
            annotation["bbox_head"] = [*corner.tolist(), *sides.tolist()]
        return content


def _draw_paths(rng: np.random.Generator, frames: int, people: int, lane: float) -> list[Path]:
    """The farthest first: a nearer path lies lower by `lane` pixels."""
    paths = []
    for track in range(people):
        direction = 1.0 if track % 2 == 0 else -1.0
        begin = _MARGIN if direction > 0 else _MARGIN + _ACROSS
        start = begin + direction * _LEAD * _ACROSS * rng.random()
        step = direction * (1.0 - _LEAD) * _ACROSS / (frames - 1)
        ground = _LANE_PX + track * lane
        paths.append(
            Path(draw_walker(rng, direction), rng.uniform(*_STATURE_PX), start, step, ground, rng.random())
        )
    return paths


def _with_head(
    record: PersonRecord, figure: Figure, nearer: list[Figure], size: tuple[int, int]
) -> PersonRecord:
    """The record of COCO's joints with PoseTrack's: the ends of the head instead of the eyes."""
    body = figure.body
    reach = body.build.head * HEAD_AXES[1] * body.head_frame[:, 1]
    ends = figure.camera.project(np.stack([body.head - reach, body.head + reach]))[:, :2]
    hidden = np.zeros(2, bool)
    for other in nearer:
        hidden |= covering_parts(other, ends).any(1)
    outside = ((ends < 0) | (ends > np.array(size[::-1]) - 1)).any(1)
    seen = np.where(outside, 0, np.where(hidden, 1, 2))
    keep = [0, *range(3, 17)]
    keypoints = np.insert(record.keypoints[keep], 1, ends.astype(np.float32), axis=0)
    visibility = np.insert(record.visibility[keep], 1, seen.astype(np.float32), axis=0)
    return replace(record, keypoints=keypoints, visibility=visibility)


def noisy_poses(
    clip: GeneratedClip, noise: float = 0.1, *, seed: int = 0, miss_hidden: bool = False, miss: float = 0.0
) -> Iterator[FramePoses]:
    """What somebody who errs would find in each frame of a clip.

    Args:
        noise: standard deviation of every coordinate, in head sizes.
        seed: of the errors and of the order of the people.
        miss_hidden: joints of visibility 1 are not found, and who has no other joints is not.
        miss: share of the people that are overlooked.
    """
    rng = np.random.default_rng((clip.seed, seed))
    for frame in range(clip.frames):
        people = clip.people_in(frame)
        found = [people[n] for n in rng.permutation(len(people))]
        errors = rng.normal(0.0, noise, (len(found), clip.skeleton.num_joints, 2))
        overlooked = rng.random(len(found)) < miss
        keypoints = np.stack([person.keypoints for person in found])
        keypoints = keypoints + errors * np.array([person.head_size for person in found])[:, None, None]
        seen = np.stack([person.visibility for person in found]) > (1 if miss_hidden else 0)
        kept = seen.any(1) & ~overlooked
        tracks = np.array([person.track_id for person in found])
        yield FramePoses(keypoints[kept].astype(np.float32), seen[kept].astype(np.float32), tracks[kept])
