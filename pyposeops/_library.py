"""What the operators share: registration with PyTorch, named options, NumPy arrays in and out."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch

P = ParamSpec("P")
R = TypeVar("R")

_LIBRARY = torch.library.Library("pyposeops", "DEF")


def register(schema: str, kernel: Callable[..., Any], fake: Callable[..., Any]) -> Callable[..., Any]:
    """Define one operator and return it.

    ``kernel`` allocates the outputs and calls ``pyposeops._core``, which picks the device; it serves CPU and CUDA.
    ``fake`` returns empty outputs of the right shape, dtype and layout for tracing. Mutated arguments carry an
    alias annotation in the schema. Autograd, where an operator has one, is a ``torch.autograd.Function`` around this
    operator in the operator's own file: entered only when a gradient is wanted, it costs nothing otherwise.
    """
    name = schema[: schema.index("(")]
    _LIBRARY.define(schema, tags=(torch.Tag.pt2_compliant_tag,))
    for key in ("CPU", "CUDA"):
        _LIBRARY.impl(name, kernel, key)
    # The operator itself has no gradient: results of inputs that require one do not, instead of failing in backward.
    _LIBRARY.impl(name, torch.library.fallthrough_kernel, "Autograd")
    torch.library.register_fake(f"pyposeops::{name}", fake, lib=_LIBRARY)
    operator: Callable[..., Any] = getattr(torch.ops.pyposeops, name).default
    return operator


def choice(value: str, codes: Mapping[str, int], name: str) -> int:
    """The code of an option, as the C++ side knows it; an unknown one is a ValueError that lists them all."""
    try:
        return codes[value]
    except (KeyError, TypeError):
        raise ValueError(f"{name}: expected one of {', '.join(codes)}, got {value!r}") from None


def accepts_numpy(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function on tensors take NumPy arrays instead: then it returns NumPy arrays.

    The first argument, an array or a list that starts with one, decides; all arrays are converted with it. An
    argument named ``out`` is written to, so it must not be one of the arrays that are copied.
    """

    first_name = next(iter(inspect.signature(function).parameters))

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        first: Any = args[0] if args else kwargs.get(first_name)
        if isinstance(first, torch.Tensor):
            return function(*args, **kwargs)
        if isinstance(first, (list, tuple)) and first:
            first = first[0]
        if not isinstance(first, np.ndarray):
            return function(*args, **kwargs)
        if isinstance(kwargs.get("out"), np.ndarray) and _needs_copy(kwargs["out"]):
            raise ValueError("out: expected a writable array without negative strides")
        tensors: list[Any] = [_to_tensor(value) for value in args]
        named: dict[str, Any] = {name: _to_tensor(value) for name, value in kwargs.items()}
        result: Any = _to_numpy(function(*tensors, **named))
        return result  # type: ignore[no-any-return]

    return wrapper


def _needs_copy(array: Any) -> bool:
    return not array.flags.writeable or any(stride < 0 for stride in array.strides)


def _to_tensor(value: Any) -> Any:
    """Arrays share their memory with the tensor, but for read-only ones and negative strides: those are copied."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_to_tensor, value))
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], np.ndarray):
        return [_to_tensor(item) for item in value]
    if not isinstance(value, np.ndarray):
        return value
    if _needs_copy(value):
        value = value.copy()
    return torch.from_numpy(value)


def _to_numpy(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.numpy()
    if isinstance(value, tuple):
        items = [_to_numpy(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return value
