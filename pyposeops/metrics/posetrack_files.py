"""PoseTrack18's JSON files, annotations and results, as arrays."""

from __future__ import annotations

import numbers
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pyposeops.metrics.posetrack_data import (
    POSETRACK_JOINTS,
    Floats,
    Frame,
    Integers,
    TrackResults,
    TrackTruths,
)

Content = Mapping[str, Any]
Places = dict[int | str, Frame]

# PoseTrack18's own order of 17 joints has the ears after the head.
_FILE_JOINTS = (*POSETRACK_JOINTS[:3], "left_ear", "right_ear", *POSETRACK_JOINTS[3:])
_HEAD_SHARE = 0.6  # of the diagonal of the head's box


def read_posetrack_truths(contents: Sequence[Content]) -> TrackTruths:
    """Annotations as PoseTrack18's files hold them, one dictionary per file.

    Images without ``is_labeled`` are labelled, those where it is false are left out. A sequence is numbered by its
    ``vid_id``, or by the checksum (CRC-32) of one that is no number; a frame by ``frame_id``, or ``id`` without it.
    People without a labelled joint are left out. Joints are found by their names in ``categories``.

    Args:
        contents: dictionaries with ``images``, ``annotations`` and ``categories``; not changed.

    Returns:
        All people; joints are in the order of :data:`POSETRACK_JOINTS`.

    Raises:
        ValueError: a field that is missing or malformed; names the place of the file, the entry and the field.

    Example:
        >>> image = {"id": 5, "frame_id": 5, "vid_id": "000342", "is_labeled": True}
        >>> person = {"image_id": 5, "track_id": 1, "bbox_head": [0, 0, 30, 40], "keypoints": [7, 8, 1] * 17}
        >>> read_posetrack_truths([{"images": [image], "annotations": [person]}]).head_sizes
        array([30.])
    """
    rows: list[tuple[Any, ...]] = []
    ignored: dict[Frame, list[Floats]] = {}
    for number, content in enumerate(contents):
        places: Places = {}
        for name, image in _entries(content, "images", number):
            key, frame = _id(image, "id", name), _place(image, name, places)
            places[key] = frame
            if image.get("is_labeled", True):
                ignored[frame] = _polygons(image, name)
        order = _joint_order(content, number)
        for name, person in _entries(content, "annotations", number):
            frame = _frame_of(person, places, name)
            joints = _triples(person, order, name)
            if frame in ignored and (joints[:, 2] > 0).any():
                rows.append((*frame, _whole(person, "track_id", name), joints, _head_size(person, name)))
    keys, joints, heads = _columns(rows, 3)
    labelled = np.array(list(ignored), np.int64).reshape(-1, 2)
    return TrackTruths(
        keys[:, 0], keys[:, 1], keys[:, 2], joints, heads, labelled_frames=labelled, ignored=ignored
    )


def read_posetrack_results(
    contents: Sequence[Content], *, annotations: Sequence[Content] = ()
) -> TrackResults:
    """Found people in the form of PoseTrack18's files, one dictionary per file.

    A joint is found unless it lies at (0, 0) or its third number is 0. ``scores`` has one number per joint; without
    it the third number of the joints is taken.

    Args:
        contents: as in :func:`read_posetrack_truths`; not changed.
        annotations: the files of the annotations. Images of theirs are known by ``id``: results need not list them,
            and what results say of their ``vid_id`` and ``frame_id`` is not read.

    Returns:
        All people, numbered as by :func:`read_posetrack_truths`.

    Raises:
        ValueError: as there.

    Example:
        >>> image = {"id": 5, "frame_id": 5, "vid_id": "000342"}
        >>> person = {"image_id": 5, "track_id": 1, "keypoints": [7, 8, 0.5] * 17}
        >>> found = read_posetrack_results([{"images": [image], "annotations": [person]}])
        >>> found.keypoints.shape, float(found.scores[0, 0])
        ((1, 15, 2), 0.5)
    """
    known = _known_places(annotations)
    rows: list[tuple[Any, ...]] = []
    for number, content in enumerate(contents):
        places = dict(known)
        if not known or (isinstance(content, Mapping) and content.get("images") is not None):
            places |= _own_places(content, number, known)
        order = _joint_order(content, number)
        for name, person in _entries(content, "annotations", number):
            frame = _frame_of(person, places, name)
            joints = _triples(person, order, name)
            found = (joints[:, :2] != 0).any(1) & (joints[:, 2] != 0)
            at = np.where(found[:, None], joints[:, :2], np.nan)
            scores = _scores(person, name)[order] if person.get("scores") else joints[:, 2]
            rows.append((*frame, _whole(person, "track_id", name), at, scores))
    keys, joints, scores = _columns(rows, 2)
    return TrackResults(keys[:, 0], keys[:, 1], keys[:, 2], joints, scores.reshape(joints.shape[:2]))


def _known_places(annotations: Sequence[Content]) -> Places:
    known: Places = {}
    for number, content in enumerate(annotations):
        for image, frame in _own_places(content, number, {}).items():
            if known.setdefault(image, frame) != frame:
                raise ValueError(
                    f"annotations: file {number}: images: expected ids of their own, got {image!r} again"
                )
    return known


def _own_places(content: Content, number: int, known: Places) -> Places:
    places: Places = {}
    for name, image in _entries(content, "images", number):
        key = _id(image, "id", name)
        places[key] = known[key] if key in known else _place(image, name, places)
    return places


