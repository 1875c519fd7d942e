"""Definition of gaussian_heatmap in plain PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def gaussian_heatmap(
    keypoints: Tensor,
    visibility: Tensor,
    size: Sequence[int],
    *,
    sigma: float | Tensor,
    encoding: str = "msra",
    input_size: Sequence[int] | None = None,
    compat: str = "fixed",
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
) -> tuple[Tensor, Tensor]:
    """Heatmaps (B, K, H, W) and weights (B, K), as ``pyposeops.gaussian_heatmap`` documents them."""
    if keypoints.ndim == 3:
        keypoints, visibility = keypoints[:, None], visibility[:, None]
    if input_size is not None:
        last = 1 if encoding == "udp" else 0
        stride = [(a - last) / (b - last) for a, b in zip(input_size, size, strict=True)]
        keypoints = keypoints / keypoints.new_tensor(stride[::-1])
    sigma = torch.as_tensor(sigma, dtype=torch.float64, device=keypoints.device)
    visibility = visibility.to(torch.float64)
    known = keypoints.isfinite().all(-1) & ~visibility.isnan() & (sigma > 0) & sigma.isfinite()
    mu = torch.where(known[..., None], keypoints, 0.0)
    safe_sigma = torch.where(sigma > 0, sigma, 1.0).expand(keypoints.shape[2])

    gx, x_on = _axis(mu[..., 0], safe_sigma, size[1], encoding, compat)
    gy, y_on = _axis(mu[..., 1], safe_sigma, size[0], encoding, compat)
    on_map = known & x_on & y_on
    drawn = on_map & (visibility >= 0.5)
    people = gy[..., :, None] * gx[..., None, :] * drawn[..., None, None]  # (B, N, K, H, W)
    weights = torch.where(on_map, visibility, 0.0)
    if keypoints.shape[1] == 0:
        people, weights = people.sum(1, keepdim=True), weights.sum(1, keepdim=True)
    dtype = keypoints.dtype if dtype is None else dtype
    heatmaps = people.max(dim=1).values.to(dtype)
    if channels_last:
        heatmaps = heatmaps.contiguous(memory_format=torch.channels_last)
    return heatmaps, weights.amax(1).to(torch.float64 if dtype == torch.float64 else torch.float32)


def _axis(mu: Tensor, sigma: Tensor, size: int, encoding: str, compat: str) -> tuple[Tensor, Tensor]:
    """Factors (B, N, K, size) of one axis and whether the joint is on the map (B, N, K)."""
    pixel = torch.arange(size, dtype=torch.float64, device=mu.device)
    radius = 3.0 * sigma
    if encoding == "unbiased":
        on_map = (mu - radius < size) & (mu + radius + 1 >= 0)
        return _gaussian(pixel, mu.to(torch.float64), sigma), on_map
    if compat == "reference":
        rounded = (mu + 0.5).trunc().to(torch.float64)
        first, past = (rounded - radius).trunc(), (rounded + radius + 1).trunc()
        centre = first + ((2 * radius + 1) / 2).floor()
        on_map = (first < size) & (past >= 0)
        past = torch.minimum(past, first + (2 * radius + 1).ceil())
    else:
        rounded = (mu + 0.5).floor().to(torch.float64)
        first, past = rounded - radius.floor(), rounded + radius.floor() + 1
        centre = rounded
        on_map = (first < size) & (past > 0)
    if encoding == "udp":
        centre = centre + (mu.to(torch.float64) - rounded)
    inside = (pixel >= first[..., None]) & (pixel < past[..., None])
    return _gaussian(pixel, centre, sigma) * inside, on_map


def _gaussian(pixel: Tensor, centre: Tensor, sigma: Tensor) -> Tensor:
    return torch.exp(-((pixel - centre[..., None]) ** 2) / (2 * sigma[:, None] ** 2))
