"""part_affinity_field beside the NumPy loop of OpenPose's ports and vectorised torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives.part_affinity_field import (
    JOINTS,
    LIMBS,
    STRIDE,
    Setting,
    numpy_loop,
    torch_whole_maps,
)
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic, compiled

OP = "part_affinity_field"
ROUNDING = {torch.float32: 1e-5, torch.float16: 1e-3, torch.bfloat16: 8e-3}
# Vectors that are there or not: float32 arithmetic puts a few pixels on the other side of an edge.
EDGES = 1e-5


def make_inputs(setting: Setting, device: torch.device) -> Inputs:
    """People of a third of the image's height anywhere in it, one joint in six not visible."""
    generator = torch.Generator().manual_seed(0)
    height, width = (STRIDE * n for n in setting.size)
    centres = torch.rand(setting.batch, setting.people, 1, 2, generator=generator) * torch.tensor(
        [width, height]
    )
    bodies = torch.randn(setting.batch, setting.people, JOINTS, 2, generator=generator) * (height / 8)
    seen = (torch.rand(setting.batch, setting.people, JOINTS, generator=generator) > 1 / 6).float()
    return (centres + bodies).to(device), seen.to(device)


def _case(setting: Setting, *, compile_it: bool = False, quick: bool = False) -> Case:
    eager = partial(torch_whole_maps, setting=setting)
    tolerance = Tolerance(absolute=ROUNDING[setting.dtype], outliers=EDGES)
    alternatives = {"torch-eager": Alternative(eager)}
    if setting.profile == "flat" and not setting.channels_last:
        alternatives["numpy-official"] = Alternative(
            partial(numpy_loop, setting=setting),
            prepare=lambda keypoints, visibility: (keypoints.numpy(), visibility.numpy()),
            devices=("cpu",),
            note="" if setting.dtype == torch.float32 else "float32",
        )
    if compile_it:
        alternatives["torch-compile"] = compiled(eager)
    maps = setting.dtype.itemsize
    for n in setting.shape:
        maps *= n
    joints = setting.batch * setting.people * JOINTS
    return Case(
        op=OP,
        name=f"{setting.profile}, {setting.people} people"
        + (" channels_last" if setting.channels_last else ""),
        shape=setting.shape,
        dtype=setting.dtype,
        make_inputs=partial(make_inputs, setting),
        ours=partial(_without_counts, pyposeops.part_affinity_field, setting),
        reference=partial(_without_counts, pyposeops.reference.part_affinity_field, setting),
        traffic=Traffic(read=joints * 3 * 4, written=maps + setting.batch * len(LIMBS) * 4),
        alternatives=alternatives,
        tolerance=tolerance,
        quick=quick,
    )


def _without_counts(
    function: Callable[..., Any], setting: Setting, keypoints: Tensor, visibility: Tensor
) -> tuple[Any, ...]:
    return tuple(function(keypoints, visibility, **setting.options)[:2])


def cases() -> list[Case]:
    training, large = (46, 46), (64, 64)
    return [
        _case(Setting(32, 4, training), compile_it=True, quick=True),
        _case(Setting(32, 4, training, dtype=torch.bfloat16), quick=True),
        _case(Setting(32, 4, training, channels_last=True)),
        _case(Setting(32, 4, training, profile="gaussian"), compile_it=True),
        _case(Setting(16, 20, large), compile_it=True),
        _case(Setting(128, 4, training)),
    ]


def overhead() -> Overhead:
    def call(keypoints: Tensor, visibility: Tensor) -> tuple[Any, ...]:
        return tuple(pyposeops.part_affinity_field(keypoints, visibility, ((0, 1),), (4, 4))[:2])

    return Overhead(
        OP, lambda device: (torch.rand(1, 2, 2, device=device), torch.ones(1, 2, device=device)), call
    )
