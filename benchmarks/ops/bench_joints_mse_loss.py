"""joints_mse_loss beside HRNet's loop over joints and vectorised torch."""

from __future__ import annotations

from functools import partial

import torch

import pyposeops
from benchmarks.alternatives.losses import compiled_training, mse_loop, mse_vectorised, training
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic

OP = "joints_mse_loss"
ROUNDING = {torch.float32: 1e-4, torch.float16: 2e-3, torch.bfloat16: 1e-2}


def make_inputs(
    shape: tuple[int, ...], dtype: torch.dtype, layout: torch.memory_format, device: torch.device
) -> Inputs:
    generator = torch.Generator().manual_seed(0)
    pred, target = (
        torch.rand(shape, generator=generator).to(device).contiguous(memory_format=layout) for _ in "pt"
    )
    weights = (torch.rand(shape[:2], generator=generator) > 1 / 6).float().to(device)
    return pred.to(dtype).requires_grad_(), target, weights


def _case(
    shape: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
    layout: torch.memory_format = torch.contiguous_format,
    quick: bool = False,
) -> Case:
    alternatives = {"torch-eager": Alternative(training(mse_vectorised))}
    if quick:
        alternatives["numpy-official"] = Alternative(training(mse_loop), note="HRNet's loop, in torch")
        alternatives["torch-compile"] = compiled_training(mse_vectorised)
    maps = torch.Size(shape).numel()
    return Case(
        op=OP,
        name="forward+backward" + (" channels_last" if layout == torch.channels_last else ""),
        shape=shape,
        dtype=dtype,
        make_inputs=partial(make_inputs, shape, dtype, layout),
        ours=training(pyposeops.joints_mse_loss),
        reference=training(pyposeops.reference.joints_mse_loss),
        traffic=Traffic(read=maps * (dtype.itemsize + 4), written=maps * dtype.itemsize),
        alternatives=alternatives,
        tolerance=Tolerance(absolute=1e-12, relative=ROUNDING[dtype], outliers=1e-3),
        quick=quick,
    )


def cases() -> list[Case]:
    usual, large = (64, 17, 64, 48), (64, 17, 96, 72)
    return [
        _case(usual, quick=True),
        _case(usual, layout=torch.channels_last),
        _case(usual, torch.bfloat16),
        _case(usual, torch.float16),
        _case(large),
    ]


def overhead() -> Overhead:
    def make(device: torch.device) -> Inputs:
        return torch.ones(1, 1, 4, 4, device=device), torch.ones(1, 1, 4, 4, device=device)

    return Overhead(OP, make, pyposeops.joints_mse_loss)
