"""People with their ids, frame by frame: a picture of them, and the file that PoseTrack's evaluation reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from python_models.data.records import Skeleton
from python_models.draw import draw_people, person_colour

_TEXT_HEIGHT = 0.03  # of the image's height, at least _SMALLEST_TEXT pixels
_SMALLEST_TEXT = 12
_DARK = (24, 24, 28)


class FrameTracks(NamedTuple):
    """The people of one frame who are tracked."""

    image_id: int
    file_name: str
    ids: NDArray[np.int64]  # (N,) the same for one person throughout the video
    keypoints: NDArray[np.float32]  # (N, K, 2) in pixels
    scores: NDArray[np.float32]  # (N, K)
    boxes: NDArray[np.float32]  # (N, 4) x, y, width, height: where the people were looked for
    frame: int | None = None  # of a video, from 0


def posetrack_content(
    frames: Sequence[FrameTracks], skeleton: Skeleton, *, video: str, min_joint_score: float = 0.4
) -> dict[str, Any]:
    """Results in the form of PoseTrack18's files: images, annotations with `track_id`, the category's joints.

    Joints that score less than `min_joint_score` are not found: 0, 0, 0 in `keypoints`; `scores` has those of all.
    PoseTrack's evaluation needs the joints that it scores (`pyposeops.metrics.posetrack_data.POSETRACK_JOINTS`);
    files of other joints have the same form, with the joints' names in `categories`.
    """
    return {
        "images": [_image(frame, video) for frame in frames],
        "annotations": [person for frame in frames for person in _people(frame, min_joint_score)],
        "categories": [skeleton.to_category()],
    }


def _image(frame: FrameTracks, video: str) -> dict[str, Any]:
    image = {"id": frame.image_id, "frame_id": frame.image_id, "vid_id": video, "file_name": frame.file_name}
    return image if frame.frame is None else {**image, "frame": frame.frame}


def _people(frame: FrameTracks, min_joint_score: float) -> list[dict[str, Any]]:
    triples = np.concatenate([frame.keypoints, frame.scores[..., None]], axis=-1).astype(np.float64)
    triples[~(frame.scores >= min_joint_score)] = 0.0
    return [
        {
            "image_id": frame.image_id,
            "category_id": 1,
            "track_id": track,
            "keypoints": joints.round(4).ravel().tolist(),
            "scores": np.nan_to_num(scores.astype(np.float64)).round(4).tolist(),
            "bbox": box.astype(np.float64).round(3).tolist(),
        }
        for track, joints, scores, box in zip(
            frame.ids.tolist(), triples, frame.scores, frame.boxes, strict=True
        )
    ]


def draw_tracks(
    image: NDArray[np.uint8], found: FrameTracks, skeleton: Skeleton, *, min_joint_score: float = 0.4
) -> NDArray[np.uint8]:
    """Draw the people of a frame into a copy of it, uint8 (H, W, 3) RGB: each id has a colour, and stands above."""
    people = np.concatenate([found.keypoints, found.scores[..., None]], axis=-1)
    tracks = found.ids.tolist()
    canvas = draw_people(
        image,
        list(people),
        skeleton,
        min_score=min_joint_score,
        colours=[person_colour(track) for track in tracks],
    )
    for track, joints in zip(tracks, people, strict=True):
        _write_id(canvas, str(track), joints[joints[:, 2] >= min_joint_score, :2], person_colour(track))
    return canvas


def _write_id(
    canvas: NDArray[np.uint8], text: str, joints: NDArray[np.float32], colour: tuple[int, ...]
) -> None:
    """Write above the topmost joint, inside the picture, in the colour with a dark rim."""
    font, height = cv2.FONT_HERSHEY_SIMPLEX, max(_SMALLEST_TEXT, _TEXT_HEIGHT * canvas.shape[0])
    scale = cv2.getFontScaleFromHeight(font, round(height), 1)
    (width, _), _ = cv2.getTextSize(text, font, scale, 1)
    x, y = joints[joints[:, 1].argmin()] - (width / 2, height)
    place = (int(np.clip(x, 0, canvas.shape[1] - width)), int(np.clip(y, height, canvas.shape[0] - 1)))
    for tone, thickness in ((_DARK, 3), (colour, 1)):
        cv2.putText(canvas, text, place, font, scale, tone, thickness, cv2.LINE_AA)
