"""The loss of SimCC: Kullback-Leibler divergence of two one-dimensional distributions per joint."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy, choice
from pyposeops.ops._loss import REDUCTIONS, Reduction, as_computed, check_weights, reduce_losses

SimccCompat = Literal["simcc", "mmpose"]
_COMPAT = {"simcc": 0, "mmpose": 1}


def _check_axis(name: str, pred: Tensor, target: Tensor) -> None:
    if pred.ndim != 3 or pred.shape != target.shape:
        raise ValueError(
            f"pred_{name}, target_{name}: expected (B, K, bins) both, got {tuple(pred.shape)}, {tuple(target.shape)}"
        )


def _axis(
    pred: Tensor, target: Tensor, weights: Tensor | None, beta: float, target_beta: float | None
) -> Tensor:
    """Mean over the bins of t (ln t - ln p), (B, K); joints of weight 0 are not looked at."""
    target = target.detach().to(pred.dtype)
    if weights is not None:
        pred, target = (torch.where(weights[..., None] != 0, tensor, 0.0) for tensor in (pred, target))
    if target_beta is not None:
        target = torch.softmax(target_beta * target, -1)
    terms = torch.xlogy(target, target) - target * torch.log_softmax(beta * pred, -1)
    return terms.mean(-1)


@accepts_numpy
def simcc_loss(
    pred_x: Tensor,
    pred_y: Tensor,
    target_x: Tensor,
    target_y: Tensor,
    weights: Tensor | None = None,
    *,
    inverse_temperature: float = 1.0,
    target_inverse_temperature: float | None = None,
    compat: SimccCompat = "simcc",
    reduction: Reduction = "mean",
) -> Tensor:
    """Kullback-Leibler divergence of the distributions over x and over y from their targets.

    The loss of a joint is its weight times the sum over both axes of the mean over the bins of
    ``t (ln t - ln p)``, with ``p = softmax(inverse_temperature * pred)``.

    Args:
        pred_x, pred_y: logits (B, K, X) and (B, K, Y), float32, float16, bfloat16 or float64.
        target_x, target_y: labels of the same shapes, not negative, without gradient; bins of 0 add nothing.
        weights: (B, K), any dtype; default: all 1. A joint of weight 0 (or NaN) has loss and gradient 0 whatever was
            predicted.
        inverse_temperature: multiplies the logits (RTMPose: 10).
        target_inverse_temperature: if given, the labels are replaced by the softmax of this times the labels
            (RTMPose: 10).
        compat: "mmpose" does not divide the mean by the batch: B times that of the published SimCC.
        reduction: "mean" over the B x K joints (0 for none), "sum", or "none": (B, K).

    Returns:
        The loss, float32 (float64 for float64 logits).

    Raises:
        ValueError: shapes that do not fit, or an unknown option.
        TypeError: logits that are not floating.

    Example:
        >>> even = torch.full((1, 1, 4), 0.25)
        >>> simcc_loss(torch.zeros(1, 1, 4), torch.zeros(1, 1, 4), even, even)
        tensor(0.)

    Source: Li et al., SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation, ECCV 2022,
    section 3, with the averaging of its published code; mmpose: KLDiscretLoss of MMPose 1.x.
    """
    scale_batch = choice(compat, _COMPAT, "compat") == _COMPAT["mmpose"]
    code = choice(reduction, REDUCTIONS, "reduction")
    _check_axis("x", pred_x, target_x)
    _check_axis("y", pred_y, target_y)
    if pred_x.shape[:2] != pred_y.shape[:2]:
        raise ValueError(
            f"pred_y: expected the B and K of pred_x {tuple(pred_x.shape)}, got {tuple(pred_y.shape)}"
        )
    check_weights(pred_x, weights)
    across, down = as_computed(pred_x, "pred_x"), as_computed(pred_y, "pred_y")
    if weights is not None:
        weights = weights.detach().to(across.dtype).nan_to_num(nan=0.0)
    betas = inverse_temperature, target_inverse_temperature
    losses = _axis(across, target_x, weights, *betas) + _axis(down, target_y, weights, *betas)
    if weights is not None:
        losses = losses * weights
    loss = reduce_losses(losses, code)
    return loss * pred_x.shape[0] if scale_batch and reduction == "mean" else loss
