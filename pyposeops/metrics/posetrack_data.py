"""People of video frames as arrays: what PoseTrack's evaluation reads, from its JSON files or from arrays."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]
Frame = tuple[int, int]  # sequence, frame

# The joints that PoseTrack scores; its files have the ears too, which nobody annotated.
POSETRACK_JOINTS = (
    "nose",
    "head_bottom",
    "head_top",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
)
_NOT_SCORED = ("left_ear", "right_ear")
_HEAD_SHARE = 0.6  # of the diagonal of the head's box
MISSING_SCORE = -9999.0


@dataclass(frozen=True, eq=False)
class TrackTruths:
    """Annotated people, one row each.

    Args:
        sequences: (G,) integers, the video.
        frames: (G,) integers, rising with time within a sequence.
        tracks: (G,) integers: who it is; unique within a frame.
        keypoints: (G, K, 3) as (x, y, visibility) in pixels; visibility 0: not labelled.
        head_sizes: (G,) in pixels, above 0: the unit of distance. PoseTrack's: 0.6 of the diagonal of the head's box.
        labelled_frames: (F, 2) as (sequence, frame): all that are evaluated, also those without people. Default:
            those with people.
        ignored: (sequence, frame) -> polygons (P, 2) in which joints of truths and predictions do not count.
    """

    sequences: Integers
    frames: Integers
    tracks: Integers
    keypoints: Floats
    head_sizes: Floats
    labelled_frames: Integers = None  # type: ignore[assignment]
    ignored: Mapping[Frame, Sequence[ArrayLike]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(np.asarray(self.sequences).reshape(-1))
        for name in ("sequences", "frames", "tracks"):
            object.__setattr__(self, name, _integers(getattr(self, name), name, count))
        keypoints = _keypoints(self.keypoints, count, (3,))
        labelled: Bools = np.where(keypoints[..., 2] > 0, True, False)
        _check_finite(keypoints[labelled], "keypoints of labelled joints")
        heads = np.ascontiguousarray(self.head_sizes, np.float64)
        if heads.shape != (count,) or not (np.isfinite(heads) & (heads > 0)).all():
            raise ValueError(f"head_sizes: expected ({count},) finite numbers above 0, got {_sketch(heads)}")
        frames = np.stack([self.sequences, self.frames], axis=1)
        if self.labelled_frames is not None:
            frames = np.concatenate([np.asarray(self.labelled_frames, np.int64).reshape(-1, 2), frames])
        _check_tracks(self.sequences, self.frames, self.tracks, "tracks")
        object.__setattr__(self, "keypoints", np.where(labelled[..., None], keypoints, 0.0))
        object.__setattr__(self, "head_sizes", heads)
        object.__setattr__(self, "labelled_frames", np.unique(frames, axis=0))


@dataclass(frozen=True, eq=False)
class TrackResults:
    """Found people, one row each.

    Args:
        sequences, frames: as in :class:`TrackTruths`.
        tracks: (D,) integers: who it is taken for; unique within a frame.
        keypoints: (D, K, 2) in pixels; NaN where a joint was not found.
        scores: (D, K), read by the average precision alone. Default: -9999 for all, as PoseTrack takes missing ones.
    """

    sequences: Integers
    frames: Integers
    tracks: Integers
    keypoints: Floats
    scores: Floats = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        count = len(np.asarray(self.sequences).reshape(-1))
        for name in ("sequences", "frames", "tracks"):
            object.__setattr__(self, name, _integers(getattr(self, name), name, count))
        keypoints = _keypoints(self.keypoints, count, (2,))
        if np.isinf(keypoints).any():
            raise ValueError("keypoints: expected finite numbers, or NaN for joints not found, got infinity")
        scores = np.full(keypoints.shape[:2], MISSING_SCORE) if self.scores is None else self.scores
        scores = np.ascontiguousarray(scores, np.float64)
        if scores.shape != keypoints.shape[:2]:
            raise ValueError(f"scores: expected {keypoints.shape[:2]}, got {scores.shape}")
        found: Bools = np.asarray(np.isfinite(keypoints).all(-1))
        _check_finite(scores[found], "scores")
        _check_tracks(self.sequences, self.frames, self.tracks, "tracks")
        object.__setattr__(self, "keypoints", np.where(found[..., None], keypoints, np.nan))
        object.__setattr__(self, "scores", scores)


def _integers(values: ArrayLike, name: str, count: int) -> Integers:
    array = np.asarray(values).reshape(-1)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name}: expected integers, got {array.dtype}")
    if len(array) != count:
        raise ValueError(f"{name}: expected ({count},), got {array.shape}")
    return np.ascontiguousarray(array, np.int64)


def _keypoints(values: ArrayLike, count: int, last: tuple[int, ...]) -> Floats:
    array = np.ascontiguousarray(values, np.float64)
    if array.size == 0 and count == 0:
        joints = array.shape[1] if array.ndim == 3 else len(POSETRACK_JOINTS)
        return np.zeros((0, joints, last[0]))
    if array.ndim != 3 or len(array) != count or array.shape[2] not in last:
        raise ValueError(f"keypoints: expected ({count}, K, {last[0]}), got {array.shape}")
    return array


def _check_finite(values: Floats, name: str) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"{name}: expected finite numbers, got {values[~np.isfinite(values)].flat[0]}")


def _sketch(values: Floats) -> str:
    return f"{values.shape}" if values.size > 8 else f"{values.tolist()}"


def _check_tracks(sequences: Integers, frames: Integers, tracks: Integers, name: str) -> None:
    rows = np.stack([sequences, frames, tracks], axis=1)
    found, counts = np.unique(rows, axis=0, return_counts=True)
    if (counts > 1).any():
        sequence, frame, track = found[np.argmax(counts > 1)]
        raise ValueError(f"{name}: expected each once in a frame, got {track} twice in {(sequence, frame)}")


# ---- PoseTrack18's files -------------------------------------------------------------------------------------------


def read_posetrack_truths(contents: Sequence[Mapping[str, Any]]) -> TrackTruths:
    """Annotations as PoseTrack18's files hold them.

    Args:
        contents: one dictionary per file, with images, annotations and categories. Frames that ``is_labeled`` calls
            unlabelled are left out, and people without a labelled joint.

    Returns:
        All people; a sequence is numbered by its ``vid_id``, joints are in the order of :data:`POSETRACK_JOINTS`.

    Raises:
        ValueError: a field that is missing or malformed; names the file's place, the entry and the field.

    Example:
        >>> image = {"id": 5, "frame_id": 5, "vid_id": "000342", "is_labeled": True}
        >>> person = {"image_id": 5, "track_id": 1, "bbox_head": [0, 0, 30, 40], "keypoints": [7, 8, 1] * 17}
        >>> read_posetrack_truths([{"images": [image], "annotations": [person]}]).head_sizes
        array([30.])
    """
    rows: list[tuple[int, int, int, Any, float]] = []
    labelled: list[Frame] = []
    ignored: dict[Frame, list[Floats]] = {}
    for number, content in enumerate(contents):
        places = _frames(content, number)
        for image in content["images"]:
            frame = places[image["id"]]
            if image.get("is_labeled", True):
                labelled.append(frame)
                ignored[frame] = _polygons(image, number)
        order = _joint_order(content, number)
        kept = set(labelled)
        for index, person in enumerate(content.get("annotations") or []):
            name = f"file {number}: annotations[{index}]"
            frame = _frame_of(person, places, name)
            joints = _triples(person, order, name)
            if frame not in kept or not (joints[:, 2] > 0).any():
                continue
            _, _, width, height = _numbers(person, "bbox_head", 4, name)
            rows.append(
                (*frame, _whole(person, "track_id", name), joints, _HEAD_SHARE * np.hypot(width, height))
            )
    sequences, frames, tracks, joints, heads = _columns(rows, 3)
    return TrackTruths(
        sequences,
        frames,
        tracks,
        joints,
        np.array(heads, np.float64),
        labelled_frames=np.array(labelled, np.int64).reshape(-1, 2),
        ignored=ignored,
    )


def read_posetrack_results(contents: Sequence[Mapping[str, Any]]) -> TrackResults:
    """Found people in the form of PoseTrack18's files.

    Args:
        contents: one dictionary per file, with images and annotations. A joint is found unless it lies at (0, 0) or
            its third number is 0. ``scores`` has one number per joint; without it the third number is taken.

    Returns:
        All people, numbered as by :func:`read_posetrack_truths`.

    Raises:
        ValueError: a field that is missing or malformed; names the file's place, the entry and the field.

    Example:
        >>> image = {"id": 5, "frame_id": 5, "vid_id": "000342"}
        >>> person = {"image_id": 5, "track_id": 1, "keypoints": [7, 8, 0.5] * 17}
        >>> float(read_posetrack_results([{"images": [image], "annotations": [person]}]).scores[0, 0])
        0.5
    """
    rows: list[tuple[int, int, int, Any, Any]] = []
    for number, content in enumerate(contents):
        places, order = _frames(content, number), _joint_order(content, number)
        for index, person in enumerate(content.get("annotations") or []):
            name = f"file {number}: annotations[{index}]"
            joints = _triples(person, order, name)
            found = (joints[:, :2] != 0).any(1) & (joints[:, 2] != 0)
            scores = joints[:, 2]
            if person.get("scores"):
                scores = _numbers(person, "scores", None, name)
                if len(scores) != len(person["keypoints"]) // 3:
                    wanted = len(person["keypoints"]) // 3
                    raise ValueError(f"{name}: scores: expected {wanted} numbers, got {len(scores)}")
                scores = scores[order]
            places_of = np.where(found[:, None], joints[:, :2], np.nan)
            track = _whole(person, "track_id", name)
            rows.append((*_frame_of(person, places, name), track, places_of, scores))
    sequences, frames, tracks, joints, certainty = _columns(rows, 2)
    return TrackResults(
        sequences, frames, tracks, joints, np.array(certainty, np.float64).reshape(joints.shape[:2])
    )


def _columns(
    rows: Sequence[tuple[Any, ...]], last: int
) -> tuple[Integers, Integers, Integers, Floats, Sequence[Any]]:
    """Rows of (sequence, frame, track, joints, one more) as arrays."""
    keys = np.array([row[:3] for row in rows], np.int64).reshape(-1, 3)
    joints = np.array([row[3] for row in rows], np.float64).reshape(-1, len(POSETRACK_JOINTS), last)
    return keys[:, 0], keys[:, 1], keys[:, 2], joints, [row[4] for row in rows]


def _frames(content: Mapping[str, Any], number: int) -> dict[Any, Frame]:
    """Image id -> (sequence, frame)."""
    if not isinstance(content, Mapping) or not isinstance(content.get("images"), Sequence):
        raise ValueError(f"file {number}: images: expected a list, got none")
    places: dict[Any, Frame] = {}
    for index, image in enumerate(content["images"]):
        name = f"file {number}: images[{index}]"
        if not isinstance(image, Mapping) or "id" not in image:
            raise ValueError(f"{name}: id: expected a value, got none")
        video = str(image.get("vid_id", number))
        sequence = int(video) if video.isdecimal() else zlib.crc32(video.encode())
        places[image["id"]] = (sequence, _whole(image, "frame_id" if "frame_id" in image else "id", name))
    return places


def _frame_of(person: Mapping[str, Any], places: Mapping[Any, Frame], name: str) -> Frame:
    if person.get("image_id") not in places:
        raise ValueError(f"{name}: image_id: expected an image of the file, got {person.get('image_id')!r}")
    return places[person["image_id"]]


def _joint_order(content: Mapping[str, Any], number: int) -> Integers:
    """Places of the scored joints in the file's order; without names, PoseTrack18's own order of 17."""
    names = next((c["keypoints"] for c in content.get("categories") or [] if c.get("keypoints")), None)
    if names is None:
        names = [*POSETRACK_JOINTS[:3], *_NOT_SCORED, *POSETRACK_JOINTS[3:]]
    missing = [joint for joint in POSETRACK_JOINTS if joint not in names]
    if missing:
        raise ValueError(
            f"file {number}: categories: expected the joints of PoseTrack, {missing[0]} is missing"
        )
    return np.array([names.index(joint) for joint in POSETRACK_JOINTS], np.int64)


def _triples(person: Mapping[str, Any], order: Integers, name: str) -> Floats:
    values = _numbers(person, "keypoints", None, name)
    if len(values) % 3 or len(values) // 3 <= order.max():
        raise ValueError(f"{name}: keypoints: expected {3 * (order.max() + 1)} numbers, got {len(values)}")
    return values.reshape(-1, 3)[order]


def _numbers(entry: Mapping[str, Any], key: str, count: int | None, name: str) -> Floats:
    if entry.get(key) is None:
        raise ValueError(f"{name}: {key}: expected a value, got none")
    try:
        values = np.array(entry[key], np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {key}: expected numbers, got {entry[key]!r:.40}") from error
    if count is not None and len(values) != count:
        raise ValueError(f"{name}: {key}: expected {count} numbers, got {len(values)}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name}: {key}: expected finite numbers, got {values[~np.isfinite(values)][0]}")
    return values


def _whole(entry: Mapping[str, Any], key: str, name: str) -> int:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name}: {key}: expected an integer, got {value!r}")
    return value


def _polygons(image: Mapping[str, Any], number: int) -> list[Floats]:
    """Polygons (P, 2); a single one may stand without the list around it."""
    across, down = image.get("ignore_regions_x") or [], image.get("ignore_regions_y") or []
    if across and not isinstance(across[0], Sequence):
        across, down = [across], [down]
    if len(across) != len(down) or any(len(x) != len(y) for x, y in zip(across, down, strict=False)):
        raise ValueError(
            f"file {number}: image {image['id']}: ignore_regions_x and _y: expected equal lengths"
        )
    return [
        np.stack([x, y], axis=1).astype(np.float64) for x, y in zip(across, down, strict=True) if len(x) > 2
    ]
