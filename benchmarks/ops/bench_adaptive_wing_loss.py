"""adaptive_wing_loss beside mmpose's."""

from __future__ import annotations

from functools import partial

import torch

import pyposeops
from benchmarks.alternatives.losses import adaptive_wing_mmpose, training
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic
from benchmarks.ops.bench_joints_mse_loss import make_inputs

OP = "adaptive_wing_loss"


def cases() -> list[Case]:
    shape, maps = (64, 17, 64, 48), 64 * 17 * 64 * 48 * 4
    return [
        Case(
            op=OP,
            name="forward+backward",
            shape=shape,
            dtype=torch.float32,
            make_inputs=partial(make_inputs, shape, torch.float32, torch.contiguous_format),
            ours=training(pyposeops.adaptive_wing_loss),
            reference=training(pyposeops.reference.adaptive_wing_loss),
            traffic=Traffic(read=2 * maps, written=maps),
            alternatives={"torch-eager": Alternative(training(adaptive_wing_mmpose), note="mmpose's")},
            tolerance=Tolerance(absolute=1e-10, relative=1e-3, outliers=1e-3),
        )
    ]


def overhead() -> Overhead:
    def make(device: torch.device) -> Inputs:
        return torch.ones(1, 1, 4, 4, device=device), torch.ones(1, 1, 4, 4, device=device)

    return Overhead(OP, make, pyposeops.adaptive_wing_loss)
