"""centernet_decode on maps of 128 x 128 with 1 to 50 people, beside pooling, top-k and all distances in torch."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives import centernet_parser
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Traffic, compiled
from benchmarks.centred_people import crowd

OP = "centernet_decode"
PEOPLE = (1, 5, 20, 50)
SIZE = (128, 128)
JOINTS = 17
CHANNELS = 1 + 2 + 2 * JOINTS + 2 + JOINTS + 2
SURE = 0.3  # centres of noise come in any order


def make_maps(people: int, batch: int, dtype: torch.dtype, device: torch.device) -> Inputs:
    images = [crowd(people, seed=1000 * people + index, size=SIZE)[1] for index in range(batch)]
    return tuple(torch.cat([image[name] for image in images]).to(device, dtype) for name in images[0])


def ours(
    centers: Tensor, sizes: Tensor, joint_offsets: Tensor, steps: Tensor, joints: Tensor, joint_steps: Tensor
) -> pyposeops.CenternetPeople:
    return pyposeops.centernet_decode(
        centers,
        sizes,
        joint_offsets,
        center_offsets=steps,
        joint_heatmaps=joints,
        joint_heatmap_offsets=joint_steps,
    )


def definition(*maps: Tensor) -> tuple[Tensor, ...]:
    centers, sizes, joint_offsets, steps, joints, joint_steps = (tensor.cpu() for tensor in maps)
    return pyposeops.reference.centernet_decode(
        centers,
        sizes,
        joint_offsets,
        center_offsets=steps,
        joint_heatmaps=joints,
        joint_heatmap_offsets=joint_steps,
    )


def _sure_people(
    result: tuple[Tensor, ...], expected: tuple[Tensor, ...]
) -> tuple[list[Tensor], list[Tensor]]:
    sure = expected[3] > SURE
    keypoints, _, scores = (tensor.cpu() for tensor in result)
    return [keypoints[sure], scores[sure]], [expected[0][sure], expected[3][sure]]


def _case(people: int, *, batch: int = 1, dtype: torch.dtype = torch.float32, quick: bool = False) -> Case:
    alternatives = {}
    if dtype == torch.float32:
        alternatives["torch-eager"] = Alternative(centernet_parser.decode, comparable=_sure_people)
        if batch > 1:
            alternatives["torch-compile"] = compiled(centernet_parser.decode, comparable=_sure_people)
    pixels = batch * SIZE[0] * SIZE[1] * dtype.itemsize
    return Case(
        op=OP,
        name=f"{people} people" if batch == 1 else f"{people} people, {batch} images",
        shape=(batch, CHANNELS, *SIZE),
        dtype=dtype,
        make_inputs=partial(make_maps, people, batch, dtype),
        ours=ours,
        reference=definition,
        traffic=Traffic(read=pixels * (1 + JOINTS), written=batch * 100 * (3 * JOINTS + 5) * 4),
        alternatives=alternatives,
        quick=quick,
    )


def cases() -> list[Case]:
    return [
        *(_case(people, quick=people == 5) for people in PEOPLE),
        _case(5, batch=8),
        _case(5, batch=8, dtype=torch.float16),
    ]


def overhead() -> Overhead:
    def make(device: torch.device) -> Inputs:
        return tuple(torch.zeros(1, channels, 2, 2, device=device) for channels in (1, 2, 34, 2, 17, 2))

    return Overhead(OP, make, ours)
