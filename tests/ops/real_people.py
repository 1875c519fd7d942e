"""The annotated people of the small real sets, and how well people who were found agree with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.planted_people import connected
from pyposeops.metrics import COCOeval, keypoint_sets
from pyposeops.skeletons import PafSkeleton

NAMES = ("coco_people", "crowdpose_mini", "posetrack_mini")
# PoseTrack measures in head sizes; the ends of the head are given CrowdPose's sigmas, all other joints COCO's.
_POSETRACK_SIGMAS = (keypoint_sets.COCO_17[0], *keypoint_sets.CROWDPOSE_14[12:], *keypoint_sets.COCO_17[3:])
_SIGMAS = {
    "coco_people": keypoint_sets.COCO_17,
    "crowdpose_mini": keypoint_sets.CROWDPOSE_14,
    "posetrack_mini": _POSETRACK_SIGMAS,
}


class Crowd(NamedTuple):
    """The N people of one image."""

    joints: Tensor  # (N, K, 2), (x, y) in pixels of the image
    visibility: Tensor  # (N, K)
    boxes: Tensor  # (N, 4) xywh
    areas: Tensor  # (N,)
    size: tuple[int, int]


class RealSet(NamedTuple):
    """Images with people, and their skeleton."""

    name: str
    crowds: list[Crowd]
    joint_names: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]

    def count(self) -> int:
        return sum(len(crowd.joints) for crowd in self.crowds)


class Found(NamedTuple):
    """What a parser made of one image: (M, K, 2) and (M,), in pixels of the image."""

    joints: Tensor
    scores: Tensor


def read(folder: Path, name: str) -> RealSet:
    """All people with a joint in the image, but groups; joints outside of it count as not labelled."""
    content = json.loads((folder / name / "annotations.json").read_text())
    category = content["categories"][0]
    people: dict[int, list[dict]] = {image["id"]: [] for image in content["images"]}
    for person in content["annotations"]:
        if not person["iscrowd"] and person["num_keypoints"]:
            people[person["image_id"]].append(person)
    crowds = [_crowd(image, people[image["id"]]) for image in content["images"] if people[image["id"]]]
    limbs = tuple((a - 1, b - 1) for a, b in category["skeleton"])
    return RealSet(name, crowds, tuple(category["keypoints"]), limbs, _SIGMAS[name])


def _crowd(image: dict, people: Sequence[dict]) -> Crowd:
    triples = torch.tensor([person["keypoints"] for person in people]).float().unflatten(1, (-1, 3))
    size = image["height"], image["width"]
    joints = triples[..., :2]
    inside = ((joints >= 0) & (joints <= torch.tensor([size[1] - 1, size[0] - 1]))).all(-1)
    boxes = torch.tensor([person["bbox"] for person in people]).float()
    areas = torch.tensor([person["area"] for person in people]).float()
    return Crowd(joints, ((triples[..., 2] > 0) & inside).float(), boxes, areas, size)


def distinct(crowd: Crowd, distance_px: float) -> Crowd:
    """Without the later of two people who have a joint in the same place."""
    seen = crowd.visibility > 0
    apart = (crowd.joints[:, None] - crowd.joints).norm(dim=-1)
    close = ((apart < distance_px) & seen[:, None] & seen).any(-1)
    return _chosen(crowd, ~close.tril(-1).any(1))


def joined(crowd: Crowd, limbs: Sequence[tuple[int, int]], fewest: int = 1) -> Crowd:
    """People with those labelled joints alone that limbs join to the most others, where there are enough of them."""
    skeleton = PafSkeleton.of([str(joint) for joint in range(crowd.joints.shape[1])], limbs)
    left = crowd._replace(visibility=crowd.visibility * connected(crowd.visibility, skeleton).float())
    return _chosen(left, (left.visibility > 0).sum(1) >= fewest)


def _chosen(crowd: Crowd, people: Tensor) -> Crowd:
    return crowd._replace(**{name: getattr(crowd, name)[people] for name in Crowd._fields[:4]})


def average_precision(real: RealSet, crowds: Sequence[Crowd], found: Sequence[Found]) -> float:
    """COCO's AP of 0.50 to 0.95, every labelled joint of every person counting."""
    truths, results = [], []
    for image, (crowd, people) in enumerate(zip(crowds, found, strict=True)):
        for number in range(len(crowd.joints)):
            seen = crowd.visibility[number, :, None]
            keypoints = torch.cat([crowd.joints[number] * seen, 2 * seen], dim=1)
            truths.append(
                {
                    "id": len(truths) + 1,
                    "image_id": image,
                    "category_id": 1,
                    "iscrowd": 0,
                    "area": float(crowd.areas[number]),
                    "bbox": crowd.boxes[number].tolist(),
                    "keypoints": keypoints.flatten().tolist(),
                }
            )
        for joints, score in zip(people.joints, people.scores, strict=True):
            keypoints = torch.cat([joints, torch.ones(len(joints), 1)], dim=1).flatten().tolist()
            results.append(
                {"image_id": image, "category_id": 1, "score": float(score), "keypoints": keypoints}
            )
    evaluation = COCOeval(truths, results, sigmas=real.sigmas)
    evaluation.params.maxDets = [100]
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.figures()["AP"]
