"""gaussian_heatmap_loss beside rendering and subtracting in torch, eager and compiled."""

from __future__ import annotations

from functools import partial

import torch

import pyposeops
from benchmarks.alternatives.gaussian_heatmap import SIGMA_PX, Setting
from benchmarks.alternatives.losses import compiled_training, render_and_subtract, training
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic

OP = "gaussian_heatmap_loss"
# A gradient near 1e-7 is compared in units of its own size; 16-bit floats round it once more.
ROUNDING = {torch.float32: 1e-4, torch.float16: 2e-3, torch.bfloat16: 1e-2}


def make_inputs(setting: Setting, with_gradient: bool, device: torch.device) -> Inputs:
    """Predictions around 0 and joints anywhere in the input image, one in six not visible."""
    generator = torch.Generator().manual_seed(0)
    batch, joints = setting.shape[:2]
    height, width = setting.input_size
    layout = torch.channels_last if setting.channels_last else torch.contiguous_format
    pred = (
        torch.randn(setting.shape, generator=generator)
        .to(device, setting.dtype)
        .contiguous(memory_format=layout)
    )
    keypoints = torch.rand(batch, joints, 2, generator=generator) * torch.tensor([width - 1.0, height - 1.0])
    visibility = (torch.rand(batch, joints, generator=generator) > 1 / 6).float()
    return pred.requires_grad_(with_gradient), keypoints.to(device), visibility.to(device)


def _case(setting: Setting, *, train: bool = True, compile_it: bool = False, quick: bool = False) -> Case:
    options = {"sigma": SIGMA_PX, "encoding": setting.encoding, "input_size": setting.input_size}
    ours = partial(pyposeops.gaussian_heatmap_loss, **options)
    reference = partial(pyposeops.reference.gaussian_heatmap_loss, **options)
    eager = partial(render_and_subtract, setting=setting)
    alternatives = {"torch-eager": Alternative(training(eager) if train else eager)}
    if compile_it:
        alternatives["torch-compile"] = compiled_training(eager)
    if train:
        ours, reference = training(ours), training(reference)
    batch, joints, height, width = setting.shape
    maps = batch * joints * height * width * setting.dtype.itemsize
    return Case(
        op=OP,
        name=setting.encoding + (" channels_last" * setting.channels_last) + (" forward+backward" * train),
        shape=setting.shape,
        dtype=setting.dtype,
        make_inputs=partial(make_inputs, setting, train),
        ours=ours,
        reference=reference,
        traffic=Traffic(read=maps + batch * joints * 12, written=maps * train + batch * joints * 4),
        alternatives=alternatives,
        tolerance=Tolerance(absolute=1e-12, relative=ROUNDING[setting.dtype], outliers=1e-3),
        quick=quick,
    )


def cases() -> list[Case]:
    usual, large = (64, 17, 64, 48), (64, 17, 96, 72)
    return [
        _case(Setting(usual, "msra"), train=False),
        _case(Setting(usual, "msra"), compile_it=True, quick=True),
        _case(Setting(usual, "unbiased"), compile_it=True, quick=True),
        _case(Setting(usual, "udp")),
        _case(Setting(usual, "msra", channels_last=True)),
        _case(Setting(usual, "msra", torch.bfloat16)),
        _case(Setting(usual, "msra", torch.float16)),
        _case(Setting(large, "msra")),
    ]


def overhead() -> Overhead:
    call = partial(pyposeops.gaussian_heatmap_loss, sigma=SIGMA_PX)
    return Overhead(
        OP,
        lambda device: (
            torch.ones(1, 1, 4, 4, device=device),
            torch.ones(1, 1, 2, device=device),
            torch.ones(1, 1, device=device),
        ),
        call,
    )