def _place(image: Content, name: str, taken: Places) -> Frame:
    """(sequence, frame) of an image; no two of a file may have the same id."""
    key = _id(image, "id", name)
    if key in taken:
        raise ValueError(f"{name}: id: expected another than those before, got {key!r}")
    video = str(_id(image, "vid_id", name))
    sequence = int(video) if video.isdecimal() and len(video) < 19 else zlib.crc32(video.encode())
    return sequence, _whole(image, "frame_id" if "frame_id" in image else "id", name)


def _columns(rows: Sequence[tuple[Any, ...]], last: int) -> tuple[Integers, Floats, Floats]:
    """Rows of (sequence, frame, track, joints, one more) as arrays."""
    keys = np.array([row[:3] for row in rows], np.int64).reshape(-1, 3)
    joints = np.array([row[3] for row in rows], np.float64).reshape(-1, len(POSETRACK_JOINTS), last)
    return keys, joints, np.array([row[4] for row in rows], np.float64)


def _entries(content: Content, key: str, number: int) -> Iterator[tuple[str, Content]]:
    """The dictionaries of a list, with the names that errors call them by."""
    if not isinstance(content, Mapping):
        raise ValueError(f"file {number}: expected a dictionary, got {type(content).__name__}")
    entries = content.get(key)
    if not isinstance(entries, list | tuple):
        got = "none" if entries is None else type(entries).__name__
        raise ValueError(f"file {number}: {key}: expected a list, got {got}")
    for index, entry in enumerate(entries):
        name = f"file {number}: {key}[{index}]"
        if not isinstance(entry, Mapping):
            raise ValueError(f"{name}: expected a dictionary, got {type(entry).__name__}")
        yield name, entry


def _frame_of(person: Content, places: Places, name: str) -> Frame:
    image = _id(person, "image_id", name)
    if image not in places:
        raise ValueError(f"{name}: image_id: expected one of the images, got {image!r}")
    return places[image]


def _joint_order(content: Content, number: int) -> Integers:
    """Places of the scored joints in the file's order; without names, PoseTrack18's own order of 17."""
    names: Sequence[Any] = _FILE_JOINTS
    for name, category in _entries({"categories": [], **content}, "categories", number):
        if category.get("keypoints") is not None:
            names = category["keypoints"]
            if not isinstance(names, list | tuple):
                raise ValueError(f"{name}: keypoints: expected a list, got {type(names).__name__}")
            break
    missing = [joint for joint in POSETRACK_JOINTS if joint not in names]
    if missing:
        raise ValueError(f"file {number}: categories: expected PoseTrack's joints, {missing[0]} is missing")
    return np.array([names.index(joint) for joint in POSETRACK_JOINTS], np.int64)


def _triples(person: Content, order: Integers, name: str) -> Floats:
    values = _numbers(person, "keypoints", name)
    if len(values) % 3 or len(values) // 3 <= order.max():
        raise ValueError(f"{name}: keypoints: expected {3 * (order.max() + 1)} numbers, got {len(values)}")
    return values.reshape(-1, 3)[order]


def _scores(person: Content, name: str) -> Floats:
    scores, wanted = _numbers(person, "scores", name), len(person["keypoints"]) // 3
    if len(scores) != wanted:
        raise ValueError(f"{name}: scores: expected {wanted} numbers, got {len(scores)}")
    return scores


def _head_size(person: Content, name: str) -> float:
    box = _numbers(person, "bbox_head", name)
    if len(box) != 4:
        raise ValueError(f"{name}: bbox_head: expected 4 numbers, got {len(box)}")
    diagonal = float(np.hypot(box[2], box[3]))
    if not 0 < diagonal < np.inf or (box[2:] < 0).any():
        raise ValueError(f"{name}: bbox_head: expected a width and a height above 0, got {box[2:].tolist()}")
    return _HEAD_SHARE * diagonal


def _polygons(image: Content, name: str) -> list[Floats]:
    """Polygons (P, 2); a single one may stand without the list around it."""
    across, down = (_rings(image, key, name) for key in ("ignore_regions_x", "ignore_regions_y"))
    if [len(x) for x in across] != [len(y) for y in down]:
        raise ValueError(f"{name}: ignore_regions_x and ignore_regions_y: expected equal lengths")
    return [np.stack(ring, axis=1) for ring in zip(across, down, strict=True) if len(ring[0]) > 2]


def _rings(image: Content, key: str, name: str) -> list[Floats]:
    if image.get(key) is None:
        return []
    rings = image[key]
    if not isinstance(rings, list | tuple):
        raise ValueError(f"{name}: {key}: expected a list, got {type(rings).__name__}")
    if rings and not isinstance(rings[0], list | tuple):
        rings = [rings]
    return [_numbers({key: ring}, key, name) for ring in rings]


def _numbers(entry: Content, key: str, name: str) -> Floats:
    """A list of finite numbers."""
    values = entry.get(key)
    if values is None:
        raise ValueError(f"{name}: {key}: expected a value, got none")
    if not isinstance(values, list | tuple):
        raise ValueError(f"{name}: {key}: expected a list, got {type(values).__name__}")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise ValueError(f"{name}: {key}: expected numbers, got {value!r:.40}")
    try:
        array = np.array(values, np.float64)
    except OverflowError:
        raise ValueError(f"{name}: {key}: expected numbers of 64 bits, got a larger one") from None
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: {key}: expected finite numbers, got {array[~np.isfinite(array)][0]}")
    return array


def _whole(entry: Content, key: str, name: str) -> int:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not -(2**63) <= value < 2**63:
        raise ValueError(f"{name}: {key}: expected an integer, got {value!r:.40}")
    return int(value)


def _id(entry: Content, key: str, name: str) -> int | str:
    value = entry.get(key)
    if value is None:
        raise ValueError(f"{name}: {key}: expected a value, got none")
    return value if isinstance(value, str) else _whole(entry, key, name)
