"""Who is in a frame of a video: a network's answer for the whole frame, or for boxes from several sources."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from python_models.box_nms import unify_boxes
from python_models.boxes import find_tasks, scored_boxes
from python_models.data import Skeleton
from python_models.detector import Detector
from python_models.frames import Frame, FrameSource
from python_models.people import Finder, People, without_repeats


class FramePeople(Protocol):
    """Finds the people of one frame after the other."""

    skeleton: Skeleton
    origin: str  # in words
    image_ids: dict[int, int]  # of frames, by their numbers, where the input has some

    def people_in(self, frame: Frame, propagated: NDArray[np.float32]) -> People:
        """The people of a frame; `propagated` (N, 5) are boxes that the flow has carried into it, with scores."""


class FrameBoxes(Protocol):
    """Tells where the people of a frame are."""

    origin: str
    image_ids: dict[int, int]

    def boxes_in(self, frame: Frame) -> Tensor | None:
        """Boxes (N, 5) of x, y, width, height and score, the best first; None: one person fills the frame."""


class ListedBoxes:
    """The boxes of a JSON file, as `python_models.boxes.find_tasks` reads them; frames without an entry have none."""

    def __init__(self, source: FrameSource, boxes: str, *, category_id: int, min_score: float) -> None:
        tasks, self.origin = find_tasks(
            [str(source.path)], boxes, category_id=category_id, min_score=min_score
        )
        self._whole = self.origin == "whole images"
        self._tasks = {task.path: task for task in tasks}
        known = {} if self._whole else self._tasks
        self.image_ids = {n: known[path].image_id for n, path in enumerate(source.images) if path in known}

    def boxes_in(self, frame: Frame) -> Tensor | None:
        task = self._tasks.get(frame.path)
        if self._whole:
            return None
        boxes = [] if task is None else task.at(frame.number).boxes if task.frame_boxes else task.boxes
        return scored_boxes(boxes or [])


class DetectedBoxes:
    """The boxes that a detector gives."""

    def __init__(self, detector: Detector, name: str) -> None:
        self.detector, self.origin = detector, f"people by {name}"
        self.image_ids: dict[int, int] = {}

    def boxes_in(self, frame: Frame) -> Tensor | None:
        (boxes,) = self.detector([torch.from_numpy(frame.image)])
        return scored_boxes(boxes)


class WholeFrames:
    """All people of the frame at once, by a network made for that."""

    def __init__(self, finder: Finder, skeleton: Skeleton) -> None:
        self.finder, self.skeleton, self.origin = finder, skeleton, "whole images"
        self.image_ids: dict[int, int] = {}

    def people_in(self, frame: Frame, propagated: NDArray[np.float32]) -> People:
        return self.finder([torch.from_numpy(frame.image)], [None])[0]


class InBoxes:
    """One person in each box: those of the frame and those that the flow has carried over, made one set.

    Args:
        finder: looks into boxes.
        boxes: of the frame.
        skeleton: of the finder.
        overlap: of boxes that overlap more (intersection over union) the best stays; those of the frame before.
        similarity: of poses whose object keypoint similarity is higher the best stays.
    """

    def __init__(
        self, finder: Finder, boxes: FrameBoxes, skeleton: Skeleton, *, overlap: float, similarity: float
    ) -> None:
        self.finder, self.boxes, self.skeleton, self.origin = finder, boxes, skeleton, boxes.origin
        self.overlap, self.similarity, self.image_ids = overlap, similarity, boxes.image_ids

    def people_in(self, frame: Frame, propagated: NDArray[np.float32]) -> People:
        image, own = torch.from_numpy(frame.image), self.boxes.boxes_in(frame)
        if own is None:
            return self.finder([image], [None])[0]
        unified = unify_boxes(own.numpy(), _within(propagated, frame.image), threshold=self.overlap)
        if len(unified) == 0:
            return People.nobody(self.skeleton.num_joints)
        (people,) = self.finder([image], [torch.from_numpy(unified)])
        return without_repeats(people, self.skeleton.sigmas, self.similarity)


def _within(boxes: NDArray[np.float32], image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The boxes (N, 5) of which a part lies in the image."""
    height, width = image.shape[:2]
    x, y, across, down, _ = boxes.T
    return boxes[(x < width) & (y < height) & (x + across > 0) & (y + down > 0)]
