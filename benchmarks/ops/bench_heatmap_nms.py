"""heatmap_nms beside pooling in torch, kornia, and SciPy map by map."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives.heatmap_peaks import kornia_nms, scipy_nms, torch_nms
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Traffic, compiled

OP = "heatmap_nms"


@dataclass(frozen=True)
class Setting:
    """One way to suppress."""

    shape: tuple[int, int, int, int]
    window: int = 5
    plateau: str = "first"
    dtype: torch.dtype = torch.float32
    channels_last: bool = False


def make_maps(setting: Setting, device: torch.device) -> Inputs:
    """Noise: a peak in every window or so."""
    maps = torch.rand(setting.shape, generator=torch.Generator().manual_seed(0))
    layout = torch.channels_last if setting.channels_last else torch.contiguous_format
    return (maps.to(device, setting.dtype).contiguous(memory_format=layout),)


def _inside(window: int) -> Any:
    """Both results without the border, on which kornia finds nothing."""
    cut = slice(window // 2, -(window // 2))

    def comparable(result: Tensor, expected: Tensor) -> tuple[Tensor, Tensor]:
        return result[..., cut, cut], expected[..., cut, cut]

    return comparable


def _case(setting: Setting, *, compile_it: bool = False, quick: bool = False) -> Case:
    batch, joints, height, width = setting.shape
    vectorised = partial(torch_nms, window=setting.window)
    alternatives = {"torch-eager": Alternative(vectorised)}
    if setting.dtype != torch.float32:
        alternatives = {}  # ties, of which pooling keeps all
    if compile_it:
        alternatives["torch-compile"] = compiled(vectorised)
        alternatives["kornia"] = Alternative(
            partial(kornia_nms, window=setting.window),
            comparable=_inside(setting.window),
            requires="kornia",
            note="finds nothing on the border",
        )
        alternatives["scipy"] = Alternative(
            partial(scipy_nms, window=setting.window),
            prepare=lambda maps: (maps.contiguous().numpy(),),
            devices=("cpu",),
            requires="scipy",
        )
    maps_bytes = batch * joints * height * width * setting.dtype.itemsize
    layout = " channels_last" if setting.channels_last else ""
    return Case(
        op=OP,
        name=f"{setting.window}x{setting.window} {setting.plateau}{layout}",
        shape=setting.shape,
        dtype=setting.dtype,
        make_inputs=partial(make_maps, setting),
        ours=partial(pyposeops.heatmap_nms, window=setting.window, plateau=setting.plateau),
        reference=partial(pyposeops.reference.heatmap_nms, window=setting.window, plateau=setting.plateau),
        traffic=Traffic(read=maps_bytes, written=maps_bytes),
        alternatives=alternatives,
        quick=quick,
    )


def cases() -> list[Case]:
    usual, many = (64, 17, 64, 48), (256, 17, 64, 48)
    return [
        _case(Setting(usual), compile_it=True, quick=True),
        _case(Setting(usual, plateau="all"), quick=True),
        _case(Setting(usual, plateau="none")),
        _case(Setting(usual, window=3)),
        _case(Setting(usual, window=9)),
        _case(Setting(many)),
        _case(Setting(usual, dtype=torch.bfloat16)),
        _case(Setting(usual, channels_last=True)),
    ]


def overhead() -> Overhead:
    return Overhead(OP, lambda device: (torch.rand(1, 1, 4, 4, device=device),), pyposeops.heatmap_nms)
