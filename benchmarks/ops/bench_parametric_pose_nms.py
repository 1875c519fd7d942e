"""parametric_pose_nms on the people found in COCO's validation set, beside AlphaPose's loop over images and people.

The loop takes seconds for the whole set, so that it is timed on a share of its images.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives import pose_nms
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic
from benchmarks.people_of_images import VAL_IMAGES, found_people
from pyposeops.ops.parametric_pose_nms import PoseNmsVariant

OP = "parametric_pose_nms"


def make_people(images: int, dtype: torch.dtype, device: torch.device) -> Inputs:
    """(boxes, box_scores, keypoints, keypoint_scores, offsets)."""
    people = found_people(images)
    tensors = (people.boxes, people.scores, people.keypoints, people.joint_scores)
    return (*(tensor.to(device, dtype) for tensor in tensors), people.offsets.to(device))


def ours(*tensors: Tensor, variant: PoseNmsVariant) -> pyposeops.PoseNms:
    return pyposeops.parametric_pose_nms(*tensors[:4], variant=variant, offsets=tensors[4])


def definition(*tensors: Tensor, variant: PoseNmsVariant) -> tuple[Tensor, ...]:
    people, offsets = [tensor.cpu() for tensor in tensors[:4]], tensors[4].cpu()
    return pyposeops.reference.parametric_pose_nms(*people, variant=variant, offsets=offsets)


def _case(
    images: int, variant: PoseNmsVariant, dtype: torch.dtype, *, loop: bool = False, quick: bool = False
) -> Case:
    people, joints = found_people(images).keypoints.shape[:2]
    alternative = Alternative(
        pose_nms.parametric_pose_nms,
        prepare=lambda *tensors: tuple(tensor.cpu().numpy() for tensor in tensors),
        comparable=lambda result, expected: (result, expected[:4]),
        devices=("cpu",),
        note="all pairs of a person at once",
    )
    return Case(
        op=OP,
        name=f"{variant} {images} images",
        shape=(people, joints, 2),
        dtype=dtype,
        make_inputs=partial(make_people, images, dtype),
        ours=partial(ours, variant=variant),
        reference=partial(definition, variant=variant),
        traffic=Traffic(
            read=people * (joints * 3 + 5) * dtype.itemsize + (images + 1) * 8,
            written=people * ((joints * 3 + 1) * dtype.itemsize + 1 + 8 + 8),
        ),
        alternatives={"numpy-vectors": alternative} if loop else {},
        tolerance=Tolerance(absolute=1e-4),
        quick=quick,
    )


def cases() -> list[Case]:
    return [
        _case(VAL_IMAGES // 50, "alphapose", torch.float64, loop=True, quick=True),
        _case(VAL_IMAGES // 10, "alphapose", torch.float64, loop=True),
        _case(VAL_IMAGES, "alphapose", torch.float64),
        _case(VAL_IMAGES, "alphapose", torch.float32),
        _case(VAL_IMAGES, "relative", torch.float64),
        _case(VAL_IMAGES, "paper", torch.float64),
    ]


def overhead() -> Overhead:
    def make(device: torch.device) -> Inputs:
        people = (
            torch.rand(2, 4),
            torch.rand(2),
            torch.rand(2, 17, 2),
            torch.rand(2, 17),
            torch.tensor([0, 2]),
        )
        return tuple(tensor.to(device) for tensor in people)

    return Overhead(OP, make, partial(ours, variant="alphapose"))
