"""flip_merge beside the NumPy of HRNet and what torch projects write."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives.flip_merge import COCO_PAIRS, numpy_merge, torch_merge
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic, compiled

OP = "flip_merge"
ROUNDING = {torch.float32: 1e-7, torch.float16: 1e-3, torch.bfloat16: 8e-3}


def make_inputs(
    shape: tuple[int, ...], dtype: torch.dtype, layout: torch.memory_format, device: torch.device
) -> Inputs:
    generator = torch.Generator().manual_seed(0)
    maps = (torch.rand(shape, generator=generator).to(device, dtype) for _ in range(2))
    return tuple(each.contiguous(memory_format=layout) for each in maps)


def _to_arrays(heatmaps: Tensor, flipped: Tensor) -> tuple[np.ndarray, np.ndarray]:
    return heatmaps.contiguous().numpy(), flipped.contiguous().numpy()


def _case(
    shape: tuple[int, int, int, int],
    dtype: torch.dtype = torch.float32,
    *,
    name: str = "shift",
    layout: torch.memory_format = torch.contiguous_format,
    compile_it: bool = False,
    quick: bool = False,
) -> Case:
    alternatives = {"torch-eager": Alternative(torch_merge)}
    if compile_it:
        alternatives["torch-compile"] = compiled(torch_merge)
    if dtype == torch.float32:
        alternatives["numpy-official"] = Alternative(numpy_merge, prepare=_to_arrays, devices=("cpu",))

    def ours(heatmaps: Tensor, flipped: Tensor) -> Tensor:
        return pyposeops.flip_merge(heatmaps, flipped, COCO_PAIRS, shift=True)

    batch, joints, height, width = shape
    size = batch * joints * height * width * dtype.itemsize
    return Case(
        op=OP,
        name=name,
        shape=shape,
        dtype=dtype,
        make_inputs=partial(make_inputs, shape, dtype, layout),
        ours=ours,
        reference=partial(pyposeops.reference.flip_merge, flip_pairs=COCO_PAIRS, shift=True),
        traffic=Traffic(read=2 * size, written=size),
        alternatives=alternatives,
        tolerance=Tolerance(absolute=ROUNDING[dtype]),
        quick=quick,
    )


def cases() -> list[Case]:
    usual, large, many = (64, 17, 64, 48), (64, 17, 96, 72), (256, 17, 64, 48)
    return [
        _case(usual, compile_it=True, quick=True),
        _case(large),
        _case(many),
        _case(usual, torch.float16),
        _case(usual, torch.bfloat16, quick=True),
        _case(usual, name="shift channels_last", layout=torch.channels_last),
    ]


def overhead() -> Overhead:
    return Overhead(
        OP,
        lambda device: tuple(torch.rand(2, 1, 17, 2, 2, device=device)),
        lambda heatmaps, flipped: pyposeops.flip_merge(heatmaps, flipped, COCO_PAIRS),
    )
