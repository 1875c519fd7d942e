"""People of video frames as arrays: what PoseTrack's evaluation reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyposeops.metrics.image_people import as_array

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
MISSING_SCORE = -9999.0


@dataclass(frozen=True, eq=False)
class TrackTruths:
    """Annotated people, one row each; arrays, lists or tensors of any device.

    Args:
        sequences: (G,) integers, the video.
        frames: (G,) integers, rising with time within a sequence.
        tracks: (G,) integers: who it is; unique within a frame.
        keypoints: (G, K, 3) as (x, y, visibility) in pixels; visibility 0: not labelled, and its place is not read.
        head_sizes: (G,) in pixels, above 0: the unit of distance. PoseTrack's: 0.6 of the diagonal of the head's box.
        labelled_frames: (F, 2) integers as (sequence, frame): all that are evaluated, also those without people.
            Frames with people are always among them. Default: those alone.
        ignored: (sequence, frame) -> polygons (P, 2) in which joints of truths and predictions do not count.

    Raises:
        ValueError: other shapes or kinds of numbers, labelled joints or corners that are NaN or infinite, a track
            twice in a frame.
    """

    sequences: Integers
    frames: Integers
    tracks: Integers
    keypoints: Floats
    head_sizes: Floats
    labelled_frames: Integers = None  # type: ignore[assignment]
    ignored: Mapping[Frame, Sequence[ArrayLike]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = _set_columns(self)
        keypoints = _keypoints(self.keypoints, count, 3)
        labelled: Bools = np.asarray(keypoints[..., 2] > 0)
        _check_finite(keypoints[labelled], "keypoints of labelled joints")
        heads = as_array(self.head_sizes).astype(np.float64)
        if heads.shape != (count,):
            raise ValueError(f"head_sizes: expected ({count},), got {heads.shape}")
        if not (np.isfinite(heads) & (heads > 0)).all():
            wrong = heads[~(np.isfinite(heads) & (heads > 0))][0]
            raise ValueError(f"head_sizes: expected finite numbers above 0, got {wrong}")
        frames = np.stack([self.sequences, self.frames], axis=1)
        if self.labelled_frames is not None:
            frames = np.concatenate([_pairs(self.labelled_frames), frames])
        object.__setattr__(self, "keypoints", np.where(labelled[..., None], keypoints, 0.0))
        object.__setattr__(self, "head_sizes", heads)
        object.__setattr__(self, "labelled_frames", np.unique(frames, axis=0))
        object.__setattr__(self, "ignored", _polygons(self.ignored))


@dataclass(frozen=True, eq=False)
class TrackResults:
    """Found people, one row each; arrays, lists or tensors of any device.

    Args:
        sequences, frames: as in :class:`TrackTruths`.
        tracks: (D,) integers: who it is taken for; unique within a frame.
        keypoints: (D, K, 2) in pixels; NaN where a joint was not found.
        scores: (D, K), read by the average precision alone. Default: -9999 for all, as PoseTrack takes missing ones.

    Raises:
        ValueError: other shapes or kinds of numbers, infinite places, scores of found joints that are NaN or
            infinite, a track twice in a frame.
    """

    sequences: Integers
    frames: Integers
    tracks: Integers
    keypoints: Floats
    scores: Floats = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        keypoints = _keypoints(self.keypoints, _set_columns(self), 2)
        if np.isinf(keypoints).any():
            raise ValueError("keypoints: expected finite numbers, or NaN for joints not found, got infinity")
        scores = np.full(keypoints.shape[:2], MISSING_SCORE) if self.scores is None else self.scores
        scores = as_array(scores).astype(np.float64)
        if scores.shape != keypoints.shape[:2] and scores.size + len(keypoints) > 0:
            raise ValueError(f"scores: expected {keypoints.shape[:2]}, got {scores.shape}")
        found: Bools = np.asarray(np.isfinite(keypoints).all(-1))
        scores = scores.reshape(found.shape)
        _check_finite(scores[found], "scores")
        object.__setattr__(self, "keypoints", np.where(found[..., None], keypoints, np.nan))
        object.__setattr__(self, "scores", scores)


def _set_columns(people: TrackTruths | TrackResults) -> int:
    """Sequences, frames and tracks as arrays, and how many rows they have."""
    count = as_array(people.sequences).size
    columns = [_integers(getattr(people, name), name, count) for name in ("sequences", "frames", "tracks")]
    for name, column in zip(("sequences", "frames", "tracks"), columns, strict=True):
        object.__setattr__(people, name, column)
    rows, counts = np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)
    if (counts > 1).any():
        sequence, frame, track = rows[np.argmax(counts > 1)].tolist()
        raise ValueError(f"tracks: expected each once in a frame, got {track} twice in {(sequence, frame)}")
    return count


def _integers(values: Any, name: str, count: int) -> Integers:
    array = as_array(values)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name}: expected integers, got {array.dtype}")
    if array.shape != (count,):
        raise ValueError(f"{name}: expected ({count},), got {array.shape}")
    return array.astype(np.int64)


def _keypoints(values: Any, count: int, numbers: int) -> Floats:
    array = as_array(values)
    if array.size == 0 and count == 0:
        return np.zeros((0, array.shape[1] if array.ndim == 3 else len(POSETRACK_JOINTS), numbers))
    if array.ndim != 3 or len(array) != count or array.shape[2] != numbers:
        raise ValueError(f"keypoints: expected ({count}, K, {numbers}), got {array.shape}")
    return array.astype(np.float64)


def _pairs(values: Any) -> Integers:
    array = as_array(values)
    if array.size == 0:
        return np.zeros((0, 2), np.int64)
    if array.ndim != 2 or array.shape[1] != 2 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"labelled_frames: expected integers (F, 2), got {array.dtype} {array.shape}")
    return array.astype(np.int64)


def _polygons(ignored: Mapping[Frame, Sequence[ArrayLike]]) -> dict[Frame, list[Floats]]:
    checked: dict[Frame, list[Floats]] = {}
    for frame, polygons in ignored.items():
        checked[frame] = [as_array(polygon).astype(np.float64) for polygon in polygons]
        for corners in checked[frame]:
            if corners.ndim != 2 or corners.shape[1] != 2 or not np.isfinite(corners).all():
                raise ValueError(
                    f"ignored[{frame}]: expected polygons (P, 2) of finite numbers, got {corners.shape}"
                )
    return checked


def _check_finite(values: Floats, name: str) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"{name}: expected finite numbers, got {values[~np.isfinite(values)].flat[0]}")
