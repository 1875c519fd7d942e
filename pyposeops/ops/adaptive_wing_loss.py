"""Adaptive wing loss of heat maps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pyposeops import _core, reference
from pyposeops._library import accepts_numpy, choice, register
from pyposeops.ops._loss import (
    REDUCTIONS,
    Reduction,
    allocate,
    gradient_gain,
    join_parts,
    loss_scale,
    name_of,
    take_gradient,
)
from pyposeops.ops.joints_mse_loss import scale_gradient


def _kernel(
    pred: Tensor,
    target: Tensor,
    alpha: float,
    omega: float,
    epsilon: float,
    theta: float,
    reduction: int,
    weights: Tensor | None = None,
    with_gradient: bool = False,
) -> tuple[Tensor, Tensor]:
    losses, gradient = allocate(pred, with_gradient)
    _core.adaptive_wing_loss(
        pred,
        target,
        weights,
        alpha,
        omega,
        epsilon,
        theta,
        loss_scale(pred, reduction),
        gradient_gain(pred, reduction),
        losses,
        gradient if with_gradient else None,
    )
    return losses, gradient


def _fake(
    pred: Tensor,
    target: Tensor,
    alpha: float,
    omega: float,
    epsilon: float,
    theta: float,
    reduction: int,
    weights: Tensor | None = None,
    with_gradient: bool = False,
) -> tuple[Tensor, Tensor]:
    return allocate(pred, with_gradient)


_forward_op = register(
    "adaptive_wing_loss(Tensor pred, Tensor target, float alpha, float omega, float epsilon, float theta, "
    "int reduction, Tensor? weights=None, bool with_gradient=False) -> (Tensor losses, Tensor gradient)",
    _kernel,
    _fake,
)


class _AdaptiveWingLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        pred: Tensor,
        target: Tensor,
        weights: Tensor | None,
        shape: tuple[float, ...],
        reduction: int,
    ) -> Tensor:
        losses, ctx.gradient = _forward_op(pred, target, *shape, reduction, weights, True)
        ctx.save_for_backward(pred, target, weights)
        ctx.options = shape, reduction
        return join_parts(losses, reduction)

    @staticmethod
    def backward(ctx: Any, grad_losses: Tensor) -> tuple[Tensor | None, ...]:
        pred, target, weights = ctx.saved_tensors
        shape, reduction = ctx.options
        if torch.is_grad_enabled():  # create_graph=True
            return _differentiable_backward(ctx, grad_losses), None, None, None, None
        gradient = take_gradient(ctx)
        if gradient is None:  # a second backward through a retained graph
            _, gradient = _forward_op(pred, target, *shape, reduction, weights, True)
        return scale_gradient(gradient, grad_losses, reduction), None, None, None, None


def _differentiable_backward(ctx: Any, grad_losses: Tensor) -> Tensor:
    """The gradient as a graph of PyTorch's own operations, through the definition: for second derivatives."""
    pred, target, weights = ctx.saved_tensors
    (alpha, omega, epsilon, theta), reduction = ctx.options
    losses = reference.adaptive_wing_loss(
        pred,
        target,
        weights,
        alpha=alpha,
        omega=omega,
        epsilon=epsilon,
        theta=theta,
        reduction=name_of(REDUCTIONS, reduction),
    )
    gradient: Tensor = torch.autograd.grad(losses, pred, grad_losses, create_graph=True)[0]
    return gradient


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
        where d is not 0 (the power n of d lies between 1 and 2); second derivatives run through the definition.

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
    shape = alpha, omega, epsilon, theta
    if torch.is_grad_enabled() and pred.requires_grad:
        loss: Tensor = _AdaptiveWingLoss.apply(pred, target, weights, shape, code)
        return loss
    losses, _ = _forward_op(pred, target, *shape, code, weights)
    return join_parts(losses, code)
