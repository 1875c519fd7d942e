"""associative_embedding_loss beside mmpose's loop over people and joints, and vectorised torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives.losses import embedding_loop, embedding_vectorised, training
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic

OP = "associative_embedding_loss"


def make_inputs(shape: tuple[int, int, int, int], people: int, device: torch.device) -> Inputs:
    """Joints anywhere on the maps, one in six not visible."""
    generator = torch.Generator().manual_seed(0)
    batch, joints, height, width = shape
    tags = torch.randn(shape, generator=generator).to(device)
    limits = torch.tensor([width - 1.0, height - 1.0])
    keypoints = torch.rand(batch, people, joints, 2, generator=generator) * limits
    visibility = (torch.rand(batch, people, joints, generator=generator) > 1 / 6).float()
    return tags.requires_grad_(), keypoints.to(device), visibility.to(device)


def _total(loss: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., Tensor]:
    def total(*inputs: Tensor) -> Tensor:
        pull, push = loss(*inputs, compat="mmpose")
        return pull + push

    return total


def _case(shape: tuple[int, int, int, int], people: int, quick: bool = False) -> Case:
    maps = torch.Size(shape).numel() * 4
    tags = shape[0] * people * shape[1]
    return Case(
        op=OP,
        name=f"mmpose, {people} people, forward+backward",
        shape=shape,
        dtype=torch.float32,
        make_inputs=partial(make_inputs, shape, people),
        ours=training(_total(pyposeops.associative_embedding_loss)),
        reference=training(_total(pyposeops.reference.associative_embedding_loss)),
        traffic=Traffic(read=tags * 16, written=maps),
        alternatives={
            "numpy-official": Alternative(training(embedding_loop), note="mmpose's loop, in torch"),
            "torch-eager": Alternative(training(embedding_vectorised)),
        },
        tolerance=Tolerance(absolute=1e-6, relative=1e-4),
        quick=quick,
    )


def cases() -> list[Case]:
    return [_case((8, 17, 128, 128), 10, quick=True), _case((16, 17, 128, 128), 30)]


def overhead() -> Overhead:
    def make(device: torch.device) -> Inputs:
        tags, points = torch.ones(1, 1, 4, 4, device=device), torch.ones(1, 1, 1, 2, device=device)
        return tags, points, torch.ones(1, 1, 1, device=device)

    return Overhead(OP, make, pyposeops.associative_embedding_loss)
