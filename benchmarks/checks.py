"""Compares a result with the definition before anything is timed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.cases import Tolerance


class ResultDiffersError(AssertionError):
    """A contender did not compute what the definition says."""


def tensors_of(result: Any) -> list[torch.Tensor]:
    """The tensors of a result (tensor, array, or nested sequence of them), in order."""
    if isinstance(result, torch.Tensor):
        return [result.detach()]
    if isinstance(result, np.ndarray):
        return [torch.from_numpy(result)]
    if isinstance(result, Sequence) and not isinstance(result, str):
        return [tensor for part in result for tensor in tensors_of(part)]
    raise TypeError(f"expected tensors, arrays or a sequence of them, got {type(result).__name__}")


def check_result(name: str, result: Any, expected: Any, tolerance: Tolerance) -> None:
    """Raises ResultDiffersError unless every tensor of ``result`` equals its partner within ``tolerance``."""
    found, wanted = tensors_of(result), tensors_of(expected)
    if len(found) != len(wanted):
        raise ResultDiffersError(f"{name}: expected {len(wanted)} tensors, got {len(found)}")
    for index, (one, other) in enumerate(zip(found, wanted, strict=True)):
        _check_tensor(f"{name}, output {index}", one, other, tolerance)


def _check_tensor(name: str, found: torch.Tensor, wanted: torch.Tensor, tolerance: Tolerance) -> None:
    if found.shape != wanted.shape:
        raise ResultDiffersError(f"{name}: expected shape {tuple(wanted.shape)}, got {tuple(found.shape)}")
    found, wanted = found.cpu().double(), wanted.cpu().double()
    close = torch.isclose(found, wanted, rtol=tolerance.relative, atol=tolerance.absolute, equal_nan=True)
    outliers = 1.0 - close.double().mean().item() if close.numel() else 0.0
    if outliers > tolerance.outliers:
        worst = torch.where(close, 0.0, (found - wanted).abs()).max().item()
        raise ResultDiffersError(
            f"{name}: {outliers:.3%} of the values lie outside the tolerance of {tolerance.absolute:g}"
            f" + {tolerance.relative:g} relative ({tolerance.outliers:.3%} may); worst difference {worst:.3g}"
        )
