"""Definition of heatmap_peaks: suppress, sort, refine, on whole maps."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pyposeops.reference.heatmap_nms import peak_mask
from pyposeops.reference.peak_refine import peak_offset


def heatmap_peaks(
    heatmaps: Tensor,
    *,
    max_peaks: int = 30,
    threshold: float = 0.0,
    window: int = 5,
    refine: str = "quarter",
    plateau: str = "first",
    blur_kernel: int = 11,
    centroid_window: int = 7,
) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates (B, K, P, 2), scores (B, K, P) and counts (B, K), as ``pyposeops.heatmap_peaks`` documents them."""
    maps = heatmaps.detach()
    maps = maps if maps.dtype == torch.float64 else maps.float()
    width = maps.shape[3]
    peaks = peak_mask(maps, window, plateau, threshold).flatten(2)
    # A stable sort leaves equal scores in row-major order.
    scores, index = maps.flatten(2).where(peaks, -math.inf).sort(dim=2, descending=True, stable=True)
    scores, index = scores[..., :max_peaks], index[..., :max_peaks]
    missing = max_peaks - index.shape[2]
    scores = torch.nn.functional.pad(scores, (0, missing), value=-math.inf)
    index = torch.nn.functional.pad(index, (0, missing))

    x, y = index % width, index // width
    offset = peak_offset(maps, x, y, refine, blur_kernel=blur_kernel, centroid_window=centroid_window)
    found = scores > -math.inf
    coords = (torch.stack((x, y), dim=-1) + offset).where(found[..., None], -1)
    return coords, scores.where(found, 0), found.sum(dim=2)
