"""The frames of a video file, or of a folder of images, in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from python_models.boxes import IMAGE_SUFFIXES
from python_models.data import read_image
from python_models.errors import UserError
from python_models.video import VideoReader, is_video

_FOLDER_RATE = 10.0  # frames/s of the video that is drawn from a folder of images


class Frame(NamedTuple):
    """One frame."""

    number: int  # from 0
    path: Path  # of the image, or of the video
    image: NDArray[np.uint8]  # (H, W, 3) RGB


class FrameSource:
    """A video file, or the image files of a folder in the order of their names, subfolders not included.

    All frames have the size of the first; pixels are taken as stored.

    Args:
        path: the file or the folder.

    Raises: UserError for a path that is neither, and while iterating for an image that cannot be read or of another
        size, a video without frames.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir():
            self.images = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
            if not self.images:
                raise UserError(f"{path}: holds no image ({', '.join(IMAGE_SUFFIXES)})")
            self.rate, self.expected_frames = _FOLDER_RATE, len(self.images)
        elif path.is_file() and is_video(path):
            reader = VideoReader(path)
            self.images, self.rate, self.expected_frames = [], reader.rate, reader.expected_frames
        else:
            raise UserError(f"{path}: no such video file or folder of images")

    @property
    def is_video(self) -> bool:
        """Whether this is a video file."""
        return not self.images

    @property
    def name(self) -> str:
        """The file's name without its suffix, or the folder's."""
        resolved = self.path.resolve()
        return resolved.stem if self.is_video else resolved.name

    def __iter__(self) -> Iterator[Frame]:
        first: tuple[int, ...] | None = None
        for frame in self._frames():
            first = first or frame.image.shape
            if frame.image.shape != first:
                size, wanted = (f"{shape[1]}x{shape[0]}" for shape in (frame.image.shape, first))
                raise UserError(f"{frame.path}: expected the size of the first frame, {wanted}, got {size}")
            yield frame
        if first is None:
            raise UserError(f"{self.path}: holds no frame that OpenCV reads")

    def _frames(self) -> Iterator[Frame]:
        if self.is_video:
            for number, image in enumerate(VideoReader(self.path)):
                yield Frame(number, self.path, image)
        for number, path in enumerate(self.images):
            yield Frame(number, path, read_image(path))
