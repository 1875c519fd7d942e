"""Definition of simcc_label in plain PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def simcc_label(
    keypoints: Tensor,
    visibility: Tensor,
    size: Sequence[int],
    *,
    split_ratio: float = 2.0,
    sigma: float | Sequence[float] = 6.0,
    encoding: str = "gaussian",
    normalize: bool = True,
    smoothing: float = 0.0,
    compat: str = "fixed",
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Labels (B, K, X) and (B, K, Y), weights (B, K), as ``pyposeops.simcc_label`` documents them."""
    dtype = keypoints.dtype if dtype is None else dtype
    pixels = keypoints if keypoints.dtype == torch.float64 else keypoints.float()
    centres = (pixels * split_ratio).double()
    if encoding == "one_hot" or compat == "mmpose":
        centres = centres.round()  # half to even
    pixels = pixels.double()
    sigmas = (sigma, sigma) if isinstance(sigma, (int, float)) else tuple(sigma)
    crop = size[1], size[0]
    bins = [int(n * split_ratio) if compat == "simcc" else round(n * split_ratio) for n in crop]

    counts = ~visibility.double().isnan()
    for d in range(2):
        counts = counts & ~_off(
            pixels[..., d], centres[..., d], bins[d], crop[d], sigmas[d], encoding, compat
        )
    drawn = counts & (visibility >= 0.5)
    weights = visibility.double().where(counts, 0)

    labels = []
    for d in range(2):
        centre = centres[..., d, None].where(drawn[..., None], 0)
        bin_index = torch.arange(bins[d], dtype=torch.float64, device=keypoints.device)
        if encoding == "one_hot":
            others = smoothing / (bins[d] - 1) if smoothing > 0 else 0.0
            hit = bin_index == centre
            label = torch.full_like(hit, others, dtype=torch.float64).masked_fill(hit, 1.0 - smoothing)
        else:
            label = torch.exp(-((bin_index - centre) ** 2) / (2 * sigmas[d] ** 2))
            if normalize:
                label = label / (sigmas[d] * math.sqrt(2 * math.pi))
        labels.append(label.where(drawn[..., None], 0).to(dtype))
    return labels[0], labels[1], weights.to(torch.float64 if dtype == torch.float64 else torch.float32)


def _off(
    pixel: Tensor, centre: Tensor, bins: int, crop: int, sigma: float, encoding: str, compat: str
) -> Tensor:
    """Whether a joint is off the crop along one axis."""
    unknown = ~centre.isfinite()
    if encoding == "one_hot":
        return unknown | (centre < 0) | (centre >= bins)
    radius = 3 * sigma
    if compat == "mmpose":
        return unknown | (centre - radius >= bins) | (centre + radius + 1 < 0)
    if compat == "simcc":
        return unknown | ((pixel - radius).trunc() >= crop) | ((pixel + radius + 1).trunc() < 0)
    return unknown | (centre - radius > bins - 1) | (centre + radius < 0)
