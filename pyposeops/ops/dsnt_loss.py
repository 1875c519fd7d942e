"""The loss of DSNT: distance of the expected position, and how the probability is spread around it."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy, choice
from pyposeops.ops._loss import REDUCTIONS, Reduction, as_computed, check_weights, weighted_mean

Regularizer = Literal["js", "kl", "variance", "none"]
_REGULARIZERS = {"js": 0, "kl": 1, "variance": 2, "none": 3}
_TINY = 1e-24  # keeps logarithms and quotients finite


def _pixels(length: int, like: Tensor) -> Tensor:
    return torch.arange(length, dtype=like.dtype, device=like.device)


def _gaussian(keypoints: Tensor, sigma: float, height: int, width: int) -> Tensor:
    """(B, K, H, W) Gaussians that sum to 1 on the map."""
    down, across = (
        torch.exp((_pixels(length, keypoints) - centre[..., None]).square() * (-0.5 / sigma**2))
        for length, centre in ((height, keypoints[..., 1]), (width, keypoints[..., 0]))
    )
    total = down.sum(-1) * across.sum(-1) + _TINY
    return (down / total[..., None])[..., None] * across[..., None, :]


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    return (p * (torch.log(p + _TINY) - torch.log(q + _TINY))).sum((2, 3))


def _moments(probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (B, K, 2) in pixels, of a map taken as it is, not divided by its sum."""
    means, variances = [], []
    for marginal in (probabilities.sum(2), probabilities.sum(3)):
        pixels = _pixels(marginal.shape[-1], marginal)
        mean = (marginal * pixels).sum(-1)
        means.append(mean)
        variances.append((marginal * (pixels - mean[..., None]).square()).sum(-1))
    return torch.stack(means, -1), torch.stack(variances, -1)


def _spread(kind: int, probabilities: Tensor, keypoints: Tensor, variance: Tensor, sigma: float) -> Tensor:
    """The regulariser (B, K)."""
    height, width = probabilities.shape[2:]
    if kind == _REGULARIZERS["variance"]:
        off_x = (variance[..., 0] - sigma**2) * (2 / width) ** 2
        off_y = (variance[..., 1] - sigma**2) * (2 / height) ** 2
        return off_x.square() + off_y.square()
    goal = _gaussian(keypoints, sigma, height, width)
    if kind == _REGULARIZERS["kl"]:
        return _divergence(probabilities, goal)
    log_middle = torch.log((probabilities + goal) / 2 + _TINY)
    of_map, of_goal = (p * (torch.log(p + _TINY) - log_middle) for p in (probabilities, goal))
    return (of_map + of_goal).sum((2, 3)) / 2


@accepts_numpy
def dsnt_loss(
    probabilities: Tensor,
    keypoints: Tensor,
    weights: Tensor | None = None,
    *,
    regularizer: Regularizer = "js",
    regularizer_weight: float = 1.0,
    sigma: float = 1.0,
    coordinate_weight: float = 1.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """Distance of the expected position from the joint, plus a regulariser of the map's shape.

    The loss of a joint is ``coordinate_weight |E - mu| + regularizer_weight R``, in coordinates that go from -1 to 1
    over the map, from the edge of the first pixel to the edge of the last; E is the expectation of the position under
    the map. With g the Gaussian around the joint, on the map and summing to 1:

    =========== =======================================================================
    regularizer R
    =========== =======================================================================
    js          Jensen-Shannon divergence of map and g
    kl          Kullback-Leibler divergence ``sum p ln(p / g)``
    variance    ``sum over x, y of (Var - (2 sigma / size)^2)^2``, Var around E
    none        0
    =========== =======================================================================

    Args:
        probabilities: (B, K, H, W), not negative, each map summing to 1 (a softmax), float32, float16, bfloat16 or
            float64.
        keypoints: (B, K, 2), (x, y) in pixels of the maps, centre of the first pixel 0.0; without gradient.
        weights: (B, K), any dtype, not negative; default: all 1. A joint of weight 0 (or NaN) has loss and gradient 0
            whatever was predicted and wherever it lies.
        regularizer: see the table.
        regularizer_weight, coordinate_weight: factors of the two terms; ``coordinate_weight=0`` gives the regulariser
            alone.
        sigma: standard deviation of g in pixels, above 0.
        reduction: "mean": the sum of the weighted losses over the sum of the weights (0 if that is 0); "sum": of the
            weighted losses; "none": the weighted losses (B, K).

    Returns:
        The loss, float32 (float64 for float64 maps). Logarithms and the sum of g carry a 1e-24 that keeps them
        finite; a joint so far off the map that g vanishes on it is compared with a map of zeroes.

    Raises:
        ValueError: shapes that do not fit, sigma not above 0, or an unknown option.
        TypeError: maps that are not floating.

    Example:
        >>> keypoints = torch.tensor([[[1.0, 1.0]]])
        >>> one_pixel = torch.zeros(1, 1, 3, 3).index_fill_(2, torch.tensor([1]), 1.0) * torch.tensor([0.0, 1.0, 0.0])
        >>> dsnt_loss(one_pixel, keypoints, regularizer="none")
        tensor(0.)

    Source: Nibali et al., Numerical Coordinate Regression with Convolutional Neural Networks, 2018, sections 4 and 5.
    """
    kind = choice(regularizer, _REGULARIZERS, "regularizer")
    code = choice(reduction, REDUCTIONS, "reduction")
    if probabilities.ndim != 4:
        raise ValueError(f"probabilities: expected (B, K, H, W), got {tuple(probabilities.shape)}")
    if keypoints.shape != (*probabilities.shape[:2], 2):
        raise ValueError(
            f"keypoints: expected (B, K, 2) with the B and K of probabilities {tuple(probabilities.shape)}, "
            f"got {tuple(keypoints.shape)}"
        )
    check_weights(probabilities, weights)
    if not sigma > 0:
        raise ValueError(f"sigma: expected a number above 0, got {sigma}")
    maps = as_computed(probabilities, "probabilities")
    joints = keypoints.detach().to(maps.dtype)
    if weights is None:
        weights = maps.new_ones(maps.shape[:2])
    weights = weights.detach().to(maps.dtype).nan_to_num(nan=0.0)
    counts = weights != 0
    joints = torch.where(counts[..., None], joints, 0.0)
    maps = torch.where(counts[..., None, None], maps, 0.0)
    mean, variance = _moments(maps)
    height, width = maps.shape[2:]
    # The paper's coordinates, (2 i + 1) / n - 1: they differ from pixels in the gradient of maps whose sum is not 1.
    excess = maps.sum((2, 3)) - 1
    off_x = (mean[..., 0] - joints[..., 0]) * (2 / width) + (1 / width - 1) * excess
    off_y = (mean[..., 1] - joints[..., 1]) * (2 / height) + (1 / height - 1) * excess
    losses = coordinate_weight * torch.linalg.vector_norm(torch.stack((off_x, off_y), dim=-1), dim=-1)
    if kind != _REGULARIZERS["none"]:
        losses = losses + regularizer_weight * _spread(kind, maps, joints, variance, sigma)
    return weighted_mean(torch.where(counts, losses, 0.0), weights, code)
