"""ohkm_loss beside HRNet's loops over joints and samples, and vectorised torch."""

from __future__ import annotations

from functools import partial

import torch

import pyposeops
from benchmarks.alternatives.losses import ohkm_loop, ohkm_vectorised, training
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic
from benchmarks.ops.bench_joints_mse_loss import make_inputs

OP = "ohkm_loss"
TOP_K = 8


def _definition(pred: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    losses = pyposeops.reference.joints_mse_loss(pred, target, weights, reduction="none")
    return pyposeops.hardest_joints(losses, top_k=TOP_K)


def cases() -> list[Case]:
    shape, maps = (64, 17, 64, 48), 64 * 17 * 64 * 48 * 4
    return [
        Case(
            op=OP,
            name="forward+backward",
            shape=shape,
            dtype=torch.float32,
            make_inputs=partial(make_inputs, shape, torch.float32, torch.contiguous_format),
            ours=training(pyposeops.ohkm_loss, top_k=TOP_K),
            reference=training(_definition),
            traffic=Traffic(read=2 * maps, written=maps),
            alternatives={
                "numpy-official": Alternative(
                    training(ohkm_loop, top_k=TOP_K), note="HRNet's loops, in torch"
                ),
                "torch-eager": Alternative(training(ohkm_vectorised, top_k=TOP_K)),
            },
            tolerance=Tolerance(absolute=1e-12, relative=1e-4, outliers=1e-3),
            quick=True,
        )
    ]


def overhead() -> Overhead:
    def make(device: torch.device) -> Inputs:
        return torch.ones(1, 1, 4, 4, device=device), torch.ones(1, 1, 4, 4, device=device)

    return Overhead(OP, make, partial(pyposeops.ohkm_loss, top_k=1))
