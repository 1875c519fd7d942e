"""Reading and writing video files through OpenCV."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from python_models.errors import UserError

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")
_USUAL_RATE = 25.0  # frames/s of a file that does not say
_CODEC = "mp4v"

Image = NDArray[np.uint8]


def is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


class VideoReader:
    """The frames of a file, uint8 (H, W, 3) RGB, in order.

    Raises: UserError for a file that OpenCV does not open.
    """

    def __init__(self, path: Path) -> None:
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise UserError(f"{path}: not a video that OpenCV reads")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate < 1000 else _USUAL_RATE
        self.expected_frames = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))  # as the file says

    def __iter__(self) -> Iterator[Image]:
        while True:
            read, frame = self._capture.read()
            if not read:
                self._capture.release()
                return
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


class VideoWriter:
    """Writes frames of one size to an .mp4 file, which gets its name when all frames are in it."""

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate = path, rate
        self._unfinished = path.with_name(f".{path.stem}.part.mp4")
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> "VideoWriter":
        return self

    def add(self, frame: Image) -> None:
        """Append a frame, uint8 (H, W, 3) RGB; odd sizes lose their last row or column, which codecs want even."""
        height, width = (side - side % 2 for side in frame.shape[:2])
        if not (height and width):
            got = f"{frame.shape[1]} x {frame.shape[0]}"
            raise UserError(f"{self.path}: a video has frames of 2 x 2 pixels or more, got {got}")
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            codec = cv2.VideoWriter.fourcc(*_CODEC)
            self._writer = cv2.VideoWriter(str(self._unfinished), codec, self.rate, (width, height))
            if not self._writer.isOpened():
                raise OSError(f"{self.path}: this OpenCV cannot write {_CODEC} video")
        self._writer.write(cv2.cvtColor(frame[:height, :width], cv2.COLOR_RGB2BGR))

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._writer is None:
            return
        self._writer.release()
        if kind is None:
            self._unfinished.replace(self.path)
        else:
            self._unfinished.unlink(missing_ok=True)
