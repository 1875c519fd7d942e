"""oks_nms on the people found in COCO's validation set, beside NumPy loops over images and people.

The loop over pairs takes many seconds for the whole set, so that it is timed on a share of its images.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives import pose_nms
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Traffic
from benchmarks.people_of_images import VAL_IMAGES, found_people
from pyposeops.metrics.keypoint_sets import COCO_17

OP = "oks_nms"
THRESHOLD = 0.9


def make_people(images: int, dtype: torch.dtype, device: torch.device) -> Inputs:
    """(keypoints, scores, areas, offsets); areas are those of boxes a quarter wider and higher than the joints."""
    people = found_people(images)
    areas = 1.25**2 * people.boxes[:, 2] * people.boxes[:, 3]
    tensors = (people.keypoints, people.scores, areas)
    return (*(tensor.to(device, dtype) for tensor in tensors), people.offsets.to(device))


def ours(
    sigmas: Tensor, keypoints: Tensor, scores: Tensor, areas: Tensor, offsets: Tensor
) -> pyposeops.OksNms:
    return pyposeops.oks_nms(keypoints, scores, areas, sigmas=sigmas, threshold=THRESHOLD, offsets=offsets)


def definition(keypoints: Tensor, scores: Tensor, areas: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    on_cpu = (tensor.cpu() for tensor in (keypoints, scores, areas))
    return pyposeops.reference.oks_nms(*on_cpu, sigmas=COCO_17, threshold=THRESHOLD, offsets=offsets.cpu())


def _loop(overlaps: pose_nms.Overlaps, note: str) -> Alternative:
    return Alternative(
        partial(pose_nms.oks_nms, sigmas=COCO_17, threshold=THRESHOLD, overlaps=overlaps),
        prepare=lambda *tensors: tuple(tensor.cpu().numpy() for tensor in tensors),
        comparable=lambda keep, expected: (keep, expected[0]),
        devices=("cpu",),
        note=note,
    )


def _case(images: int, dtype: torch.dtype, *, loops: tuple[str, ...] = (), quick: bool = False) -> Case:
    people, joints = found_people(images).keypoints.shape[:2]
    alternatives = {
        "numpy-official": _loop(pose_nms.looped_overlaps, "a loop over pairs, as published"),
        "numpy-vectors": _loop(pose_nms.vector_overlaps, "all pairs of a person at once"),
    }
    return Case(
        op=OP,
        name=f"{images} images",
        shape=(people, joints, 2),
        dtype=dtype,
        make_inputs=partial(make_people, images, dtype),
        ours=lambda keypoints, *others: ours(
            torch.tensor(COCO_17, device=keypoints.device), keypoints, *others
        ),
        reference=definition,
        traffic=Traffic(
            read=people * (joints * 2 + 2) * dtype.itemsize + (images + 1) * 8, written=people * (1 + 8)
        ),
        alternatives={name: alternatives[name] for name in loops},
        quick=quick,
    )


def cases() -> list[Case]:
    both = ("numpy-official", "numpy-vectors")
    return [
        _case(VAL_IMAGES // 50, torch.float64, loops=both, quick=True),
        _case(VAL_IMAGES // 10, torch.float64, loops=both),
        _case(VAL_IMAGES, torch.float64, loops=("numpy-vectors",)),
        _case(VAL_IMAGES, torch.float32),
    ]


def overhead() -> Overhead:
    def make(device: torch.device) -> Inputs:
        people = (torch.rand(2, 17, 2), torch.rand(2), torch.full((2,), 0.1), torch.tensor([0, 2]))
        return (torch.tensor(COCO_17, device=device), *(tensor.to(device) for tensor in people))

    return Overhead(OP, make, ours)
