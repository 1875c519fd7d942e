"""Weighted squared error of heat maps, one loss per joint."""

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


def _kernel(
    pred: Tensor,
    target: Tensor,
    squared_weight: bool,
    reduction: int,
    weights: Tensor | None = None,
    with_gradient: bool = False,
) -> tuple[Tensor, Tensor]:
    losses, gradient = allocate(pred, with_gradient)
    _core.joints_mse_loss(
        pred,
        target,
        weights,
        squared_weight,
        loss_scale(pred, reduction),
        gradient_gain(pred, reduction),
        losses,
        gradient if with_gradient else None,
    )
    return losses, gradient


def _fake(
    pred: Tensor,
    target: Tensor,
    squared_weight: bool,
    reduction: int,
    weights: Tensor | None = None,
    with_gradient: bool = False,
) -> tuple[Tensor, Tensor]:
    return allocate(pred, with_gradient)


def _backward_kernel(gradient: Tensor, factor: Tensor, reduction: int) -> None:
    _core.joints_mse_loss_backward(gradient, factor, 1.0 / gradient_gain(gradient, reduction))


def _backward_fake(gradient: Tensor, factor: Tensor, reduction: int) -> None:
    return None


_forward_op = register(
    "joints_mse_loss(Tensor pred, Tensor target, bool squared_weight, int reduction, Tensor? weights=None, "
    "bool with_gradient=False) -> (Tensor losses, Tensor gradient)",
    _kernel,
    _fake,
)
_backward_op = register(
    "joints_mse_loss_backward(Tensor(a!) gradient, Tensor factor, int reduction) -> ()",
    _backward_kernel,
    _backward_fake,
)


def scale_gradient(gradient: Tensor, grad_losses: Tensor, reduction: int) -> Tensor:
    """The stored gradient times that of the loss, in place; under torch.compile, which fuses it, out of place."""
    factor = grad_losses.expand(gradient.shape[:2])
    if not torch.compiler.is_compiling():
        _backward_op(gradient, factor, reduction)
        return gradient
    factor = (factor / gradient_gain(gradient, reduction))[..., None, None]
    return torch.where(factor == 0, 0.0, gradient * factor).to(gradient.dtype)


class _JointsMseLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, pred: Tensor, target: Tensor, weights: Tensor | None, squared_weight: bool, reduction: int
    ) -> Tensor:
        losses, ctx.gradient = _forward_op(pred, target, squared_weight, reduction, weights, True)
        ctx.save_for_backward(pred, target, weights)
        ctx.options = squared_weight, reduction
        return join_parts(losses, reduction)

    @staticmethod
    def backward(ctx: Any, grad_losses: Tensor) -> tuple[Tensor | None, ...]:
        pred, target, weights = ctx.saved_tensors
        squared_weight, reduction = ctx.options
        if torch.is_grad_enabled():  # create_graph=True
            return _differentiable_backward(ctx, grad_losses)
        gradient = take_gradient(ctx)
        if gradient is None:  # a second backward through a retained graph
            _, gradient = _forward_op(pred, target, squared_weight, reduction, weights, True)
        to_pred = scale_gradient(gradient, grad_losses, reduction)
        to_target = -to_pred.to(target.dtype) if ctx.needs_input_grad[1] else None
        return to_pred, to_target, None, None, None


def _differentiable_backward(ctx: Any, grad_losses: Tensor) -> tuple[Tensor | None, ...]:
    """The gradient as a graph of PyTorch's own operations, through the definition: for second derivatives."""
    pred, target, weights = ctx.saved_tensors
    squared_weight, reduction = ctx.options
    losses = reference.joints_mse_loss(
        pred, target, weights, squared_weight=squared_weight, reduction=name_of(REDUCTIONS, reduction)
    )
    wanted = [tensor for tensor, need in zip((pred, target), ctx.needs_input_grad, strict=False) if need]
    found = iter(torch.autograd.grad(losses, wanted, grad_losses, create_graph=True))
    return *[next(found) if need else None for need in ctx.needs_input_grad[:2]], None, None, None


@accepts_numpy
def joints_mse_loss(
    pred: Tensor,
    target: Tensor,
    weights: Tensor | None = None,
    *,
    squared_weight: bool = True,
    reduction: Reduction = "mean",
) -> Tensor:
    """Weighted mean squared error of heat maps against stored targets, in one pass.

    With w the weight of a joint, p and t its maps, averaged over the pixels of the map:

    ============== ======================= ==========================================
    squared_weight loss of a joint         as in
    ============== ======================= ==========================================
    True           ``(w p - w t)^2 / 2``   Simple Baselines, HRNet
    False          ``w (p - t)^2``         mmpose (KeypointMSELoss)
    ============== ======================= ==========================================

    Args:
        pred: (B, K, H, W) predictions, float32, float16, bfloat16 or float64; NCHW and channels_last without a copy,
            other strides too.
        target: (B, K, H, W), any floating dtype (a float32 target serves half-precision predictions).
        weights: (B, K), any dtype, without gradient; default: all 1.
        squared_weight: see the table.
        reduction: "mean" over the B x K joints (0 for none), "sum", or "none": (B, K).

    Returns:
        The loss, float32 (float64 for float64 predictions), summed in float32 or better.

    A joint of weight 0 (or NaN) has loss and gradient 0 whatever was predicted, NaN too; otherwise NaN and infinite
    predictions give a NaN or infinite loss.

    The gradient in ``pred`` is written while ``pred`` is read; backward only scales it, in place, and not at all
    where the loss is what backward started from. In float16 it is stored before the division by the number of pixels
    and joints, so that small gradients keep their digits under a loss scale. The gradient in ``target`` is its
    negative. Second derivatives run through the definition.

    Raises:
        ValueError: shapes that do not fit, maps without pixels, or an unknown ``reduction``.
        TypeError: predictions or targets that are not floating.

    Example:
        >>> pred, target = torch.zeros(2, 17, 64, 48), torch.ones(2, 17, 64, 48)
        >>> float(joints_mse_loss(pred, target))
        0.5

    Source: Xiao et al., Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018, section 2, with the
    weighting of its published code.
    """
    code = choice(reduction, REDUCTIONS, "reduction")
    if torch.is_grad_enabled() and (pred.requires_grad or target.requires_grad):
        loss: Tensor = _JointsMseLoss.apply(pred, target, weights, squared_weight, code)
        return loss
    losses, _ = _forward_op(pred, target, squared_weight, code, weights)
    return join_parts(losses, code)
