"""PCK, PCKh and OKS-AP of predicted joints in image pixels.

Arrays: keypoints (N, K, 2), labelled (N, K) bool, boxes (N, 4) xywh; N people, K joints.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyposeops.metrics import COCOeval

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]
Normalizer = Literal["torso", "bbox"]

TORSO_DIAGONALS = (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip"))
HEAD_ENDS = (("head_top", "upper_neck"), ("head_top", "neck"))


class Pck(NamedTuple):
    """Share of labelled joints found; NaN for a joint that is never labelled."""

    per_joint: Floats  # (K,)
    mean: float  # over the joints that occur


def joint_distance(keypoints: Floats, labelled: Bools, first: int, second: int) -> Floats:
    """Distance in pixels between two joints of each person, NaN where one of them is not labelled; (N,)"""
    distance = np.linalg.norm(keypoints[:, first] - keypoints[:, second], axis=-1)
    return np.where(labelled[:, first] & labelled[:, second], distance, np.nan)


def torso_sizes(keypoints: Floats, labelled: Bools, boxes: Floats, joint_names: Sequence[str]) -> Floats:
    """Length of the torso's diagonal (shoulder to the hip of the other side) in pixels; (N,)

    The mean of both diagonals where all four joints are labelled, else the one that is; the longer side of the box
    for people with neither, and for a torso whose diagonals have no length.
    """
    diagonals = [
        joint_distance(keypoints, labelled, joint_names.index(shoulder), joint_names.index(hip))
        for shoulder, hip in TORSO_DIAGONALS
        if shoulder in joint_names and hip in joint_names
    ]
    table = np.stack(diagonals) if diagonals else np.full((1, len(keypoints)), np.nan)
    known = ~np.isnan(table)
    torso = np.where(known, table, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    return np.where(torso > 0, torso, box_sizes(boxes))


def box_sizes(boxes: Floats) -> Floats:
    """Longer side of each box; (N,)"""
    return boxes[:, 2:].max(axis=1)


def head_sizes(
    keypoints: Floats, labelled: Bools, given: Sequence[float | None], joint_names: Sequence[str]
) -> Floats:
    """Head size in pixels: the one given with the data, else head top to neck, else NaN; (N,)"""
    sizes = np.array([np.nan if size is None else size for size in given], dtype=np.float64)
    for ends in HEAD_ENDS:
        if all(name in joint_names for name in ends):
            head = joint_distance(keypoints, labelled, *map(joint_names.index, ends))
            sizes = np.where(np.isnan(sizes), head, sizes)
    return sizes


def pck(predicted: Floats, truth: Floats, labelled: Bools, sizes: Floats, threshold: float) -> Pck:
    """Share of labelled joints whose error is at most `threshold` times the person's size.

    A person whose size is NaN or 0 is not counted.

    Source: Yang and Ramanan, "Articulated Human Detection with Flexible Mixtures of Parts", PAMI 2013; with the head
    as size, Andriluka et al., "2D Human Pose Estimation: New Benchmark", CVPR 2014.
    """
    counted = labelled & (np.nan_to_num(sizes) > 0)[:, None]
    error = np.linalg.norm(predicted - truth, axis=-1)
    found = counted & (error <= threshold * np.nan_to_num(sizes)[:, None])
    count = counted.sum(axis=0)
    per_joint = np.where(count > 0, found.sum(axis=0) / np.maximum(count, 1), np.nan)
    return Pck(per_joint, float(np.nanmean(per_joint)) if count.any() else float("nan"))


def oks_ap(
    ground_truth: dict[str, Any],
    results: list[dict[str, Any]],
    sigmas: Sequence[float],
    *,
    image_ids: Sequence[int],
) -> dict[str, float]:
    """COCO's ten keypoint figures.

    Args:
        ground_truth: COCO keypoint dictionary with integer ids.
        results: COCO results; each with image_id, category_id, keypoints (3 per joint) and score.
        sigmas: OKS constant of each joint.
        image_ids: Images that count.
    """
    scoring = COCOeval(ground_truth, results, sigmas=sigmas)
    scoring.params.imgIds = sorted(image_ids)
    scoring.params.catIds = sorted({result["category_id"] for result in results})
    scoring.evaluate()
    scoring.accumulate()
    return scoring.figures()
