"""Data sets whose records name image files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from python_models.data.records import ImageReadError, PersonRecord, PoseDataset


def read_image(path: str | Path, *, honour_exif: bool = False) -> np.ndarray:
    """Read an image file as a uint8 array (H, W, 3), RGB.

    The stored pixels are taken as they are, because COCO's labels refer to them; with `honour_exif` a photo
    is turned upright as its camera recorded.

    Raises: ImageReadError, naming the file, if it is missing or OpenCV cannot decode it.
    """
    flags = cv2.IMREAD_COLOR if honour_exif else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imread(str(path), flags) if Path(path).is_file() else None
    if image is None:
        reason = "cannot be decoded as an image" if Path(path).is_file() else "no such image file"
        raise ImageReadError(f"{path}: {reason}")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


class PhotoDataset(PoseDataset):
    """Base class of the sets whose `PersonRecord.image` is the path of an image file."""

    def load_image(self, record: PersonRecord) -> np.ndarray:
        return read_image(str(record.image))


def missing_images(records: Iterable[PersonRecord]) -> str | None:
    """Say which image file is not there, and how many more are not; None if all are."""
    missing = sorted({str(record.image) for record in records if not os.path.isfile(str(record.image))})
    if not missing:
        return None
    others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    return f"no such file {missing[0]}{others}"
