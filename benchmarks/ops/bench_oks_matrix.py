"""oks_matrix beside broadcasting and the published loops over pairs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives.losses import training
from benchmarks.alternatives.oks_matrix import broadcast, numpy_padded, numpy_ragged, ragged_broadcast
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic, compiled

OP = "oks_matrix"
JOINTS = 17
NUMPY = "pycocotools' and HRNet's loop over pairs"


def people(found: int, others: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """(found, K, 2) detections around (others, K, 2) ground truths, sigmas, areas and visibility."""
    truths = torch.rand(others, JOINTS, 2, generator=generator) * 500
    nearest = torch.arange(found) % others
    detections = truths[nearest] + torch.randn(found, JOINTS, 2, generator=generator) * 8
    sigmas = torch.rand(JOINTS, generator=generator) * 0.08 + 0.025
    areas = torch.rand(others, generator=generator) * 20000 + 1000
    visibility = torch.randint(0, 3, (others, JOINTS), generator=generator)
    return detections, truths, sigmas, areas, visibility


def padded_inputs(shape: tuple[int, int, int], needs_gradient: bool, device: torch.device) -> Inputs:
    batch, found, others = shape
    generator = torch.Generator().manual_seed(0)
    detections, truths, sigmas, areas, seen = people(batch * found, batch * others, generator)
    parts = (
        (batch, found, JOINTS, 2),
        (batch, others, JOINTS, 2),
        (JOINTS,),
        (batch, others),
        (batch, others, JOINTS),
    )
    tensors = (detections, truths, sigmas, areas, seen)
    first, *rest = (t.view(shape).to(device) for t, shape in zip(tensors, parts, strict=True))
    return first.requires_grad_(needs_gradient), *rest


def val2017_inputs(device: torch.device) -> Inputs:
    """2,693 images with 11,000 ground truths and up to 20 of their detections: the pairs of an evaluation."""
    generator = torch.Generator().manual_seed(0)
    images = 2693
    others = 1 + torch.randint(0, 7, (images,), generator=generator)
    found = torch.randint(8, 21, (images,), generator=generator)
    tensors = people(int(found.sum()), int(others.sum()), generator)
    offsets = [torch.cat([torch.zeros(1, dtype=torch.int64), n.cumsum(0)]) for n in (found, others)]
    return (*(t.to(device) for t in tensors), *offsets)


def _padded(detections: Tensor, truths: Tensor, sigmas: Tensor, areas: Tensor, visibility: Tensor) -> Tensor:
    return pyposeops.oks_matrix(detections, truths, sigmas=sigmas, areas=areas, visibility=visibility)


def _ragged(function: Any, *inputs: Any) -> Tensor:
    detections, truths, sigmas, areas, visibility, found, others = inputs
    result: Tensor = function(
        detections,
        truths,
        sigmas=sigmas,
        areas=areas,
        visibility=visibility,
        detection_offsets=found,
        truth_offsets=others,
    )
    return result


def _reference(
    detections: Tensor, truths: Tensor, sigmas: Tensor, areas: Tensor, visibility: Tensor
) -> Tensor:
    return pyposeops.reference.oks_matrix(
        detections, truths, sigmas=sigmas, areas=areas, visibility=visibility
    )


def _arrays(*inputs: Tensor) -> Inputs:
    return tuple(t.detach().cpu().numpy() for t in inputs)


def _traffic(found: int, others: int, pairs: int, backward: bool = False) -> Traffic:
    read = (found + others) * JOINTS * 8 + others * (JOINTS * 8 + 4)
    return Traffic(
        read=read * (2 if backward else 1), written=pairs * 4 + (found * JOINTS * 8 if backward else 0)
    )


def _case(shape: tuple[int, int, int], backward: bool) -> Case:
    batch, found, others = shape
    wrap = _trained if backward else lambda function: function
    alternatives = {"torch-eager": Alternative(wrap(broadcast))}
    if not backward:
        alternatives["torch-compile"] = compiled(broadcast)
        alternatives["numpy-official"] = Alternative(
            numpy_padded, prepare=_arrays, comparable=_as_float, devices=("cpu",), note=NUMPY
        )
    return Case(
        op=OP,
        name="padded, forward+backward" if backward else "padded",
        shape=(*shape, JOINTS),
        dtype=torch.float32,
        make_inputs=partial(padded_inputs, shape, backward),
        ours=wrap(_padded),
        reference=wrap(_reference),
        traffic=_traffic(batch * found, batch * others, batch * found * others, backward),
        alternatives=alternatives,
        tolerance=Tolerance(absolute=1e-6, relative=1e-3 if backward else 0.0),
        quick=not backward,
    )


def _trained(function: Callable[..., Tensor]) -> Callable[..., Inputs]:
    """The loss that a matrix is used for: one minus each similarity, and its gradient."""
    return training(lambda *inputs: (1 - function(*inputs)).sum())


def _as_float(result: Tensor, expected: Tensor) -> tuple[Tensor, Tensor]:
    return result.to(expected), expected


def _val2017_case() -> Case:
    detections, truths, *_, found, others = val2017_inputs(torch.device("cpu"))
    pairs = int(pyposeops.oks_pair_offsets(found, others)[-1])
    return Case(
        op=OP,
        name="ragged, the size of val2017",
        shape=(len(detections), len(truths), JOINTS),
        dtype=torch.float32,
        make_inputs=val2017_inputs,
        ours=partial(_ragged, pyposeops.oks_matrix),
        reference=partial(_ragged, pyposeops.reference.oks_matrix),
        traffic=_traffic(len(detections), len(truths), pairs),
        alternatives={
            "torch-eager": Alternative(ragged_broadcast, note="image by image"),
            "numpy-official": Alternative(
                numpy_ragged, prepare=_arrays, comparable=_as_float, devices=("cpu",), note=NUMPY
            ),
        },
        tolerance=Tolerance(absolute=1e-6),
    )


def cases() -> list[Case]:
    return [_case((64, 20, 5), backward=False), _case((64, 20, 5), backward=True), _val2017_case()]


def overhead() -> Overhead:
    def make(device: torch.device) -> Inputs:
        point, one = torch.zeros(1, 1, 1, 2, device=device), torch.ones(1, 1, device=device)
        return point, point, one[0], one, one[None]

    return Overhead(OP, make, _padded)
