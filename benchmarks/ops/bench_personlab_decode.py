"""personlab_decode on images of 656 x 368 pixels at stride 16 with 1 to 50 people, beside a port in NumPy."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives import personlab_parser
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic
from benchmarks.stepping_people import STRIDE, crowd
from pyposeops.skeletons import POSENET_EDGES

OP = "personlab_decode"
PEOPLE = (1, 5, 20, 50)
SIZE = (23, 41)
CHANNELS = 17 * 3 + 4 * len(POSENET_EDGES)
OPTIONS = {"stride_px": float(STRIDE), "max_people": 60}


def make_maps(people: int, batch: int, dtype: torch.dtype, device: torch.device) -> Inputs:
    images = [crowd(people, seed=1000 * people + index, size=SIZE)[1] for index in range(batch)]
    return tuple(torch.cat(maps).to(device, dtype) for maps in zip(*images, strict=True))


def ours(*maps: Tensor) -> pyposeops.PersonlabPeople:
    heatmaps, offsets, forward, backward = maps
    return pyposeops.personlab_decode(heatmaps, offsets, forward, backward, POSENET_EDGES, **OPTIONS)


def definition(*maps: Tensor) -> tuple[Tensor, ...]:
    heatmaps, offsets, forward, backward = (tensor.cpu() for tensor in maps)
    return pyposeops.reference.personlab_decode(
        heatmaps, offsets, forward, backward, POSENET_EDGES, **OPTIONS
    )


def _same_people(result: list[Any], expected: tuple[Tensor, ...]) -> Any:
    keypoints, counts = expected[0].cpu().numpy(), expected[2].tolist()
    ours_of = [people[:count] for people, count in zip(keypoints, counts, strict=True)]
    return torch.from_numpy(np.concatenate(result)), torch.from_numpy(np.concatenate(ours_of))


def _case(people: int, *, batch: int = 1, dtype: torch.dtype = torch.float32, quick: bool = False) -> Case:
    parser = Alternative(
        partial(personlab_parser.decode, edges=POSENET_EDGES, **OPTIONS),
        prepare=lambda *maps: tuple(tensor.float().cpu().numpy() for tensor in maps),
        requires="scipy",
        comparable=_same_people,
        tolerance=Tolerance(absolute=1e-3),  # float64 in between
        devices=("cpu",),
    )
    pixels = batch * SIZE[0] * SIZE[1] * dtype.itemsize
    return Case(
        op=OP,
        name=f"{people} people" if batch == 1 else f"{people} people, {batch} images",
        shape=(batch, CHANNELS, *SIZE),
        dtype=dtype,
        make_inputs=partial(make_maps, people, batch, dtype),
        ours=ours,
        reference=definition,
        traffic=Traffic(read=pixels * 17, written=batch * people * 17 * 3 * 4),
        alternatives={"numpy-official": parser} if dtype == torch.float32 else {},
        quick=quick,
    )


def cases() -> list[Case]:
    return [
        *(_case(people, quick=people == 5) for people in PEOPLE),
        _case(5, batch=32),
        _case(5, batch=32, dtype=torch.float16),
    ]


def overhead() -> Overhead:
    def make(device: torch.device) -> Inputs:
        return tuple(torch.zeros(1, channels, 2, 2, device=device) for channels in (17, 34, 32, 32))

    return Overhead(OP, make, ours)
