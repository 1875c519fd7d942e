"""paf_decode on images of 656 x 368 pixels with 1 to 50 standing people, beside a parser in NumPy and Python."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives import paf_parser
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Traffic
from benchmarks.planted_people import crowd
from pyposeops.skeletons import OPENPOSE_COCO_18

OP = "paf_decode"
PEOPLE = (1, 5, 20, 50)
SIZE = (46, 82)
BATCH = 32


def make_maps(people: int, batch: int, dtype: torch.dtype, device: torch.device) -> Inputs:
    images = [crowd(people, seed=1000 * people + index, size=SIZE) for index in range(batch)]
    maps = (torch.cat([image.heatmaps for image in images]), torch.cat([image.pafs for image in images]))
    return tuple(tensor.to(device, dtype) for tensor in maps)


def ours(heatmaps: Tensor, pafs: Tensor) -> pyposeops.PafPeople:
    return pyposeops.paf_decode(heatmaps, pafs, OPENPOSE_COCO_18)


def definition(heatmaps: Tensor, pafs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return pyposeops.reference.paf_decode(heatmaps.cpu(), pafs.cpu(), OPENPOSE_COCO_18)


def _people_counted(result: list[list[dict[str, Any]]], expected: tuple[Tensor, ...]) -> Any:
    """The parsers cut and join differently: what must agree is that they find about as many people."""
    found = torch.tensor([float(len(people)) for people in result])
    counts = expected[2].cpu().float()
    assert ((found - counts).abs() <= 2 + 0.25 * counts).all(), f"{found} people, ours {counts}"
    return counts, counts


def _case(people: int, batch: int, dtype: torch.dtype, *, quick: bool = False) -> Case:
    element = dtype.itemsize
    cells = SIZE[0] * SIZE[1]
    parser = Alternative(
        partial(paf_parser.decode, skeleton=OPENPOSE_COCO_18, upsampling=4),
        prepare=lambda *maps: tuple(tensor.float().cpu().numpy() for tensor in maps),
        requires="cv2",
        comparable=_people_counted,
        devices=("cpu",),
        note="whole maps enlarged 4 times, ten points a limb; compared by the number of people",
    )
    return Case(
        op=OP,
        name=f"{people} people" if batch == 1 else f"{people} people, {batch} images",
        shape=(batch, 18 + 38, *SIZE),
        dtype=dtype,
        make_inputs=partial(make_maps, people, batch, dtype),
        ours=ours,
        reference=definition,
        traffic=Traffic(read=batch * 56 * cells * element, written=batch * people * 18 * 3 * 4),
        alternatives={"numpy-official": parser} if batch == 1 else {},
        quick=quick,
    )


def cases() -> list[Case]:
    singles = [_case(people, 1, torch.float32, quick=people == 5) for people in PEOPLE]
    return [*singles, _case(5, BATCH, torch.float32), _case(5, BATCH, torch.float16)]


def overhead() -> Overhead:
    def make(device: torch.device) -> Inputs:
        return torch.zeros(1, 18, 2, 2, device=device), torch.zeros(1, 38, 2, 2, device=device)

    return Overhead(OP, make, ours)
