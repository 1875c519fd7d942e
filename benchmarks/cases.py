"""The vocabulary of a benchmark file: what is run, beside what, checked how, and how many bytes must move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch

Inputs: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True)
class Traffic:
    """Bytes an operator cannot avoid moving: every input read once, every output written once."""

    read: int
    written: int

    @property
    def total(self) -> int:
        return self.read + self.written


@dataclass(frozen=True)
class Tolerance:
    """How far a result may lie from the definition, and the share of its elements that may lie farther."""

    absolute: float = 1e-6
    relative: float = 0.0
    outliers: float = 0.0


def _unchanged(*inputs: Any) -> Inputs:
    return inputs


def _everything(result: Any, expected: Any) -> tuple[Any, Any]:
    return result, expected


@dataclass(frozen=True)
class Alternative:
    """One way people compute the same thing today.

    Args:
        run: called with the prepared inputs; only this is timed.
        prepare: turns the case's inputs into what ``run`` takes (NumPy arrays, a list of samples); not timed.
        comparable: ``(result, expected) -> (result, expected)`` cut down to what both define, for an
            alternative with other semantics; ``note`` then says what differs.
        tolerance: in place of the case's own.
        devices: kinds of device it can run on.
        requires: a module that must be importable; otherwise the alternative is absent from the results.
        slow_start: compiles for seconds before its first result; left out of quick runs.
        note: printed beside the number and kept in the JSON.
    """

    run: Callable[..., Any]
    prepare: Callable[..., Inputs] = _unchanged
    comparable: Callable[[Any, Any], tuple[Any, Any]] = _everything
    tolerance: Tolerance | None = None
    devices: tuple[str, ...] = ("cpu", "cuda")
    requires: str | None = None
    slow_start: bool = False
    note: str = ""


@dataclass(frozen=True, eq=False)
class Case:
    """One operator on one shape and dtype.

    Args:
        op: public name of the operator.
        name: what distinguishes the case beside shape and dtype, such as ``"msra"``.
        shape: the shape a reader expects: ``(B, K, H, W)``, or ``(N, 3, h, w)`` for crops.
        dtype: element type of the large tensor.
        make_inputs: builds the inputs of all contenders on a device, the same ones at every call.
        ours: our call; takes the inputs, returns a tensor or a (named) tuple of tensors.
        reference: the definition; takes the same inputs.
        traffic: bytes that must move.
        alternatives: name -> alternative, with names such as ``numpy-official`` or ``torch-eager``.
        tolerance: for our result and, unless they bring their own, for the alternatives.
        quick: part of quick runs.
    """

    op: str
    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    make_inputs: Callable[[torch.device], Inputs]
    ours: Callable[..., Any]
    reference: Callable[..., Any]
    traffic: Traffic
    alternatives: Mapping[str, Alternative] = field(default_factory=dict)
    tolerance: Tolerance = Tolerance()
    quick: bool = False

    @property
    def title(self) -> str:
        return f"{self.op} | {self.name} | {self.shape} {dtype_name(self.dtype)}"


@dataclass(frozen=True)
class Overhead:
    """One operator on tensors so small that only the way to it costs time: CPU, no gradient."""

    op: str
    make_inputs: Callable[[torch.device], Inputs]
    ours: Callable[..., Any]


def compiled(function: Callable[..., Any], **options: Any) -> Alternative:
    """``function`` through torch.compile, for the shapes at hand; ``options``: fields of Alternative."""

    def forget_other_shapes(*inputs: Any) -> Inputs:
        torch.compiler.reset()
        return inputs

    run = torch.compile(function, fullgraph=True, dynamic=False)
    return Alternative(run=run, prepare=forget_other_shapes, slow_start=True, **options)


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
