"""Online hard keypoint mining: the loss of the hardest joints of each sample."""

from __future__ import annotations

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy, choice
from pyposeops.ops._loss import REDUCTIONS, Reduction, as_computed, reduce_losses
from pyposeops.ops.joints_mse_loss import joints_mse_loss


@accepts_numpy
def hardest_joints(losses: Tensor, *, top_k: int = 8, reduction: Reduction = "mean") -> Tensor:
    """The mean of the ``top_k`` largest joint losses of each sample, and their reduction over the samples.

    Args:
        losses: (B, K), floating; for instance of :func:`pyposeops.gaussian_heatmap_loss` or
            :func:`pyposeops.joints_mse_loss` with ``reduction="none"``.
        top_k: 1 to K.
        reduction: over the samples: "mean" (0 for none), "sum", or "none": (B,).

    Returns:
        The loss, float32 (float64 for float64 losses).

    Raises:
        ValueError: shapes and ``top_k`` that do not fit, or an unknown ``reduction``.
        TypeError: losses that are not floating.

    The gradient is shared by the joints that were taken. Joints of weight 0 have loss 0 and are taken last; NaN
    counts as the largest loss. Among equal losses torch.topk chooses.

    Example:
        >>> hardest_joints(torch.tensor([[1.0, 4.0, 2.0]]), top_k=2)
        tensor(3.)

    Source: Chen et al., Cascaded Pyramid Network, CVPR 2018, section 3.2.
    """
    code = choice(reduction, REDUCTIONS, "reduction")
    if losses.ndim != 2:
        raise ValueError(f"losses: expected (B, K), got {tuple(losses.shape)}")
    if not 1 <= top_k <= losses.shape[1]:
        raise ValueError(f"top_k: expected 1 to the number of joints {losses.shape[1]}, got {top_k}")
    hardest = torch.topk(as_computed(losses, "losses"), top_k, dim=1, sorted=False).values
    return reduce_losses(hardest.sum(1) / top_k, code)


@accepts_numpy
def ohkm_loss(
    pred: Tensor,
    target: Tensor,
    weights: Tensor | None = None,
    *,
    top_k: int = 8,
    squared_weight: bool = True,
    reduction: Reduction = "mean",
) -> Tensor:
    """Squared error of the ``top_k`` hardest joints of each sample, as CPN and HRNet mine them.

    :func:`pyposeops.joints_mse_loss` per joint, then :func:`hardest_joints`. Over targets that are never stored:
    ``hardest_joints(gaussian_heatmap_loss(..., reduction="none"))``.

    Args:
        pred, target, weights, squared_weight: as in :func:`pyposeops.joints_mse_loss`. The published OHKM of mmpose
            is twice the loss with ``squared_weight=True``.
        top_k: joints taken per sample, 1 to K.
        reduction: over the samples: "mean" (0 for none), "sum", or "none": (B,).

    Returns:
        The loss, float32 (float64 for float64 predictions). NaN predictions of a joint that counts give NaN.

    Raises:
        ValueError: shapes and ``top_k`` that do not fit, or an unknown ``reduction``.
        TypeError: predictions or targets that are not floating.

    Example:
        >>> pred = torch.tensor([0.0, 1.0, 3.0]).view(1, 3, 1, 1)
        >>> ohkm_loss(pred, torch.zeros(1, 3, 1, 1), top_k=2)
        tensor(2.5000)

    Source: Chen et al., Cascaded Pyramid Network, CVPR 2018, section 3.2.
    """
    losses = joints_mse_loss(pred, target, weights, squared_weight=squared_weight, reduction="none")
    return hardest_joints(losses, top_k=top_k, reduction=reduction)
