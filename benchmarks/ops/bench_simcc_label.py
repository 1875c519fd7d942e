"""simcc_label beside mmpose's loop over joints in NumPy, and torch."""

from __future__ import annotations

from functools import partial

import torch

import pyposeops
from benchmarks.alternatives.simcc import numpy_labels, torch_labels
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic, compiled

OP = "simcc_label"
JOINTS = 17
SPLIT_RATIO = 2.0
SIGMA_BINS = 6.0


def make_joints(batch: int, size: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Inputs:
    generator = torch.Generator().manual_seed(0)
    keypoints = torch.rand(batch, JOINTS, 2, generator=generator) * torch.tensor([size[1], size[0]])
    return keypoints.to(device, dtype), torch.ones(batch, JOINTS, device=device)


def _case(
    batch: int,
    size: tuple[int, int],
    *,
    compat: str = "mmpose",
    encoding: str = "gaussian",
    dtype: torch.dtype = torch.float32,
    quick: bool = False,
) -> Case:
    options = {"split_ratio": SPLIT_RATIO, "sigma": SIGMA_BINS}
    alternatives = {}
    if compat == "mmpose" and encoding == "gaussian" and dtype == torch.float32:
        vectorised = partial(torch_labels, size=size, **options)
        alternatives = {
            "numpy-official": Alternative(
                partial(numpy_labels, size=size, **options),
                prepare=lambda keypoints, visibility: (keypoints.numpy(), visibility.numpy()),
                devices=("cpu",),
            ),
            "torch-eager": Alternative(vectorised),
            "torch-compile": compiled(vectorised),
        }
    bins = round(size[0] * SPLIT_RATIO) + round(size[1] * SPLIT_RATIO)
    rule = {**options, "compat": compat, "encoding": encoding}
    return Case(
        op=OP,
        name=f"{encoding} {compat}",
        shape=(batch, JOINTS, bins),
        dtype=dtype,
        make_inputs=partial(make_joints, batch, size, dtype),
        ours=partial(pyposeops.simcc_label, size=size, **rule),
        reference=partial(pyposeops.reference.simcc_label, size=size, **rule),
        traffic=Traffic(
            read=batch * JOINTS * (2 * dtype.itemsize + 4),
            written=batch * JOINTS * (bins * dtype.itemsize + 4),
        ),
        alternatives=alternatives,
        tolerance=Tolerance(absolute=1e-6 if dtype == torch.float32 else 1e-3),
        quick=quick,
    )


def cases() -> list[Case]:
    usual, large = (256, 192), (384, 288)
    return [
        _case(64, usual, quick=True),
        _case(64, usual, compat="fixed"),
        _case(64, usual, encoding="one_hot", quick=True),
        _case(64, large),
        _case(256, usual),
        _case(64, usual, dtype=torch.bfloat16),
        _case(64, usual, dtype=torch.float16),
    ]


def overhead() -> Overhead:
    return Overhead(
        OP,
        lambda device: (torch.ones(1, 1, 2, device=device), torch.ones(1, 1, device=device)),
        partial(pyposeops.simcc_label, size=(4, 4)),
    )
