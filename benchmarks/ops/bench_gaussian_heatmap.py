"""gaussian_heatmap beside the per-sample NumPy loops of HRNet and mmpose, vectorised torch, and kornia."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives.gaussian_heatmap import (
    SIGMA_PX,
    Setting,
    kornia_render,
    numpy_loop,
    same_peak_height,
    torch_separable,
)
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic, compiled

OP = "gaussian_heatmap"
ROUNDING = {torch.float32: 1e-5, torch.float16: 5e-4, torch.bfloat16: 4e-3}  # one rounding of values up to 1


def make_inputs(setting: Setting, device: torch.device) -> Inputs:
    """Joints anywhere in the input image, one in six not visible."""
    generator = torch.Generator().manual_seed(0)
    batch, joints = setting.shape[:2]
    height, width = setting.input_size
    keypoints = torch.rand(batch, joints, 2, generator=generator) * torch.tensor([width - 1.0, height - 1.0])
    visibility = (torch.rand(batch, joints, generator=generator) > 1 / 6).float()
    return keypoints.to(device), visibility.to(device)


def _drawing_case(setting: Setting, *, compile_it: bool = False, quick: bool = False) -> Case:
    eager = partial(torch_separable, setting=setting)
    alternatives = {
        "numpy-official": Alternative(
            partial(numpy_loop, setting=setting),
            prepare=lambda keypoints, visibility: (keypoints.numpy(), visibility.numpy()),
            devices=("cpu",),
            note="" if setting.dtype == torch.float32 else "float32",
        ),
        "torch-eager": Alternative(eager),
    }
    if compile_it:
        alternatives["torch-compile"] = compiled(eager)
    if setting.encoding != "udp" and setting.dtype == torch.float32 and not setting.channels_last:
        alternatives["kornia"] = Alternative(
            partial(kornia_render, setting=setting),
            comparable=same_peak_height,
            requires="kornia",
            note="each map sums to 1, is never cut off and ignores visibility; no weights",
        )
    return Case(
        op=OP,
        name=setting.encoding + (" channels_last" if setting.channels_last else ""),
        shape=setting.shape,
        dtype=setting.dtype,
        make_inputs=partial(make_inputs, setting),
        ours=partial(pyposeops.gaussian_heatmap, size=setting.size, **setting.options),
        reference=partial(pyposeops.reference.gaussian_heatmap, size=setting.size, **setting.options),
        traffic=_traffic(setting),
        alternatives=alternatives,
        tolerance=Tolerance(absolute=ROUNDING[setting.dtype]),
        quick=quick,
    )


def _traffic(setting: Setting) -> Traffic:
    batch, joints, height, width = setting.shape
    maps = batch * joints * height * width * setting.dtype.itemsize
    return Traffic(read=batch * joints * 3 * 4, written=maps + batch * joints * 4)


def _training_case(setting: Setting) -> Case:
    """Forward and the gradient in the keypoints, for a loss that reaches every pixel."""

    def with_gradient(draw: Callable[..., Any], keypoints: Tensor, *others: Tensor) -> Inputs:
        visibility, upstream = others
        heatmaps = draw(keypoints, visibility)[0]
        return heatmaps, *torch.autograd.grad(heatmaps, keypoints, upstream)

    def inputs_with_upstream(device: torch.device) -> Inputs:
        keypoints, visibility = make_inputs(setting, device)
        upstream = torch.randn(setting.shape, generator=torch.Generator().manual_seed(1)).to(device)
        return keypoints.requires_grad_(), visibility, upstream

    drawing, traffic = _drawing_case(setting), _traffic(setting)
    return Case(
        op=OP,
        name=f"{setting.encoding} forward+backward",
        shape=setting.shape,
        dtype=setting.dtype,
        make_inputs=inputs_with_upstream,
        ours=partial(with_gradient, drawing.ours),
        reference=partial(with_gradient, drawing.reference),
        traffic=Traffic(read=2 * traffic.read + traffic.written, written=traffic.written + traffic.read),
        alternatives={
            "torch-eager": Alternative(partial(with_gradient, partial(torch_separable, setting=setting))),
        },
        tolerance=Tolerance(absolute=1e-4, relative=1e-4),
    )


def cases() -> list[Case]:
    usual, large, many = (64, 17, 64, 48), (64, 17, 96, 72), (256, 17, 64, 48)
    return [
        _drawing_case(Setting(usual, "msra"), compile_it=True, quick=True),
        _drawing_case(Setting(large, "msra")),
        _drawing_case(Setting(many, "msra")),
        _drawing_case(Setting(usual, "msra", torch.bfloat16), quick=True),
        _drawing_case(Setting(usual, "msra", torch.float16)),
        _drawing_case(Setting(usual, "msra", channels_last=True)),
        _drawing_case(Setting(usual, "unbiased"), compile_it=True, quick=True),
        _drawing_case(Setting(usual, "unbiased", torch.bfloat16)),
        _drawing_case(Setting(usual, "udp")),
        _training_case(Setting(usual, "unbiased")),
    ]


def overhead() -> Overhead:
    call = partial(pyposeops.gaussian_heatmap, size=(4, 4), sigma=SIGMA_PX)
    return Overhead(
        OP, lambda device: (torch.ones(1, 1, 2, device=device), torch.ones(1, 1, device=device)), call
    )
