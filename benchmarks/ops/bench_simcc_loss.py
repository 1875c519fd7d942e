"""simcc_loss beside the published loop over joints."""

from __future__ import annotations

import torch

import pyposeops
from benchmarks.alternatives.losses import simcc_loop, training
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic

OP = "simcc_loss"
BATCH, JOINTS, WIDTH, HEIGHT = 64, 17, 384, 512


def make_inputs(device: torch.device) -> Inputs:
    """Logits and smooth labels that sum to 1, at twice the resolution of 192x256 crops."""
    generator = torch.Generator().manual_seed(0)

    def draw(bins: int) -> torch.Tensor:
        return torch.randn(BATCH, JOINTS, bins, generator=generator)

    logits = [draw(bins).to(device) for bins in (WIDTH, HEIGHT)]
    labels = [draw(bins).softmax(-1).to(device) for bins in (WIDTH, HEIGHT)]
    weights = (torch.rand(BATCH, JOINTS, generator=generator) > 1 / 6).float().to(device)
    return logits[0].requires_grad_(), logits[1], *labels, weights


def cases() -> list[Case]:
    elements = BATCH * JOINTS * (WIDTH + HEIGHT)
    return [
        Case(
            op=OP,
            name="forward+backward",
            shape=(BATCH, JOINTS, WIDTH + HEIGHT),
            dtype=torch.float32,
            make_inputs=make_inputs,
            ours=training(pyposeops.simcc_loss),
            reference=training(simcc_loop),
            traffic=Traffic(read=elements * 8, written=BATCH * JOINTS * WIDTH * 4),
            alternatives={
                "torch-eager": Alternative(
                    training(simcc_loop), note="the published loop, which is the definition"
                )
            },
            tolerance=Tolerance(absolute=1e-9, relative=1e-3, outliers=1e-3),
        )
    ]


def overhead() -> Overhead:
    def make(device: torch.device) -> Inputs:
        return tuple(torch.full((1, 1, 4), 0.25, device=device) for _ in range(4))

    return Overhead(OP, make, pyposeops.simcc_loss)
