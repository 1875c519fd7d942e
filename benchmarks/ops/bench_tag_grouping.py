"""tag_grouping on maps of 512 x 512 with 1 to 50 people, beside a parser in NumPy and Python."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives import tag_parser
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Traffic
from benchmarks.tagged_people import JOINTS, crowd
from pyposeops.skeletons import COCO_17_TAG_ORDER

OP = "tag_grouping"
PEOPLE = (1, 5, 20, 50)
SIZE = (512, 512)
TAGS = 2  # those of the image and of the mirrored one
MOST = {"max_people": 60, "max_peaks": 60}


def make_maps(people: int, batch: int, hidden: float, dtype: torch.dtype, device: torch.device) -> Inputs:
    images = [
        crowd(people, seed=1000 * people + index, size=SIZE, hidden=hidden, tag_count=TAGS)
        for index in range(batch)
    ]
    maps = (torch.cat([image.heatmaps for image in images]), torch.cat([image.tags for image in images]))
    return tuple(tensor.to(device, dtype) for tensor in maps)


def ours(heatmaps: Tensor, tags: Tensor) -> pyposeops.TagPeople:
    return pyposeops.tag_grouping(heatmaps, tags, joint_order=COCO_17_TAG_ORDER, **MOST)


def definition(heatmaps: Tensor, tags: Tensor) -> tuple[Tensor, ...]:
    maps = (heatmaps.cpu(), tags.cpu())
    return pyposeops.reference.tag_grouping(*maps, joint_order=COCO_17_TAG_ORDER, **MOST)


def _same_people(result: list[Any], expected: tuple[Tensor, ...]) -> Any:
    keypoints, counts = expected[0].cpu().numpy(), expected[4].tolist()
    ours_of = [people[:count] for people, count in zip(keypoints, counts, strict=True)]
    return torch.from_numpy(np.concatenate(result)), torch.from_numpy(np.concatenate(ours_of))


def _case(
    people: int,
    *,
    batch: int = 1,
    hidden: float = 0.2,
    dtype: torch.dtype = torch.float32,
    quick: bool = False,
) -> Case:
    parser = Alternative(
        partial(tag_parser.decode, joint_order=COCO_17_TAG_ORDER, **MOST),
        prepare=lambda *maps: tuple(tensor.float().cpu().numpy() for tensor in maps),
        requires="scipy",
        comparable=_same_people,
        devices=("cpu",),
        note="seeks every joint of every person",
    )
    pixels = batch * JOINTS * SIZE[0] * SIZE[1] * dtype.itemsize
    crowded = f"{people} people, {hidden:.0%} hidden"
    return Case(
        op=OP,
        name=crowded if batch == 1 else f"{crowded}, {batch} images",
        shape=(batch, JOINTS, *SIZE),
        dtype=dtype,
        make_inputs=partial(make_maps, people, batch, hidden, dtype),
        ours=ours,
        reference=definition,
        traffic=Traffic(
            read=pixels * (2 + TAGS) if hidden else pixels, written=batch * people * JOINTS * 3 * 4
        ),
        alternatives={"numpy-official": parser} if batch == 1 else {},
        quick=quick,
    )


def cases() -> list[Case]:
    return [
        *(_case(people, quick=people == 5) for people in PEOPLE),
        _case(20, hidden=0.0),
        _case(5, batch=8),
        _case(5, batch=8, dtype=torch.float16),
    ]


def overhead() -> Overhead:
    def make(device: torch.device) -> Inputs:
        maps = torch.zeros(1, 17, 2, 2, device=device)
        return maps, maps.clone()

    return Overhead(OP, make, ours)
