"""dsnt_loss beside the whole-map formulas of dsntnn."""

from __future__ import annotations

import torch

import pyposeops
from benchmarks.alternatives.losses import dsnt_js, training
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic

OP = "dsnt_loss"
SHAPE = (64, 17, 64, 48)


def make_inputs(device: torch.device) -> Inputs:
    """Softmax maps, joints anywhere on them, one in six not visible."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(SHAPE, generator=generator).flatten(2).softmax(-1).view(SHAPE)
    keypoints = torch.rand(*SHAPE[:2], 2, generator=generator) * torch.tensor(
        [SHAPE[3] - 1.0, SHAPE[2] - 1.0]
    )
    weights = (torch.rand(SHAPE[:2], generator=generator) > 1 / 6).float()
    return maps.to(device).requires_grad_(), keypoints.to(device), weights.to(device)


def cases() -> list[Case]:
    maps = torch.Size(SHAPE).numel() * 4
    return [
        Case(
            op=OP,
            name="js forward+backward",
            shape=SHAPE,
            dtype=torch.float32,
            make_inputs=make_inputs,
            ours=training(pyposeops.dsnt_loss),
            reference=training(dsnt_js),
            traffic=Traffic(read=maps, written=maps),
            alternatives={
                "torch-eager": Alternative(training(dsnt_js), note="dsntnn's, which is the definition")
            },
            tolerance=Tolerance(absolute=1e-8, relative=1e-3, outliers=1e-3),
        )
    ]


def overhead() -> Overhead:
    def make(device: torch.device) -> Inputs:
        return torch.full((1, 1, 4, 4), 1 / 16, device=device), torch.ones(1, 1, 2, device=device)

    return Overhead(OP, make, pyposeops.dsnt_loss)
