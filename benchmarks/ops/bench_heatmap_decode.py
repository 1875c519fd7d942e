"""heatmap_decode beside the NumPy and OpenCV loops of HRNet, mmpose and DarkPose, and vectorised torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives.flip_merge import COCO_PAIRS, torch_merge
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


def make_flip_inputs(setting: Setting, device: torch.device) -> Inputs:
    """Maps, those of the mirrored crops, and affines of crops of 256 x 192 pixels."""
    (heatmaps,) = make_inputs(setting, device)
    order = [0, *(joint for left, right in COCO_PAIRS for joint in (right, left))]
    layout = torch.channels_last if setting.channels_last else torch.contiguous_format
    boxes = torch.tensor([[100.0, 50.0, 120.0, 300.0]]).repeat(setting.shape[0], 1)
    affines = pyposeops.affine_from_box(boxes, (256, 192)).to(device)
    return heatmaps, heatmaps.flip(-1)[:, order].contiguous(memory_format=layout), affines


def _torch_flip_test(
    refine: str, heatmaps: Tensor, flipped: Tensor, affines: Tensor
) -> tuple[Tensor, Tensor]:
    """Merged, decoded and brought to the image by PyTorch's own operations."""
    coords, scores = VECTORISED[refine](torch_merge(heatmaps, flipped))
    return pyposeops.transform_keypoints(coords * 4, pyposeops.invert_affine(affines)), scores


def _flip_case(setting: Setting, *, compile_it: bool = False, quick: bool = False) -> Case:
    batch, joints, height, width = setting.shape
    options = {"refine": setting.refine, "flip_pairs": COCO_PAIRS, "shift": True, "input_size": (256, 192)}

    def ours(heatmaps: Tensor, flipped: Tensor, affines: Tensor) -> tuple[Tensor, Tensor]:
        return pyposeops.heatmap_decode(heatmaps, flipped=flipped, affines=affines, **options)

    def reference(heatmaps: Tensor, flipped: Tensor, affines: Tensor) -> tuple[Tensor, Tensor]:
        return pyposeops.reference.heatmap_decode(heatmaps, flipped=flipped, affines=affines, **options)

    alternatives = {}
    if (
        setting.refine in VECTORISED and setting.dtype == torch.float32
    ):  # they round the mean to half precision
        torch_flip_test = partial(_torch_flip_test, setting.refine)
        alternatives["torch-eager"] = Alternative(torch_flip_test)
        if compile_it:
            alternatives["torch-compile"] = compiled(torch_flip_test)
    return Case(
        op=OP,
        name=f"{setting.refine} flip test to image" + (" channels_last" if setting.channels_last else ""),
        shape=setting.shape,
        dtype=setting.dtype,
        make_inputs=partial(make_flip_inputs, setting),
        ours=ours,
        reference=reference,
        traffic=Traffic(
            read=2 * batch * joints * height * width * setting.dtype.itemsize, written=batch * joints * 3 * 4
        ),
        alternatives=alternatives,
        tolerance=Tolerance(absolute=2e-2),  # image pixels, of which a heatmap pixel has 12
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
        _case(Setting(usual, "megvii")),
        _flip_case(Setting(usual, "quarter"), compile_it=True, quick=True),
        _flip_case(Setting(usual, "dark")),
        _flip_case(Setting(many, "quarter")),
        _flip_case(Setting(usual, "quarter", torch.float16)),
        _flip_case(Setting(usual, "quarter", channels_last=True)),
    ]


def overhead() -> Overhead:
    return Overhead(OP, lambda device: (torch.rand(1, 1, 4, 4, device=device),), pyposeops.heatmap_decode)
