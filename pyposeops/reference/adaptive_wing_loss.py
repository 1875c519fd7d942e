"""Definition of adaptive_wing_loss in plain PyTorch."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def adaptive_wing_loss(
    pred: Tensor,
    target: Tensor,
    weights: Tensor | None = None,
    *,
    alpha: float = 2.1,
    omega: float = 14.0,
    epsilon: float = 1.0,
    theta: float = 0.5,
    reduction: str = "mean",
) -> Tensor:
    """The loss as ``pyposeops.adaptive_wing_loss`` documents it, in float32 or, for float64 predictions, float64."""
    dtype = torch.float64 if pred.dtype == torch.float64 else torch.float32
    if weights is None:
        weights = pred.new_ones(pred.shape[:2])
    weights = weights.detach().to(dtype).nan_to_num(nan=0.0)
    target = target.detach().to(dtype)
    difference = torch.where(weights[..., None, None] != 0, pred.to(dtype) - target, 0.0)
    distance = difference.abs()
    power = alpha - target
    at_theta = torch.exp(power * math.log(theta / epsilon))  # (theta / epsilon)^n
    slope = omega * power * at_theta / ((1 + at_theta) * theta)
    curved = omega * torch.log1p((distance / epsilon) ** power)
    linear = slope * (distance - theta) + omega * torch.log1p(at_theta)
    losses = weights * torch.where(distance < theta, curved, linear).mean((2, 3))
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / max(losses.numel(), 1)
