"""oks_loss beside a loop over people."""

from __future__ import annotations

import torch

import pyposeops
from benchmarks.alternatives.losses import oks_loop, training
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic

OP = "oks_loss"
PEOPLE, JOINTS = 256, 17


def make_inputs(device: torch.device) -> Inputs:
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(PEOPLE, JOINTS, 2, generator=generator) * 100
    pred = target + torch.randn(PEOPLE, JOINTS, 2, generator=generator) * 5
    visibility = torch.randint(0, 3, (PEOPLE, JOINTS), generator=generator)
    visibility[:, 0] = 2
    area = torch.rand(PEOPLE, generator=generator) * 9000 + 1000
    sigmas = torch.rand(JOINTS, generator=generator) * 0.08 + 0.025
    return pred.to(device).requires_grad_(), *(t.to(device) for t in (target, visibility, area, sigmas))


def cases() -> list[Case]:
    return [
        Case(
            op=OP,
            name="forward+backward",
            shape=(PEOPLE, JOINTS, 2),
            dtype=torch.float32,
            make_inputs=make_inputs,
            ours=training(pyposeops.oks_loss),
            reference=training(oks_loop),
            traffic=Traffic(read=PEOPLE * JOINTS * 24, written=PEOPLE * JOINTS * 8),
            alternatives={
                "torch-eager": Alternative(training(oks_loop), note="the loop, which is the definition")
            },
            tolerance=Tolerance(absolute=1e-7, relative=1e-3),
        )
    ]


def overhead() -> Overhead:
    def make(device: torch.device) -> Inputs:
        point, one = torch.zeros(1, 1, 2, device=device), torch.ones(1, device=device)
        return point, point, one[None], one, one

    return Overhead(OP, make, pyposeops.oks_loss)
