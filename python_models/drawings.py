"""Annotated copies of images and videos, written as people are found."""

from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray

from python_models.boxes import ImageTask
from python_models.data import Skeleton
from python_models.draw import draw_people, person_colour, write_image
from python_models.people import People
from python_models.video import VideoReader, VideoWriter

_SMALLEST_DRAWING = 480  # pixels of the longer side; smaller images are enlarged to show the joints

Floats = NDArray[np.float32]


class Drawings:
    """Writes `NAME_ID.jpg` for each image, and `NAME.mp4` for each video, whose frames must come in order.

    A second video of the same name becomes `NAME_2.mp4`.

    Limbs have the colours of their sides, or with `by_person` each person has one.
    """

    def __init__(
        self, folder: Path, skeleton: Skeleton, min_joint_score: float, *, by_person: bool = False
    ) -> None:
        self.folder, self.skeleton, self.min_joint_score = folder, skeleton, min_joint_score
        self.by_person = by_person
        self._video: tuple[Path, VideoWriter] | None = None
        self._names: set[str] = set()

    def __enter__(self) -> "Drawings":
        return self

    def add(
        self,
        task: ImageTask,
        image: NDArray[np.uint8],
        found: People,
    ) -> None:
        """Draw people, and the boxes they were given in, into a copy of their image, uint8 RGB."""
        people = torch.cat([found.keypoints, found.scores[..., None]], dim=-1).numpy()
        zoom = 1.0 if task.frame is not None else max(1.0, _SMALLEST_DRAWING / max(image.shape[:2]))
        shown = [] if task.boxes is None or found.boxes is None else list(found.boxes.numpy())
        drawing = draw_people(
            image,
            list(people),
            self.skeleton,
            boxes=shown,
            min_score=self.min_joint_score,
            zoom=zoom,
            colours=[person_colour(number) for number in range(len(people))] if self.by_person else None,
        )
        if task.frame is None:
            write_image(self.folder / f"{task.path.stem}_{task.image_id}.jpg", drawing)
        else:
            self._writer(task.path).add(drawing)

    def _writer(self, path: Path) -> VideoWriter:
        if self._video is None or self._video[0] != path:
            self._finish(None, None, None)
            name = self._free_name(path.stem)
            self._video = (path, VideoWriter(self.folder / name, VideoReader(path).rate))
        return self._video[1]

    def _free_name(self, stem: str) -> str:
        """Videos of the same name from several folders do not take each other's place."""
        number = 1
        while (name := f"{stem}.mp4" if number == 1 else f"{stem}_{number}.mp4") in self._names:
            number += 1
        self._names.add(name)
        return name

    def _finish(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._video is not None:
            self._video[1].__exit__(kind, value, traceback)
            self._video = None

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._finish(kind, value, traceback)
