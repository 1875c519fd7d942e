"""Adaptive wing loss of heat maps."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy, choice
from pyposeops.ops._loss import REDUCTIONS, Reduction, as_computed, check_maps, check_weights, reduce_losses


@accepts_numpy
def adaptive_wing_loss(
    pred: Tensor,
    target: Tensor,
    weights: Tensor | None = None,
    *,
    alpha: float = 2.1,
    omega: float = 14.0,
    epsilon: float = 1.0,
    theta: float = 0.5,
    reduction: Reduction = "mean",
) -> Tensor:
    """Adaptive wing loss: curved near the target, the more so the higher the target, and linear far from it.

    With d = abs(p - t) and n = alpha - t, averaged over the pixels of a map: ``omega ln(1 + (d / epsilon)^n)`` where
    d < theta, else ``A d - C``, with A and C such that value and slope are continuous at theta.

    Args:
        pred: (B, K, H, W), float32, float16, bfloat16 or float64.
        target: (B, K, H, W), values in [0, 1], any floating dtype, without gradient.
        weights: (B, K), any dtype, multiplied with the loss of the joint; default: all 1. A joint of weight 0 (or
            NaN) has loss and gradient 0 whatever was predicted.
        alpha: above 1 + the largest target, for a smooth minimum.
        omega, epsilon, theta: above 0, see above.
        reduction: "mean" over the B x K joints (0 for none), "sum", or "none": (B, K).

    Returns:
        The loss, float32 (float64 for float64 predictions). NaN predictions that count give NaN. Twice differentiable
        where d is not 0 (the power n of d lies between 1 and 2).

    Raises:
        ValueError: shapes that do not fit, ``alpha`` not above 1, another parameter not above 0, or an unknown
            ``reduction``.
        TypeError: predictions that are not floating.

    Example:
        >>> target = torch.ones(1, 1, 1, 1)
        >>> adaptive_wing_loss(torch.ones(1, 1, 1, 1), target)
        tensor(0.)

    Source: Wang, Bo, Fuxin, Adaptive Wing Loss for Robust Face Alignment via Heatmap Regression, ICCV 2019,
    section 4.
    """
    code = choice(reduction, REDUCTIONS, "reduction")
    check_maps(pred, target)
    check_weights(pred, weights)
    for name, value, low in (
        ("alpha", alpha, 1),
        ("omega", omega, 0),
        ("epsilon", epsilon, 0),
        ("theta", theta, 0),
    ):
        if not value > low:
            raise ValueError(f"{name}: expected a number above {low}, got {value}")
    pred = as_computed(pred, "pred")
    target = target.detach().to(pred.dtype)
    difference = pred - target
    if weights is not None:
        weights = weights.detach().to(pred.dtype).nan_to_num(nan=0.0)
        difference = torch.where(weights[..., None, None] != 0, difference, 0.0)
    distance = difference.abs()
    power = alpha - target
    at_theta = torch.exp(power * math.log(theta / epsilon))  # (theta / epsilon)^n
    slope = omega * power * at_theta / ((1 + at_theta) * theta)
    curved = omega * torch.log1p((distance / epsilon) ** power)
    linear = slope * (distance - theta) + omega * torch.log1p(at_theta)
    losses = torch.where(distance < theta, curved, linear).mean((2, 3))
    return reduce_losses(losses if weights is None else losses * weights, code)
