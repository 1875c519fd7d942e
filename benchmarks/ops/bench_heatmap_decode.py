"""heatmap_decode beside the NumPy and OpenCV loops of HRNet, mmpose and DarkPose, and vectorised torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

import pyposeops
from benchmarks.alternatives.heatmap_decode import PUBLISHED, VECTORISED
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic, compiled

OP = "heatmap_decode"
SIGMA_PX = 2.0
NOISE = 0.02
# Pixels: logarithms of values that are within 1e-6, divided by curvatures around 1/8, some less under the noise.
TOLERANCE = Tolerance(absolute=2e-4)


@dataclass(frozen=True)
class Setting:
    """One way to decode a batch of maps."""

    shape: tuple[int, int, int, int]
    refine: str
    dtype: torch.dtype = torch.float32
    channels_last: bool = False


def make_inputs(setting: Setting, device: torch.device) -> Inputs:
    """One Gaussian per map, its centre anywhere on it, under noise: much like what a trained network gives."""
    generator = torch.Generator().manual_seed(0)
    batch, joints, height, width = setting.shape
    centres = torch.rand(batch, joints, 2, generator=generator) * torch.tensor([width - 1.0, height - 1.0])
    heatmaps = pyposeops.gaussian_heatmap(
        centres, torch.ones(batch, joints), (height, width), sigma=SIGMA_PX, encoding="unbiased"
    ).heatmaps
    heatmaps += NOISE * torch.randn(setting.shape, generator=generator)
    layout = torch.channels_last if setting.channels_last else torch.contiguous_format
    return (heatmaps.to(device, setting.dtype).contiguous(memory_format=layout),)


def _alternatives(setting: Setting, *, compile_it: bool) -> dict[str, Alternative]:
    alternatives = {}
    if setting.refine in PUBLISHED:
        alternatives["numpy-official"] = Alternative(
            PUBLISHED[setting.refine],
            prepare=lambda heatmaps: (heatmaps.float().contiguous().numpy(),),
            devices=("cpu",),
            requires="cv2" if setting.refine.startswith("dark") else None,
            note="without the way back to the image"
            + ("" if setting.dtype == torch.float32 else ", float32"),
        )
    if setting.refine in VECTORISED:
        note = "smooths a window around each peak only" if setting.refine == "dark" else ""
        alternatives["torch-eager"] = Alternative(VECTORISED[setting.refine], note=note)
        if compile_it:
            alternatives["torch-compile"] = compiled(VECTORISED[setting.refine], note=note)
    return alternatives


def _case(setting: Setting, *, compile_it: bool = False, quick: bool = False) -> Case:
    batch, joints, height, width = setting.shape
    return Case(
        op=OP,
        name=setting.refine + (" channels_last" if setting.channels_last else ""),
        shape=setting.shape,
        dtype=setting.dtype,
        make_inputs=partial(make_inputs, setting),
        ours=partial(pyposeops.heatmap_decode, refine=setting.refine),
        reference=partial(pyposeops.reference.heatmap_decode, refine=setting.refine),
        traffic=Traffic(
            read=batch * joints * height * width * setting.dtype.itemsize, written=batch * joints * 3 * 4
        ),
        alternatives=_alternatives(setting, compile_it=compile_it),
        tolerance=TOLERANCE,
        quick=quick,
    )


def cases() -> list[Case]:
    usual, large, many = (64, 17, 64, 48), (64, 17, 96, 72), (256, 17, 64, 48)
    return [
        _case(Setting(usual, "none")),
        _case(Setting(usual, "quarter"), compile_it=True, quick=True),
        _case(Setting(large, "quarter")),
        _case(Setting(many, "quarter")),
        _case(Setting(usual, "quarter", torch.float16)),
        _case(Setting(usual, "quarter", torch.bfloat16), quick=True),
        _case(Setting(usual, "quarter", channels_last=True)),
        _case(Setting(usual, "quarter_mmpose")),
        _case(Setting(usual, "dark"), compile_it=True, quick=True),
        _case(Setting(large, "dark")),
        _case(Setting(many, "dark")),
        _case(Setting(usual, "dark", torch.float16)),
        _case(Setting(usual, "dark", channels_last=True)),
        _case(Setting(usual, "dark_udp")),
        _case(Setting(usual, "parabola")),
    ]


def overhead() -> Overhead:
    return Overhead(OP, lambda device: (torch.rand(1, 1, 4, 4, device=device),), pyposeops.heatmap_decode)
