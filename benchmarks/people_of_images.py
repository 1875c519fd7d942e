"""People found in as many images as COCO's validation set has, as tests/metrics/generated_results.py makes them."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pyposeops.metrics.keypoint_sets import COCO_17

VAL_IMAGES = 5000
JOINTS = len(COCO_17)


@dataclass(frozen=True)
class FoundPeople:
    """
    Args:
        keypoints: (N, 17, 2), in pixels.
        joint_scores: (N, 17).
        scores: (N,).
        boxes: (N, 4), (x, y, width, height) around the joints.
        offsets: (B + 1,).
    """

    keypoints: Tensor
    joint_scores: Tensor
    scores: Tensor
    boxes: Tensor
    offsets: Tensor


@functools.lru_cache(maxsize=4)
def found_people(images: int) -> FoundPeople:
    """In float64, on the CPU: several finds near each person, and others anywhere."""
    rng = np.random.default_rng(0)
    people = np.where(rng.random(images) < 0.55, rng.integers(1, 8, images), 0)
    finds = rng.integers(1, 6, people.sum())
    elsewhere = rng.poisson(14, images)
    image_of = np.concatenate(
        [np.repeat(np.repeat(np.arange(images), people), finds), np.repeat(np.arange(images), elsewhere)]
    )
    points = np.concatenate([_near(rng, people.sum(), finds), _inside(rng, _boxes(rng, elsewhere.sum()))])
    scores = rng.random(len(points)) * np.where(np.arange(len(points)) < finds.sum(), 1.0, 0.6)
    order = np.lexsort([rng.random(len(points)), image_of])
    low, high = points[order].min(1), points[order].max(1)
    return FoundPeople(
        torch.from_numpy(points[order]),
        torch.from_numpy(rng.random((len(points), JOINTS))),
        torch.from_numpy(scores[order]),
        torch.from_numpy(np.concatenate([low, high - low], 1)),
        torch.from_numpy(np.concatenate([[0], np.bincount(image_of, minlength=images).cumsum()])),
    )


def _boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.uniform([0, 0, 5, 5], [500, 400, 300, 300], (count, 4))


def _inside(rng: np.random.Generator, boxes: np.ndarray) -> np.ndarray:
    return boxes[:, None, :2] + rng.random((len(boxes), JOINTS, 2)) * boxes[:, None, 2:]


def _near(rng: np.random.Generator, people: int, finds: np.ndarray) -> np.ndarray:
    """The people's joints, off by some of what annotators differ."""
    boxes = rng.uniform([0, 0, 8, 10], [400, 300, 258, 410], (people, 4))
    points = np.repeat(_inside(rng, boxes), finds, axis=0)
    size = np.repeat(np.sqrt(0.6 * boxes[:, 2] * boxes[:, 3]), finds) * rng.uniform(0.02, 1.2, len(points))
    return points + rng.normal(size=points.shape) * 2 * np.array(COCO_17)[:, None] * size[:, None, None]
