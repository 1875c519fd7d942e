"""nearby_joints_nms on the people found in COCO's validation set, beside DEKR's loop over images and people.

The loop takes a second and more for the whole set, so that it is timed on a share of its images.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives import pose_nms
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Traffic
from benchmarks.people_of_images import VAL_IMAGES, found_people

OP = "nearby_joints_nms"


def make_people(images: int, dtype: torch.dtype, device: torch.device) -> Inputs:
    """(keypoints, scores, offsets)."""
    people = found_people(images)
    tensors = (tensor.to(device, dtype) for tensor in (people.keypoints, people.scores))
    return (*tensors, people.offsets.to(device))


def ours(keypoints: Tensor, scores: Tensor, offsets: Tensor) -> pyposeops.NearbyJointsNms:
    return pyposeops.nearby_joints_nms(keypoints, scores, offsets=offsets)


def definition(keypoints: Tensor, scores: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    return pyposeops.reference.nearby_joints_nms(keypoints.cpu(), scores.cpu(), offsets=offsets.cpu())


def _case(images: int, dtype: torch.dtype, *, loop: bool = False, quick: bool = False) -> Case:
    people, joints = found_people(images).keypoints.shape[:2]
    alternative = Alternative(
        pose_nms.nearby_joints_nms,
        prepare=lambda *tensors: tuple(tensor.cpu().numpy() for tensor in tensors),
        comparable=lambda keep, expected: (keep, expected[0]),
        devices=("cpu",),
    )
    return Case(
        op=OP,
        name=f"{images} images",
        shape=(people, joints, 2),
        dtype=dtype,
        make_inputs=partial(make_people, images, dtype),
        ours=ours,
        reference=definition,
        traffic=Traffic(
            read=people * (joints * 2 + 1) * dtype.itemsize + (images + 1) * 8, written=people * (1 + 8)
        ),
        alternatives={"numpy-official": alternative} if loop else {},
        quick=quick,
    )


def cases() -> list[Case]:
    return [
        _case(VAL_IMAGES // 50, torch.float64, loop=True, quick=True),
        _case(VAL_IMAGES // 10, torch.float64, loop=True),
        _case(VAL_IMAGES, torch.float64),
        _case(VAL_IMAGES, torch.float32),
    ]


def overhead() -> Overhead:
    def make(device: torch.device) -> Inputs:
        return tuple(t.to(device) for t in (torch.rand(2, 17, 2), torch.rand(2), torch.tensor([0, 2])))

    return Overhead(OP, make, ours)
