"""Poses that something else has found, or somebody annotated, read from JSON: frame by frame."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from python_models.data import SKELETONS, Skeleton
from python_models.errors import UserError, unknown_name
from python_models.frames import Frame, FrameSource
from python_models.people import People

_FORMS = "expected COCO or PoseTrack annotations, or a list of COCO results"
# Of a list of results, which does not name its joints.
_BY_COUNT = {17: "coco", 16: "mpii", 14: "crowdpose"}

Entry = Mapping[str, Any]


class GivenPoses:
    """The poses of a file, for the frames of a video or of a folder.

    Entries belong to an image by `file_name`, or by `image_id` and the file's `images`; for a video by their `frame`,
    counted from 0, or that of their image. The third number of a joint is its score, 0 where the joint is unknown;
    annotations' 1 and 2 count as 1; `scores`, where there are some, hold instead.

    Args:
        file: JSON: COCO annotations, PoseTrack18 annotations or results, or a list of COCO results, such as the
            predictions.json of `predict`.
        source: the frames.
        skeleton: name in `SKELETONS`, for files that do not name their joints.

    Raises:
        UserError: a file that is missing or malformed, none of whose poses belongs to one of the frames.
    """

    def __init__(self, file: Path, source: FrameSource, skeleton: str | None = None) -> None:
        if skeleton is not None and skeleton not in SKELETONS:
            raise unknown_name("skeleton", skeleton, SKELETONS)
        content = _read(file)
        try:
            images, entries, category = _parts(content)
            self.skeleton = _skeleton(skeleton, category, entries)
            self._people, self.image_ids = _by_frame(images, entries, source, self.skeleton.num_joints)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            if isinstance(error, UserError):
                raise UserError(f"poses {file}: {error}") from error
            raise UserError(f"poses {file}: {_FORMS}; {type(error).__name__}: {error}") from error
        self.origin = f"poses of {file}"
        if not self._people:
            raise UserError(f"poses {file}: none of its poses belongs to a frame of {source.path}")

    def people_in(self, frame: Frame, propagated: NDArray[np.float32]) -> People:
        """The people of a frame, in the order of the file; boxes of the flow are not needed."""
        return self._people.get(frame.number, People.nobody(self.skeleton.num_joints))


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except OSError as error:
        raise UserError(f"poses {file}: no such file") from error
    except ValueError as error:
        raise UserError(f"poses {file}: not valid JSON ({error})") from error


def _parts(content: Any) -> tuple[dict[int, Entry], list[Entry], Entry | None]:
    """Images by id, entries with joints, and the category that names the joints."""
    if isinstance(content, Mapping):
        images = {image["id"]: image for image in content["images"]}
        named = [category for category in content.get("categories", ()) if category.get("keypoints")]
        entries, category = content["annotations"], named[0] if named else None
    else:
        images, entries, category = {}, content, None
    return images, [entry for entry in entries if entry.get("keypoints")], category


def _skeleton(name: str | None, category: Entry | None, entries: Sequence[Entry]) -> Skeleton:
    if name is not None:
        return SKELETONS[name]
    if category is not None:
        joints = tuple(category["keypoints"])
        known = [skeleton for skeleton in SKELETONS.values() if skeleton.joint_names == joints]
        links = category.get("skeleton") or ()
        return known[0] if known else Skeleton.from_names(str(category.get("name", "object")), joints, links)
    if not entries:
        raise UserError("holds no poses")
    count = len(entries[0]["keypoints"]) // 3
    if count not in _BY_COUNT:
        raise UserError(f"names no joints; --skeleton says what its {count} joints are")
    return SKELETONS[_BY_COUNT[count]]


def _by_frame(
    images: Mapping[int, Entry], entries: Sequence[Entry], source: FrameSource, joints: int
) -> tuple[dict[int, People], dict[int, int]]:
    numbers = {} if source.is_video else _numbers_by_name(source)
    found: dict[int, list[Entry]] = defaultdict(list)
    ids: dict[int, int] = {}
    for identity, image in images.items():
        number = _frame_number(image, image, source, numbers)
        if number is not None:
            ids[number] = int(identity)
    for entry in entries:
        number = _frame_number(entry, images.get(entry["image_id"], {}), source, numbers)
        if number is not None:
            found[number].append(entry)
    return {number: _people(people, joints) for number, people in found.items()}, ids


def _numbers_by_name(source: FrameSource) -> dict[str, int]:
    """Frames by every ending of their paths: a/b/1.jpg is 1.jpg and b/1.jpg too."""
    paths = [path.resolve().parts for path in source.images]
    return {
        "/".join(parts[-count:]): number
        for number, parts in enumerate(paths)
        for count in range(1, len(parts) + 1)
    }


def _frame_number(entry: Entry, image: Entry, source: FrameSource, numbers: Mapping[str, int]) -> int | None:
    """The frame that an entry belongs to, None for none of the source's."""
    name = entry.get("file_name", image.get("file_name"))
    if not source.is_video:
        return numbers.get(str(name))
    frame = entry.get("frame", image.get("frame"))
    if frame is None or (name is not None and Path(str(name)).name != source.path.name):
        return None
    return int(frame)


def _people(entries: Sequence[Entry], joints: int) -> People:
    """The people of one frame."""
    triples = torch.tensor([_numbers(entry, "keypoints", 3 * joints) for entry in entries])
    coords, scores = triples.view(-1, joints, 3).split([2, 1], dim=2)
    scores = scores[..., 0].clamp(0.0, 1.0)
    for person, entry in enumerate(entries):
        if entry.get("scores"):
            scores[person] = torch.tensor(_numbers(entry, "scores", joints)) * (scores[person] > 0)
    if not (torch.isfinite(coords).all() and torch.isfinite(scores).all()):
        raise UserError("keypoints: expected finite numbers")
    known = scores > 0
    means = (scores * known).sum(1) / known.sum(1).clamp(min=1)
    boxes = [_box(entry) for entry in entries]
    with_boxes = all(box is not None for box in boxes)
    return People(coords.contiguous(), scores, means, torch.tensor(boxes) if with_boxes else None)


def _numbers(entry: Entry, field: str, count: int) -> list[float]:
    values = [float(value) for value in entry[field]]
    if len(values) != count:
        raise UserError(f"{field}: expected {count} numbers, got {len(values)}")
    return values


def _box(entry: Entry) -> list[float] | None:
    box = entry.get("bbox")
    if not box:
        return None
    x, y, width, height = map(float, box)
    if not all(map(math.isfinite, (x, y, width, height))):
        raise UserError(f"bbox: expected finite numbers, got {box}")
    return [x, y, width, height]
