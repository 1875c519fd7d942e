"""Boxes as a detector gives them: beside the people, several of one person, the better ones mostly surer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from python_models.box_nms import box_iou
from python_models.data import ImagePeople

_SEED = 5
_LEAST_PX = 8.0
_SCORE_NOISE = 0.05


class BoxNoise(NamedTuple):
    """How far boxes are off, and how many there are of one person."""

    spread: float = 0.0  # standard deviation of each side's place, as a share of the width or height
    most: int = 1  # each person has 1 to so many


def noisy_boxes(crowds: ImagePeople, noise: BoxNoise) -> dict[int, Tensor]:
    """Boxes (N, 5) by image; a score is the overlap with the true box, disturbed."""
    found = {}
    for record, members in zip(crowds.records, crowds.members, strict=True):
        rng = np.random.default_rng((_SEED, record.image_id))
        own = [_around(rng, crowds.dataset.records[member].box_xywh, noise) for member in members]
        found[record.image_id] = torch.from_numpy(np.concatenate(own)).float()
    return found


def _around(rng: np.random.Generator, box: NDArray[np.float32], noise: BoxNoise) -> NDArray[np.float64]:
    box = box.astype(np.float64)
    count = int(rng.integers(1, noise.most + 1))
    sides = np.tile(box[2:], 2)
    corners = np.concatenate([box[:2], box[:2] + box[2:]])
    moved = corners + noise.spread * sides * rng.standard_normal((count, 4))
    moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + _LEAST_PX)
    boxes = np.concatenate([moved[:, :2], moved[:, 2:] - moved[:, :2]], axis=1)
    scores = box_iou(boxes, box)[:, 0] + _SCORE_NOISE * rng.standard_normal(count) * (noise.spread > 0)
    return np.concatenate([boxes, scores.clip(0.05, 1.0)[:, None]], axis=1)
