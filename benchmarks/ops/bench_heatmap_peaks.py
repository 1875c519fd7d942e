"""heatmap_peaks beside pooling with top-k in torch, and SciPy map by map."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

import pyposeops
from benchmarks.alternatives.heatmap_peaks import scipy_peaks, torch_peaks
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic, compiled

OP = "heatmap_peaks"
PEOPLE = 5
SIGMA_PX = 2.0
NOISE = 0.02
MAX_PEAKS = 30
ANY_ORDER = Tolerance(absolute=1e-3, outliers=1e-3)  # topk lists equal scores in any order


@dataclass(frozen=True)
class Setting:
    """One way to look for peaks."""

    shape: tuple[int, int, int, int]
    refine: str = "quarter"
    window: int = 5
    threshold: float = 0.0
    dtype: torch.dtype = torch.float32
    channels_last: bool = False
    kind: str = "people"

    @property
    def name(self) -> str:
        layout = " channels_last" if self.channels_last else ""
        return f"{self.kind} {self.window}x{self.window} >{self.threshold:g} {self.refine}{layout}"


def make_maps(setting: Setting, device: torch.device) -> Inputs:
    """Five people under noise, or noise alone: the hardest case, with a peak in every window or so."""
    generator = torch.Generator().manual_seed(0)
    batch, joints, height, width = setting.shape
    if setting.kind == "noise":
        maps = torch.rand(setting.shape, generator=generator)
    else:
        room = torch.tensor([width - 1.0, height - 1.0])
        centres = torch.rand(batch, PEOPLE, joints, 2, generator=generator) * room
        maps = pyposeops.gaussian_heatmap(
            centres, torch.ones(batch, PEOPLE, joints), (height, width), sigma=SIGMA_PX, encoding="unbiased"
        ).heatmaps
        maps += NOISE * torch.randn(setting.shape, generator=generator)
    layout = torch.channels_last if setting.channels_last else torch.contiguous_format
    return (maps.to(device, setting.dtype).contiguous(memory_format=layout),)


def _case(setting: Setting, *, compile_it: bool = False, quick: bool = False) -> Case:
    batch, joints, height, width = setting.shape
    options = {"refine": setting.refine, "window": setting.window, "threshold": setting.threshold}
    alternatives = {}
    # In half precision there are ties, of which pooling keeps all.
    if setting.refine == "quarter" and setting.dtype == torch.float32:
        rule = {"window": setting.window, "max_peaks": MAX_PEAKS, "threshold": setting.threshold}
        vectorised = partial(torch_peaks, **rule)
        alternatives["torch-eager"] = Alternative(vectorised, tolerance=ANY_ORDER)
        if compile_it:
            alternatives["torch-compile"] = compiled(vectorised, tolerance=ANY_ORDER)
            alternatives["scipy"] = Alternative(
                partial(scipy_peaks, **rule),
                prepare=lambda maps: (maps.contiguous().numpy(),),
                devices=("cpu",),
                requires="scipy",
            )
    maps_bytes = batch * joints * height * width * setting.dtype.itemsize
    return Case(
        op=OP,
        name=setting.name,
        shape=setting.shape,
        dtype=setting.dtype,
        make_inputs=partial(make_maps, setting),
        ours=partial(pyposeops.heatmap_peaks, max_peaks=MAX_PEAKS, **options),
        reference=partial(pyposeops.reference.heatmap_peaks, max_peaks=MAX_PEAKS, **options),
        traffic=Traffic(read=maps_bytes, written=batch * joints * (MAX_PEAKS * 3 * 4 + 8)),
        alternatives=alternatives,
        # Newton steps from peaks of mere noise divide by curvatures near 0.
        tolerance=Tolerance(absolute=1e-3, outliers=1e-3 if setting.refine == "dark" else 0.0),
        quick=quick,
    )


def cases() -> list[Case]:
    usual, large, many = (64, 17, 64, 48), (64, 17, 96, 72), (256, 17, 64, 48)
    return [
        _case(Setting(usual, kind="noise"), compile_it=True, quick=True),
        _case(Setting(usual), compile_it=True),
        _case(Setting(usual, threshold=0.1), compile_it=True, quick=True),
        _case(Setting(usual, window=3)),
        _case(Setting(usual, window=9)),
        _case(Setting(large)),
        _case(Setting(many, threshold=0.1)),
        _case(Setting(usual, threshold=0.1, dtype=torch.bfloat16)),
        _case(Setting(usual, threshold=0.1, dtype=torch.float16)),
        _case(Setting(usual, channels_last=True)),
        _case(Setting(usual, "dark", threshold=0.1)),
        _case(Setting(usual, "parabola", threshold=0.1)),
        _case(Setting(usual, "centroid", threshold=0.1)),
    ]


def overhead() -> Overhead:
    return Overhead(OP, lambda device: (torch.rand(1, 1, 4, 4, device=device),), pyposeops.heatmap_peaks)
