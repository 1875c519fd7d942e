"""offset_heatmap beside the NumPy loop of UDP's codes and vectorised torch."""

from __future__ import annotations

from functools import partial

import torch

import pyposeops
from benchmarks.alternatives.offset_heatmap import Setting, numpy_udp, torch_nearest, torch_udp
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic, compiled

OP = "offset_heatmap"
# Joints near the edge of a disc, which float32 arithmetic may put on its other side.
EDGES = 1e-5
ROUNDING = {torch.float32: 1e-5, torch.float16: 5e-4, torch.bfloat16: 4e-3}


def make_inputs(setting: Setting, device: torch.device) -> Inputs:
    """Joints anywhere on the map, one in six not visible; without a dimension of people where there is one."""
    generator = torch.Generator().manual_seed(0)
    shape = (setting.batch, setting.people, setting.joints)
    height, width = setting.size
    keypoints = torch.rand(*shape, 2, generator=generator) * torch.tensor([width - 1.0, height - 1.0])
    visibility = (torch.rand(shape, generator=generator) > 1 / 6).float()
    if setting.people == 1:
        keypoints, visibility = keypoints[:, 0], visibility[:, 0]
    return keypoints.to(device), visibility.to(device)


def _case(setting: Setting, *, compile_it: bool = False, quick: bool = False) -> Case:
    udp = setting.people == 1
    channels = (3 if udp else 2) * setting.joints
    options = {
        "size": setting.size,
        "kind": "udp" if udp else "offset",
        "dtype": setting.dtype,
        "channels_last": setting.channels_last,
    }
    eager = partial(torch_udp if udp else torch_nearest, setting=setting)
    alternatives = {"torch-eager": Alternative(eager)}
    if udp and not setting.channels_last and setting.dtype == torch.float32:
        alternatives["numpy-official"] = Alternative(
            partial(numpy_udp, setting=setting),
            prepare=lambda keypoints, visibility: (keypoints.numpy(), visibility.numpy()),
            devices=("cpu",),
        )
    if compile_it:
        alternatives["torch-compile"] = compiled(eager)
    pixels = setting.batch * setting.size[0] * setting.size[1]
    masks = 0 if udp else pixels * setting.joints
    weights = 4 * setting.batch * setting.joints
    return Case(
        op=OP,
        name=("udp" if udp else f"offset, {setting.people} people")
        + (" channels_last" if setting.channels_last else ""),
        shape=(setting.batch, channels, *setting.size),
        dtype=setting.dtype,
        make_inputs=partial(make_inputs, setting),
        ours=partial(pyposeops.offset_heatmap, **options),
        reference=partial(pyposeops.reference.offset_heatmap, **options),
        traffic=Traffic(
            read=setting.people * setting.batch * setting.joints * 3 * 4,
            written=pixels * channels * setting.dtype.itemsize + masks + weights,
        ),
        alternatives=alternatives,
        # offsets in radii are at most 1; those in pixels are as large as the radius
        tolerance=Tolerance(
            absolute=ROUNDING[setting.dtype] * (1 if udp else 2 * setting.radius), outliers=EDGES
        ),
        quick=quick,
    )


def cases() -> list[Case]:
    top_down, bottom_up = (64, 48), (128, 128)
    return [
        _case(Setting(64, 17, top_down), compile_it=True, quick=True),
        _case(Setting(64, 17, top_down, dtype=torch.bfloat16), quick=True),
        _case(Setting(64, 17, top_down, channels_last=True)),
        _case(Setting(64, 17, (96, 72))),
        _case(Setting(16, 17, bottom_up, people=8), compile_it=True),
    ]


def overhead() -> Overhead:
    return Overhead(
        OP,
        lambda device: (torch.ones(1, 1, 2, device=device), torch.ones(1, 1, device=device)),
        partial(pyposeops.offset_heatmap, size=(4, 4)),
    )
