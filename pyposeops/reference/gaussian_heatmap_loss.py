"""Definition of gaussian_heatmap_loss in plain PyTorch: render, subtract."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from pyposeops.reference.gaussian_heatmap import gaussian_heatmap
from pyposeops.reference.joints_mse_loss import joints_mse_loss


def gaussian_heatmap_loss(
    pred: Tensor,
    keypoints: Tensor,
    visibility: Tensor,
    *,
    sigma: float | Sequence[float] | Tensor | None = None,
    encoding: str = "msra",
    input_size: Sequence[float] | None = None,
    compat: str = "fixed",
    interference_keypoints: Tensor | None = None,
    interference_visibility: Tensor | None = None,
    interference_weight: float = 0.5,
    squared_weight: bool = True,
    reduction: str = "mean",
    kernel_size: int | None = None,
) -> Tensor:
    """The loss as ``pyposeops.gaussian_heatmap_loss`` documents it."""
    dtype = torch.float64 if pred.dtype == torch.float64 else torch.float32
    render = partial(
        gaussian_heatmap,
        size=pred.shape[2:],
        sigma=sigma,
        encoding=encoding,
        input_size=input_size,
        compat=compat,
        kernel_size=kernel_size,
        dtype=dtype,
    )
    with torch.no_grad():
        target, weights = render(keypoints, visibility)
        if interference_keypoints is not None and interference_visibility is not None:
            others, _ = render(interference_keypoints, interference_visibility)
            target = target + interference_weight * others
    return joints_mse_loss(pred, target, weights, squared_weight=squared_weight, reduction=reduction)
