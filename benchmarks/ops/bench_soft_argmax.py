"""soft_argmax_1d, _2d and _3d beside softmax and grid in PyTorch, and kornia."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

import pyposeops
from benchmarks.alternatives.soft_argmax import kornia_spatial, softmax_at_grid, softmax_marginals
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic, compiled

OP = "soft_argmax"
OURS = {
    3: (pyposeops.soft_argmax_1d, pyposeops.reference.soft_argmax_1d),
    4: (pyposeops.soft_argmax_2d, pyposeops.reference.soft_argmax_2d),
    5: (pyposeops.soft_argmax_3d, pyposeops.reference.soft_argmax_3d),
}
# The definition sums thousands of terms in float32; the alternatives keep probabilities in the dtype of the maps.
OUR_ERROR = Tolerance(absolute=2e-3)
THEIR_ERROR = {torch.float32: 2e-3, torch.float16: 0.3, torch.bfloat16: 3.0}


def make_inputs(
    shape: tuple[int, ...], dtype: torch.dtype, channels_last: bool, device: torch.device
) -> Inputs:
    """Logits as of a trained network: a bright joint above noise."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(shape, generator=generator)
    peaks = torch.randint(0, maps[0, 0].numel(), (*shape[:2], 1), generator=generator)
    maps = maps.flatten(2).scatter_(-1, peaks, 12.0).view(shape)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return (maps.to(device, dtype).contiguous(memory_format=layout),)


def _coords(function: Callable[..., Any], maps: Tensor, **options: Any) -> Tensor:
    coords: Tensor = function(maps, **options).coords
    return coords


def _first(function: Callable[..., Any], maps: Tensor, **options: Any) -> Tensor:
    coords: Tensor = function(maps, **options)[0]
    return coords


def _case(
    shape: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
    *,
    name: str = "softmax",
    channels_last: bool = False,
    compile_it: bool = False,
    quick: bool = False,
    **options: Any,
) -> Case:
    ours, definition = OURS[len(shape)]
    maps = torch.Size(shape).numel()
    lenient = Tolerance(absolute=THEIR_ERROR[dtype])
    alternatives = {}
    if not options:
        alternatives = {
            "torch-eager": Alternative(softmax_at_grid, tolerance=lenient),
            "torch-marginals": Alternative(softmax_marginals, tolerance=lenient),
        }
        if compile_it:
            alternatives["torch-compile"] = compiled(softmax_marginals, tolerance=lenient)
        if len(shape) == 4:
            alternatives["kornia"] = Alternative(kornia_spatial, tolerance=lenient, requires="kornia")
    return Case(
        op=OP,
        name=name + (" channels_last" if channels_last else ""),
        shape=shape,
        dtype=dtype,
        make_inputs=partial(make_inputs, shape, dtype, channels_last),
        ours=partial(_coords, ours, **options),
        reference=partial(_first, definition, **options),
        traffic=Traffic(read=maps * dtype.itemsize, written=shape[0] * shape[1] * (len(shape) + 1) * 4),
        alternatives=alternatives,
        tolerance=OUR_ERROR,
        quick=quick,
    )


def _with_gradient(coords: Callable[[Tensor], Tensor], maps: Tensor, upstream: Tensor) -> Inputs:
    result = coords(maps)
    return result, *torch.autograd.grad(result, maps, upstream.to(result.dtype))


def _training_case(shape: tuple[int, ...], *, channels_last: bool = False, quick: bool = False) -> Case:
    def inputs_with_upstream(device: torch.device) -> Inputs:
        (maps,) = make_inputs(shape, torch.float32, channels_last, device)
        upstream = torch.randn(*shape[:2], len(shape) - 2, generator=torch.Generator().manual_seed(1))
        return maps.requires_grad_(), upstream.to(device)

    ours, definition = OURS[len(shape)]
    maps = torch.Size(shape).numel() * 4
    return Case(
        op=OP,
        name="forward+backward" + (" channels_last" if channels_last else ""),
        shape=shape,
        dtype=torch.float32,
        make_inputs=inputs_with_upstream,
        ours=partial(_with_gradient, partial(_coords, ours)),
        reference=partial(_with_gradient, partial(_first, definition)),
        traffic=Traffic(read=2 * maps, written=maps),
        alternatives={
            "torch-eager": Alternative(partial(_with_gradient, softmax_at_grid)),
            "torch-marginals": Alternative(partial(_with_gradient, softmax_marginals)),
        },
        tolerance=OUR_ERROR,
        quick=quick,
    )


def cases() -> list[Case]:
    usual, volumes = (64, 17, 64, 48), (4, 17, 64, 64, 48)
    return [
        _case(usual, compile_it=True, quick=True),
        _case((64, 17, 96, 72)),
        _case(usual, torch.bfloat16, quick=True),
        _case(usual, torch.float16),
        _case(usual, channels_last=True),
        _case(usual, name="covariance", covariance=True),
        _case(usual, name="debias", debias=True),
        _case(usual, name="sigmoid", normalization="sigmoid"),
        _case(volumes, name="volumes"),
        _case((64, 17, 512), name="one axis"),
        _training_case(usual, quick=True),
        _training_case(usual, channels_last=True),
        _training_case(volumes),
    ]


def overhead() -> Overhead:
    return Overhead(
        OP,
        lambda device: (torch.rand(1, 1, 4, 4, device=device),),
        lambda maps: pyposeops.soft_argmax_2d(maps)[:2],
    )
