"""soft_oks_nms on the people found in COCO's validation set, beside NumPy loops over images and people.

The loops take seconds for the whole set, so that they are timed on a share of its images.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives import pose_nms
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic
from benchmarks.people_of_images import VAL_IMAGES, found_people
from pyposeops.metrics.keypoint_sets import COCO_17
from pyposeops.ops.soft_oks_nms import Decay

OP = "soft_oks_nms"
THRESHOLD = 0.9
MAX_DETS = 20


def make_people(images: int, dtype: torch.dtype, device: torch.device) -> Inputs:
    """(keypoints, scores, areas, offsets, sigmas); areas: boxes a quarter wider and higher than the joints."""
    people = found_people(images)
    areas = 1.25**2 * people.boxes[:, 2] * people.boxes[:, 3]
    tensors = (people.keypoints, people.scores, areas)
    return (
        *(tensor.to(device, dtype) for tensor in tensors),
        people.offsets.to(device),
        torch.tensor(COCO_17, dtype=torch.float64, device=device),
    )


def ours(
    keypoints: Tensor, scores: Tensor, areas: Tensor, offsets: Tensor, sigmas: Tensor, *, decay: Decay
) -> pyposeops.SoftOksNms:
    return pyposeops.soft_oks_nms(
        keypoints, scores, areas, sigmas=sigmas, decay=decay, threshold=THRESHOLD, offsets=offsets
    )


def definition(*tensors: Tensor, decay: Decay) -> tuple[Tensor, Tensor, Tensor]:
    keypoints, scores, areas, offsets, sigmas = (tensor.cpu() for tensor in tensors)
    return pyposeops.reference.soft_oks_nms(
        keypoints, scores, areas, sigmas=sigmas, decay=decay, threshold=THRESHOLD, offsets=offsets
    )


def _loop(overlaps: pose_nms.Overlaps, note: str) -> Alternative:
    return Alternative(
        partial(
            pose_nms.soft_oks_nms, sigmas=COCO_17, threshold=THRESHOLD, max_dets=MAX_DETS, overlaps=overlaps
        ),
        prepare=lambda *tensors: tuple(tensor.cpu().numpy() for tensor in tensors[:4]),
        comparable=lambda keep, expected: (keep, expected[0]),
        devices=("cpu",),
        note=note,
    )


def _case(images: int, decay: Decay, dtype: torch.dtype, *, loops: bool = False, quick: bool = False) -> Case:
    people, joints = found_people(images).keypoints.shape[:2]
    alternatives = {
        "numpy-official": _loop(pose_nms.looped_overlaps, "a loop over pairs, as published"),
        "numpy-vectors": _loop(pose_nms.vector_overlaps, "all pairs of a person at once"),
    }
    return Case(
        op=OP,
        name=f"{decay} {images} images",
        shape=(people, joints, 2),
        dtype=dtype,
        make_inputs=partial(make_people, images, dtype),
        ours=partial(ours, decay=decay),
        reference=partial(definition, decay=decay),
        traffic=Traffic(
            read=people * (joints * 2 + 2) * dtype.itemsize + (images + 1) * 8,
            written=people * (1 + 8 + dtype.itemsize),
        ),
        alternatives=alternatives if loops else {},
        tolerance=Tolerance(absolute=1e-6),
        quick=quick,
    )


def cases() -> list[Case]:
    return [
        _case(VAL_IMAGES // 50, "gaussian", torch.float64, loops=True, quick=True),
        _case(VAL_IMAGES // 10, "gaussian", torch.float64, loops=True),
        _case(VAL_IMAGES, "gaussian", torch.float64),
        _case(VAL_IMAGES, "gaussian", torch.float32),
        _case(VAL_IMAGES, "linear", torch.float64),
    ]


def overhead() -> Overhead:
    def make(device: torch.device) -> Inputs:
        people = (torch.rand(2, 17, 2), torch.rand(2), torch.full((2,), 0.1), torch.tensor([0, 2]))
        return (*(tensor.to(device) for tensor in people), torch.tensor(COCO_17, device=device))

    return Overhead(OP, make, partial(ours, decay="gaussian"))
