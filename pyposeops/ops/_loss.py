"""What the losses share: reductions, the parts of a sum over maps, and the stored gradient."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

Reduction = Literal["mean", "sum", "none"]
REDUCTIONS = {"mean": 0, "sum": 1, "none": 2}
MEAN, SUM, NONE = REDUCTIONS.values()

_ELEMENTS_PER_PART = 8192
_TASKS = 512  # enough to fill a large GPU


def name_of(codes: dict[str, int], code: int) -> str:
    """The option that ``code`` stands for."""
    return next(name for name, value in codes.items() if value == code)


def reduce_losses(losses: Tensor, code: int) -> Tensor:
    """(B, ...) losses as ``reduction`` wants them; the mean of no losses is 0."""
    if code == NONE:
        return losses
    total = losses.sum()
    return total if code == SUM else total / max(losses.numel(), 1)


def loss_scale(pred: Tensor, code: int) -> float:
    """What the loss of a joint is multiplied with before all are added."""
    return 1.0 / max(pred.shape[0] * pred.shape[1], 1) if code == MEAN else 1.0


def gradient_gain(pred: Tensor, code: int) -> float:
    """What the stored gradient is multiplied with.

    The gradient of a mean over pixels and joints lies below the smallest float16: stored there without the division
    by their number, it keeps its digits until the gradient of the loss (with a loss scale in it) is multiplied in.
    """
    if pred.dtype != torch.float16:
        return 1.0
    return pred.shape[2] * pred.shape[3] / loss_scale(pred, code)


def allocate(pred: Tensor, with_gradient: bool) -> tuple[Tensor, Tensor]:
    """The losses (B, K, S), each in S parts of its rows, and the gradient (without elements if not wanted)."""
    if pred.ndim != 4:
        raise ValueError(f"pred: expected (B, K, H, W), got {tuple(pred.shape)}")
    batch, joints, height, width = pred.shape
    planes = batch * joints if pred.is_contiguous() else batch
    most = batch * joints * height * width // (max(planes, 1) * _ELEMENTS_PER_PART)
    parts = max(1, min(height, most, _TASKS // max(planes, 1)))
    dtype = torch.float64 if pred.dtype == torch.float64 else torch.float32
    losses = pred.new_empty((batch, joints, parts), dtype=dtype)
    return losses, torch.empty_like(pred) if with_gradient else pred.new_empty(0)


def join_parts(losses: Tensor, code: int) -> Tensor:
    """The result of the loss from the parts (B, K, S), which carry the scale of the mean already."""
    if code != NONE:
        return losses.sum()
    return losses.sum(-1) if losses.shape[-1] > 1 else losses[..., 0]


def take_gradient(ctx: Any) -> Tensor | None:
    """The gradient that the forward pass stored, to be overwritten: a second backward finds none."""
    gradient: Tensor | None = ctx.gradient
    ctx.gradient = None
    return gradient


def weighted_mean(losses: Tensor, weights: Tensor, code: int) -> Tensor:
    """As ``reduce_losses`` for ``weights * losses``, but the mean is over the sum of the weights (0 if that is 0)."""
    weighted = losses * weights
    if code == NONE:
        return weighted
    total = weighted.sum()
    if code == SUM:
        return total
    divisor = weights.sum()
    return total / torch.where(divisor != 0, divisor, 1.0)


def as_computed(tensor: Tensor, name: str) -> Tensor:
    """float16 and bfloat16 as float32, others as they are: where losses are computed."""
    if tensor.dtype not in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        raise TypeError(f"{name}: expected dtype float32, float64, float16, bfloat16, got {tensor.dtype}")
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def check_maps(pred: Tensor, target: Tensor) -> None:
    if pred.ndim != 4:
        raise ValueError(f"pred: expected (B, K, H, W), got {tuple(pred.shape)}")
    if target.shape != pred.shape:
        raise ValueError(f"target: expected the shape of pred {tuple(pred.shape)}, got {tuple(target.shape)}")


def check_weights(pred: Tensor, weights: Tensor | None) -> None:
    if weights is not None and weights.shape != pred.shape[:2]:
        raise ValueError(f"weights: expected (B, K) = {tuple(pred.shape[:2])}, got {tuple(weights.shape)}")
