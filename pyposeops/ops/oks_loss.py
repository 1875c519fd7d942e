"""Object keypoint similarity as a loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy, choice
from pyposeops.ops._loss import REDUCTIONS, Reduction, as_computed, weighted_mean
from pyposeops.ops._oks import differentiable_oks
from pyposeops.reference.oks_matrix import oks_exponent

OksForm = Literal["linear", "log"]
_FORMS = {"linear": 0, "log": 1}


def _check(pred: Tensor, target: Tensor, visibility: Tensor, area: Tensor, sigmas: Tensor) -> None:
    if pred.ndim < 2 or pred.shape[-1] != 2:
        raise ValueError(f"pred: expected (..., K, 2), got {tuple(pred.shape)}")
    wanted = {
        "target": pred.shape,
        "visibility": pred.shape[:-1],
        "area": pred.shape[:-2],
        "sigmas": pred.shape[-2:-1],
    }
    for (name, shape), tensor in zip(wanted.items(), (target, visibility, area, sigmas), strict=True):
        if tensor.shape != shape:
            raise ValueError(f"{name}: expected {tuple(shape)}, got {tuple(tensor.shape)}")


@accepts_numpy
def oks_loss(
    pred: Tensor,
    target: Tensor,
    visibility: Tensor,
    area: Tensor,
    sigmas: Tensor | Sequence[float],
    *,
    form: OksForm = "linear",
    reduction: Reduction = "mean",
) -> Tensor:
    """One minus the object keypoint similarity of each person, or its negative logarithm.

    The similarity is that of :func:`oks_matrix`, of each prediction with its own target.

    Args:
        pred: (..., K, 2), (x, y) in pixels of the image that ``area`` refers to, float32, float16, bfloat16 or
            float64.
        target: (..., K, 2), without gradient; not looked at where a joint does not count.
        visibility: (..., K), any dtype; a joint counts where it is above 0.
        area: (...), of the person, in square pixels, 0 or more.
        sigmas: (K,), per-joint constants of the data set. On CUDA prefer a tensor: numbers are copied at each call.
        form: "linear": ``1 - OKS``, whose gradient vanishes far from the target; "log": ``-ln OKS``, whose does not.
        reduction: "mean" over the people with a joint that counts (0 for none), "sum", or "none": (...).

    Returns:
        The loss, float32 (float64 for float64 predictions); 0 for a person without a joint that counts. NaN
        predictions of joints that count give NaN. "linear" is one kernel each way, "log" plain PyTorch.

    Raises:
        ValueError: shapes that do not fit, or an unknown option.
        TypeError: predictions that are not floating.

    Example:
        >>> joint = torch.tensor([[[3.0, 4.0]]])
        >>> oks_loss(joint, joint, torch.ones(1, 1), torch.tensor([100.0]), [0.1])
        tensor(0.)

    Source: the keypoint similarity of the COCO evaluation (cocodataset.org, keypoints-eval); as a loss: Maji et al.,
    YOLO-Pose, CVPR Workshops 2022, section 3.3.
    """
    logarithm = choice(form, _FORMS, "form") == _FORMS["log"]
    code = choice(reduction, REDUCTIONS, "reduction")
    pred = as_computed(pred, "pred")
    spread = torch.as_tensor(sigmas, dtype=pred.dtype, device=pred.device).detach()
    _check(pred, target, visibility, area, spread)
    counts = visibility > 0
    any_counts = counts.any(-1)
    if logarithm:
        losses = _negative_log(pred, target.detach(), counts, any_counts, area.detach(), spread)
    else:
        people, joints = pred.shape[:-2].numel(), pred.shape[-2]
        one = (people, 1)  # a detection and a ground truth per "image"
        similarity = differentiable_oks(
            pred.reshape(*one, joints, 2),
            target.reshape(*one, joints, 2),
            spread,
            area.reshape(one),
            counts.reshape(*one, joints),
        )
        losses = 1 - similarity.view(pred.shape[:-2])
    losses = torch.where(any_counts, losses, 0.0)
    return weighted_mean(losses, any_counts.to(losses.dtype), code)


def _negative_log(
    pred: Tensor, target: Tensor, counts: Tensor, any_counts: Tensor, area: Tensor, spread: Tensor
) -> Tensor:
    """-ln OKS without underflow; finite for people without joints that count."""
    difference = torch.where(counts[..., None], pred - target.to(pred.dtype), 0.0)
    exponent = oks_exponent(difference, spread, area.to(pred.dtype)[..., None])
    # a person without joints that count: one term of 0 in place of none, since the gradient of -inf is NaN
    exponent = torch.where(counts | ~any_counts[..., None], exponent, torch.inf)
    number = torch.where(any_counts, counts.sum(-1), 1).to(pred.dtype)
    return number.log() - torch.logsumexp(-exponent, -1)
