"""pifpaf_decode on fields of 46 x 82 cells, of images of 656 x 368 pixels, with 1 to 50 people, beside Python."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

import pyposeops
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Traffic
from benchmarks.composite_people import LIMBS, STRIDE, crowd

OP = "pifpaf_decode"
PEOPLE = (1, 5, 20, 50)
SIZE = (46, 82)
CHANNELS = 17 * 5 + len(LIMBS) * 8


def make_fields(people: int, batch: int, dtype: torch.dtype, device: torch.device) -> Inputs:
    images = [crowd(people, seed=1000 * people + index, size=SIZE)[1] for index in range(batch)]
    return tuple(torch.cat(fields).to(device, dtype) for fields in zip(*images, strict=True))


def ours(cif: Tensor, caf: Tensor) -> pyposeops.PifpafPeople:
    return pyposeops.pifpaf_decode(cif, caf, LIMBS, stride_px=float(STRIDE))


def definition(cif: Tensor, caf: Tensor) -> tuple[Tensor, ...]:
    return pyposeops.reference.pifpaf_decode(cif.cpu(), caf.cpu(), LIMBS, stride_px=float(STRIDE))


def _case(people: int, *, batch: int = 1, dtype: torch.dtype = torch.float32, quick: bool = False) -> Case:
    alternatives = {}
    if dtype == torch.float32 and batch == 1:
        alternatives["torch-eager"] = Alternative(
            definition, devices=("cpu",), note="the definition, in Python"
        )
    cells = batch * SIZE[0] * SIZE[1] * dtype.itemsize
    return Case(
        op=OP,
        name=f"{people} people" if batch == 1 else f"{people} people, {batch} images",
        shape=(batch, CHANNELS, *SIZE),
        dtype=dtype,
        make_inputs=partial(make_fields, people, batch, dtype),
        ours=ours,
        reference=definition,
        traffic=Traffic(read=cells * CHANNELS, written=batch * people * 17 * 3 * 4),
        alternatives=alternatives,
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
        return torch.zeros(1, 17, 5, 2, 2, device=device), torch.zeros(1, len(LIMBS), 8, 2, 2, device=device)

    return Overhead(OP, make, ours)
