"""The structs of MPII's release file, `RELEASE.annolist(i).annorect(r).annopoints.point(p)`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from python_models.data.mat_file import MatFile, entries
from python_models.data.skeletons import MPII_SKELETON
from python_models.progress import progress_bar

RELEASE = "mpii_human_pose_v1_u12_1.mat"
_JOINTS = MPII_SKELETON.num_joints
# PCKh measures in 0.6 of the head box's diagonal (Andriluka et al., CVPR 2014, and the published evaluation).
_HEAD_SIZE = 0.6
_SECONDS_BEFORE_BAR = 2.0


@dataclass(frozen=True)
class Rect:
    """A person of the release whose joints are labelled; places in MATLAB's pixels.

    number counts people from 1; where names the entry for messages; keypoints (16, 2); visibility (16,): 0 not
    labelled, 1 hidden, 2 visible; centre (2,); scale: height of the person over 200 px; head_size in pixels.
    """

    number: int
    where: str
    image: str
    keypoints: np.ndarray
    visibility: np.ndarray
    centre: np.ndarray | None
    scale: float | None
    head_size: float | None


def head_size(x1: float, y1: float, x2: float, y2: float) -> float:
    """Return the unit of PCKh in pixels for a head box given by its corners."""
    return _HEAD_SIZE * math.hypot(x2 - x1, y2 - y1)


def read_release(file: MatFile) -> list[Rect]:
    """Return the labelled people of the training images; `file` was read with `squeeze`."""
    release = file.variable("RELEASE")
    images = entries(file.field(release, "annolist", "RELEASE"))
    training = np.atleast_1d(file.field(release, "img_train", "RELEASE"))
    if len(training) != len(images):
        what = f"expected one for each of {len(images)} images, got {len(training)}"
        raise file.fault("RELEASE", f"field 'img_train': {what}")
    people: list[Rect] = []
    with progress_bar(
        len(images), f"people of {file.path.name}", unit="image", leave=False, delay=_SECONDS_BEFORE_BAR
    ) as bar:
        for number, (image, trained_on) in enumerate(zip(images, training, strict=True), 1):
            bar.update()
            if trained_on:
                people.extend(_people(file, image, f"annolist({number})", len(people)))
    return people


def _people(file: MatFile, entry: Any, where: str, before: int) -> Iterator[Rect]:
    name = str(file.field(file.field(entry, "image", where), "name", where))
    for position, rect in enumerate(entries(file.field(entry, "annorect", where)), 1):
        points = entries(getattr(getattr(rect, "annopoints", None), "point", ()))
        if not points:
            continue
        before += 1
        here = f"{where}.annorect({position})"
        keypoints, visibility = _joints(file, points, here)
        scale = _optional(file, rect, ("scale",), here)
        head = _optional(file, rect, ("x1", "y1", "x2", "y2"), here)
        yield Rect(
            number=before,
            where=here,
            image=name,
            keypoints=keypoints,
            visibility=visibility,
            centre=_optional(file, getattr(rect, "objpos", None), ("x", "y"), here),
            scale=None if scale is None else float(scale[0]),
            head_size=None if head is None else head_size(*head),
        )


def _joints(file: MatFile, points: list[Any], where: str) -> tuple[np.ndarray, np.ndarray]:
    keypoints, visibility = np.zeros((_JOINTS, 2)), np.zeros(_JOINTS)
    for position, point in enumerate(points, 1):
        here = f"{where}.annopoints.point({position})"
        joint = _number(file, file.field(point, "id", here), here, "id")
        if joint not in range(_JOINTS):
            raise file.fault(here, f"field 'id': expected 0 to {_JOINTS - 1}, got {joint:g}")
        keypoints[int(joint)] = [
            _number(file, file.field(point, axis, here), here, axis) for axis in ("x", "y")
        ]
        visibility[int(joint)] = _visibility(file, getattr(point, "is_visible", ()), here)
    return keypoints, visibility


def _visibility(file: MatFile, value: Any, where: str) -> float:
    """The release writes 0 or 1, as a number or as text; where it writes nothing, the joint counts as visible."""
    if np.size(value) == 0 or value == "":
        return 2.0
    return 2.0 if _number(file, value, where, "is_visible") else 1.0


def _optional(file: MatFile, entry: Any, names: tuple[str, ...], where: str) -> np.ndarray | None:
    """Fields that the release leaves out or empty where they are not known."""
    values = [getattr(entry, name, ()) for name in names]
    if any(np.size(value) == 0 for value in values):
        return None
    return np.array([_number(file, value, where, name) for name, value in zip(names, values, strict=True)])


def _number(file: MatFile, value: Any, where: str, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise file.fault(where, f"field {name!r}: expected a number, got {value!r}") from None
    if not math.isfinite(number):
        raise file.fault(where, f"field {name!r}: expected a finite number, got {number}")
    return number
