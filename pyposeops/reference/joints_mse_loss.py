"""Definition of joints_mse_loss in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor


def joints_mse_loss(
    pred: Tensor,
    target: Tensor,
    weights: Tensor | None = None,
    *,
    squared_weight: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """The loss as ``pyposeops.joints_mse_loss`` documents it, in float32 or, for float64 predictions, float64."""
    dtype = torch.float64 if pred.dtype == torch.float64 else torch.float32
    if weights is None:
        weights = pred.new_ones(pred.shape[:2])
    weights = weights.to(dtype).nan_to_num(nan=0.0)
    difference = pred.to(dtype) - target.to(dtype)
    difference = torch.where(weights[..., None, None] != 0, difference, 0.0)
    factor = weights**2 / 2 if squared_weight else weights
    losses = factor * difference.square().mean((2, 3))
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / max(losses.numel(), 1)
