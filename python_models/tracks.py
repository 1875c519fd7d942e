"""People with their ids, frame by frame, and the file that PoseTrack's evaluation reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from python_models.data.records import Skeleton


class FrameTracks(NamedTuple):
    """The people of one frame who are tracked."""

    image_id: int
    file_name: str
    ids: NDArray[np.int64]  # (N,) the same for one person throughout the video
    keypoints: NDArray[np.float32]  # (N, K, 2) in pixels
    scores: NDArray[np.float32]  # (N, K)
    boxes: NDArray[np.float32]  # (N, 4) x, y, width, height: where the people were looked for


def posetrack_content(
    frames: Sequence[FrameTracks], skeleton: Skeleton, *, video: str, min_joint_score: float = 0.4
) -> dict[str, Any]:
    """Results in the form of PoseTrack18's files: images, annotations with `track_id`, the category's joints.

    Joints that score less than `min_joint_score` are not found: 0, 0, 0 in `keypoints`; `scores` has those of all.
    PoseTrack's evaluation needs the joints that it scores (`pyposeops.metrics.posetrack_data.POSETRACK_JOINTS`);
    files of other joints have the same form, with the joints' names in `categories`.
    """
    return {
        "images": [
            {"id": frame.image_id, "frame_id": frame.image_id, "vid_id": video, "file_name": frame.file_name}
            for frame in frames
        ],
        "annotations": [person for frame in frames for person in _people(frame, min_joint_score)],
        "categories": [skeleton.to_category()],
    }


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
