"""Definition of heatmap_nms: a map with everything but its peaks set to 0."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def heatmap_nms(
    heatmaps: Tensor, *, window: int = 5, plateau: str = "first", threshold: float = -math.inf
) -> Tensor:
    """The suppressed maps (B, K, H, W), as ``pyposeops.heatmap_nms`` documents them."""
    return heatmaps.where(peak_mask(heatmaps, window, plateau, threshold), 0)


def peak_mask(heatmaps: Tensor, window: int, plateau: str, threshold: float) -> Tensor:
    """Which pixels are peaks, (B, K, H, W) bool."""
    maps = heatmaps.detach()
    maps = maps if maps.dtype == torch.float64 else maps.float()
    values = maps.where(maps > threshold, -math.inf)  # NaN is not above anything
    peaks = (values > -math.inf) & (values == _window_maximum(values, window))
    if plateau == "none":
        return peaks & (_count_of_equal(values, window) == 1)
    if plateau == "first":
        return peaks & _is_first_of_plateau(peaks, window)
    return peaks


def _window_maximum(values: Tensor, window: int) -> Tensor:
    return torch.nn.functional.max_pool2d(values, window, stride=1, padding=window // 2)


def _count_of_equal(values: Tensor, window: int) -> Tensor:
    """How many pixels of the window around each pixel have its value; the pixel itself is one."""
    radius = window // 2
    padded = torch.nn.functional.pad(values, (radius, radius, radius, radius), value=-math.inf)
    around = padded.unfold(2, window, 1).unfold(3, window, 1)
    return (around == values[..., None, None]).sum(dim=(4, 5))


def _is_first_of_plateau(peaks: Tensor, window: int) -> Tensor:
    """Every peak takes the lowest pixel index of the peaks in its window, until nothing changes."""
    height, width = peaks.shape[2:]
    index = torch.arange(height * width, dtype=torch.float64, device=peaks.device).view(height, width)
    lowest = index.expand(peaks.shape).where(peaks, math.inf)
    while True:
        spread = (-_window_maximum(-lowest, window)).where(peaks, math.inf)
        if torch.equal(spread, lowest):
            return lowest == index
        lowest = spread
