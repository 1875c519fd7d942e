"""Annotated and found people that never were, in COCO's form: crowds, people without joints, near and far misses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pyposeops.metrics.keypoint_sets import COCO_17

Dataset = dict[str, Any]
Results = list[dict[str, Any]]


@dataclass(frozen=True)
class Options:
    """
    Args:
        images: how many; every second one is without people. 5,000 is the size of COCO val2017.
        tied: scores of one decimal.
        odd: copies of people as results, some with all confidences 0, and an annotation with id 0.
    """

    images: int
    seed: int = 0
    tied: bool = False
    odd: bool = False


def generate(options: Options) -> tuple[Dataset, Results]:
    rng = np.random.default_rng(options.seed)
    images = [{"id": 3 * i + 1, "width": 640, "height": 480} for i in range(options.images)]
    annotations: list[dict[str, Any]] = []
    results: Results = []
    for image in images:
        people = int(rng.integers(1, 8)) if rng.random() < 0.55 else 0
        for _ in range(people):
            person = _person(rng)
            identity = len(annotations) + (0 if options.odd else 1)
            annotations.append({"id": identity, "image_id": image["id"], "category_id": 1, **person})
            for _ in range(int(rng.integers(1, 6))):
                results.append(_result(rng, image["id"], _near(rng, person), options))
            if options.odd and rng.random() < 0.2:
                copied = np.reshape(person["keypoints"], (-1, 3)).astype(float)
                copied[:, 2] *= rng.random() < 0.5
                results.append(_result(rng, image["id"], copied, options))
        for _ in range(int(rng.poisson(14))):
            results.append(_result(rng, image["id"], _anywhere(rng), options, highest=0.6))
    order = rng.permutation(len(results))
    dataset = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }
    return dataset, [results[i] for i in order]


def _person(rng: np.random.Generator) -> dict[str, Any]:
    width, height = rng.uniform(8, 250), rng.uniform(10, 400)
    box = [float(rng.uniform(0, 400)), float(rng.uniform(0, 300)), float(width), float(height)]
    joints = np.column_stack([_inside(rng, box), rng.choice([0, 1, 2], len(COCO_17), p=[0.35, 0.15, 0.5])])
    joints[joints[:, 2] == 0] = 0
    if rng.random() < 0.4:
        joints[:] = 0
    return {
        "bbox": box,
        "area": float(width * height * 0.6),
        "iscrowd": int(rng.random() < 0.02),
        "keypoints": joints.ravel().tolist(),
        "num_keypoints": int((joints[:, 2] > 0).sum()),
    }


def _inside(rng: np.random.Generator, box: list[float]) -> np.ndarray:
    return np.array(box[:2]) + rng.random((len(COCO_17), 2)) * box[2:]


def _near(rng: np.random.Generator, person: dict[str, Any]) -> np.ndarray:
    """The person's joints, off by some of what annotators differ."""
    joints = np.reshape(person["keypoints"], (-1, 3)).astype(float)
    unlabelled = joints[:, 2] == 0
    joints[unlabelled, :2] = _inside(rng, person["bbox"])[unlabelled]
    spread = 2 * np.array(COCO_17) * np.sqrt(person["area"]) * rng.uniform(0.02, 1.2)
    joints[:, :2] += rng.normal(size=(len(joints), 2)) * spread[:, None]
    joints[:, 2] = rng.random(len(joints))
    return joints


def _anywhere(rng: np.random.Generator) -> np.ndarray:
    box = [rng.uniform(0, 500), rng.uniform(0, 400), rng.uniform(5, 300), rng.uniform(5, 300)]
    return np.column_stack([_inside(rng, box), rng.random(len(COCO_17))])


def _result(
    rng: np.random.Generator, image: int, joints: np.ndarray, options: Options, highest: float = 1.0
) -> dict[str, Any]:
    score = float(rng.random()) * highest
    return {
        "image_id": image,
        "category_id": 1,
        "keypoints": joints.ravel().tolist(),
        "score": round(score, 1) if options.tied else score,
    }
