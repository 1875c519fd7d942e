"""simcc_decode beside mmpose's NumPy and torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives.simcc import numpy_positions, torch_positions
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic, compiled

OP = "simcc_decode"
JOINTS = 17
SPLIT_RATIO = 2.0
SIGMA_BINS = 6.0
BLUR_KERNEL = 37
PAIRS = tuple((k, k + 1) for k in range(1, JOINTS, 2))
ORDER = [0, *(k for left, right in PAIRS for k in (right, left))]


@dataclass(frozen=True)
class Setting:
    """One way to decode."""

    batch: int = 64
    size: tuple[int, int] = (256, 192)
    refine: str = "none"
    softmax: bool = False
    flip: bool = False
    dtype: torch.dtype = torch.float32

    @property
    def name(self) -> str:
        return " ".join([self.refine, *(["softmax"] * self.softmax), *(["flip test"] * self.flip)])


def make_rows(setting: Setting, device: torch.device) -> Inputs:
    """Labels under a little noise; twice for the flip test."""
    generator = torch.Generator().manual_seed(0)
    height, width = setting.size
    rows: list[Tensor] = []
    for _ in range(2 if setting.flip else 1):
        room = torch.tensor([width - 1.0, height - 1.0])
        points = torch.rand(setting.batch, JOINTS, 2, generator=generator) * room
        labels = pyposeops.simcc_label(
            points, torch.ones(setting.batch, JOINTS), setting.size, split_ratio=SPLIT_RATIO, sigma=SIGMA_BINS
        )
        rows += [row + 1e-4 * torch.rand(row.shape, generator=generator) for row in labels[:2]]
    return tuple(row.to(device, setting.dtype) for row in rows)


def _decode(function: Any, options: dict[str, Any], x: Tensor, y: Tensor, *flipped: Tensor) -> Any:
    return function(x, y, flipped=flipped or None, **options)


def _alternatives(setting: Setting) -> dict[str, Alternative]:
    if setting.dtype != torch.float32:
        return {}
    plain = not setting.softmax and not setting.flip
    kernel = BLUR_KERNEL if setting.refine == "dark" else None
    alternatives = {}
    if plain:
        alternatives["numpy-official"] = Alternative(
            partial(numpy_positions, split_ratio=SPLIT_RATIO, blur_kernel=kernel),
            prepare=lambda x, y: (x.numpy(), y.numpy()),
            devices=("cpu",),
            requires="cv2" if kernel else "numpy",
        )
    if setting.refine == "none":
        vectorised = partial(torch_positions, split_ratio=SPLIT_RATIO, order=ORDER, softmax=setting.softmax)
        alternatives["torch-eager"] = Alternative(vectorised)
        alternatives["torch-compile"] = compiled(vectorised)
    return alternatives


def _case(setting: Setting, *, quick: bool = False) -> Case:
    options: dict[str, Any] = {
        "split_ratio": SPLIT_RATIO,
        "refine": setting.refine,
        "blur_kernel": BLUR_KERNEL,
        "normalization": "softmax" if setting.softmax else "none",
        "flip_pairs": PAIRS if setting.flip else (),
    }
    bins = round(setting.size[0] * SPLIT_RATIO) + round(setting.size[1] * SPLIT_RATIO)
    joints = setting.batch * JOINTS
    return Case(
        op=OP,
        name=setting.name,
        shape=(setting.batch, JOINTS, bins),
        dtype=setting.dtype,
        make_inputs=partial(make_rows, setting),
        ours=partial(_decode, pyposeops.simcc_decode, options),
        reference=partial(_decode, pyposeops.reference.simcc_decode, options),
        traffic=Traffic(
            read=joints * bins * setting.dtype.itemsize * (1 + setting.flip), written=joints * 12
        ),
        alternatives=_alternatives(setting),
        # Of nearly equal bins either may be the maximum once exponentials are rounded.
        tolerance=Tolerance(absolute=2e-3, outliers=2e-2 if setting.softmax and setting.flip else 0.0),
        quick=quick,
    )


def cases() -> list[Case]:
    return [
        _case(Setting(), quick=True),
        _case(Setting(refine="dark"), quick=True),
        _case(Setting(softmax=True)),
        _case(Setting(flip=True)),
        _case(Setting(softmax=True, flip=True)),
        _case(Setting(batch=256)),
        _case(Setting(size=(384, 288))),
        _case(Setting(dtype=torch.bfloat16)),
        _case(Setting(dtype=torch.float16)),
    ]


def overhead() -> Overhead:
    return Overhead(
        OP,
        lambda device: (torch.rand(1, 1, 4, device=device), torch.rand(1, 1, 4, device=device)),
        pyposeops.simcc_decode,
    )
