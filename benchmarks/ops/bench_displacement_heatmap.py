"""displacement_heatmap beside the per-pixel loop of DEKR's ports and vectorised torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives.offset_heatmap import Setting, numpy_displacement, torch_displacement
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic, compiled

OP = "displacement_heatmap"
RADIUS_PX = 4


def make_inputs(setting: Setting, device: torch.device) -> Inputs:
    """People anywhere on the map, joints around their roots, one in six not visible."""
    generator = torch.Generator().manual_seed(0)
    height, width = setting.size
    people = (setting.batch, setting.people)
    roots = torch.rand(*people, 2, generator=generator) * torch.tensor([width - 1.0, height - 1.0])
    joints = roots[:, :, None] + 10 * torch.randn(*people, setting.joints, 2, generator=generator)
    seen = (torch.rand(*people, setting.joints, generator=generator) > 1 / 6).float()
    sizes = 20 + 40 * torch.rand(people, generator=generator)
    return tuple(t.to(device) for t in (joints, seen, roots, sizes))


def _case(setting: Setting, *, compile_it: bool = False, quick: bool = False) -> Case:
    def draw(function: Callable[..., Any], *inputs: Tensor) -> Any:
        keypoints, visibility, roots, sizes = inputs
        return function(
            keypoints,
            visibility,
            setting.size,
            radius=RADIUS_PX,
            roots=roots,
            instance_sizes=sizes,
            dtype=setting.dtype,
            channels_last=setting.channels_last,
        )

    eager = partial(torch_displacement, setting=setting, radius=RADIUS_PX)
    alternatives = {
        "numpy-official": Alternative(
            partial(numpy_displacement, setting=setting, radius=RADIUS_PX),
            prepare=lambda *inputs: tuple(t.numpy() for t in inputs),
            devices=("cpu",),
        ),
        "torch-eager": Alternative(eager),
    }
    if compile_it:
        alternatives["torch-compile"] = compiled(eager)
    values = setting.batch * 3 * setting.joints * setting.size[0] * setting.size[1]
    return Case(
        op=OP,
        name=f"{setting.people} people" + (" channels_last" if setting.channels_last else ""),
        shape=(setting.batch, 2 * setting.joints, *setting.size),
        dtype=setting.dtype,
        make_inputs=partial(make_inputs, setting),
        ours=partial(draw, pyposeops.displacement_heatmap),
        reference=partial(draw, pyposeops.reference.displacement_heatmap),
        traffic=Traffic(
            read=setting.batch * setting.people * 3 * (setting.joints + 1) * 4,
            written=values * setting.dtype.itemsize,
        ),
        alternatives=alternatives,
        tolerance=Tolerance(absolute=1e-5),
        quick=quick,
    )


def cases() -> list[Case]:
    return [
        _case(Setting(16, 17, (128, 128), people=8), compile_it=True, quick=True),
        _case(Setting(16, 17, (128, 128), people=8, channels_last=True)),
        _case(Setting(16, 17, (128, 128), people=30)),
    ]


def overhead() -> Overhead:
    def call(keypoints: Tensor) -> pyposeops.DisplacementHeatmaps:
        seen, roots, sizes = keypoints[..., 0], keypoints[:, 0], keypoints[:, 0, 0]
        return pyposeops.displacement_heatmap(
            keypoints, seen, (4, 4), radius=1, roots=roots, instance_sizes=sizes
        )

    return Overhead(OP, lambda device: (torch.ones(1, 1, 2, device=device),), call)
