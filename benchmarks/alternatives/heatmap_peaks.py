"""Local maxima of heatmaps as people find them today: pooling and top-k in torch, SciPy map by map, kornia."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

Array: TypeAlias = np.ndarray[Any, Any]


def torch_nms(heatmaps: Tensor, window: int = 5) -> Tensor:
    """mmpose, CenterNet and HigherHRNet: what equals the maximum of its window stays."""
    pooled = torch.nn.functional.max_pool2d(heatmaps, window, stride=1, padding=window // 2)
    return heatmaps * (heatmaps == pooled)


def torch_peaks(
    heatmaps: Tensor, window: int = 5, max_peaks: int = 30, threshold: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """HigherHRNet and mmpose: suppress, top-k, then a quarter pixel toward the larger neighbour, vectorised."""
    height, width = heatmaps.shape[2:]
    flat = heatmaps.flatten(2)
    scores, index = torch_nms(heatmaps, window).flatten(2).topk(max_peaks)
    x, y = index % width, index // width

    def step(ahead: Tensor, behind: Tensor) -> Tensor:
        size = height * width - 1
        return 0.25 * (flat.gather(2, ahead.clamp(0, size)) - flat.gather(2, behind.clamp(0, size))).sign()

    inside = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
    offset = torch.stack((step(index + 1, index - 1), step(index + width, index - width)), dim=-1)
    coords = torch.stack((x, y), dim=-1) + offset * inside[..., None]
    found = scores > threshold
    return coords.where(found[..., None], -1), scores.where(found, 0), found.sum(dim=2)


def scipy_nms(heatmaps: Array, window: int = 5) -> Array:
    """Map by map, as bottom-up code in NumPy does it."""
    from scipy import ndimage

    suppressed = np.zeros_like(heatmaps)
    for b in range(heatmaps.shape[0]):
        for k in range(heatmaps.shape[1]):
            heatmap = heatmaps[b, k]
            is_peak = heatmap == ndimage.maximum_filter(heatmap, window, mode="constant", cval=-np.inf)
            suppressed[b, k][is_peak] = heatmap[is_peak]
    return suppressed


def scipy_peaks(
    heatmaps: Array, window: int = 5, max_peaks: int = 30, threshold: float = 0.0
) -> tuple[Array, Array, Array]:
    """The same, sorted and refined peak by peak."""
    batch, joints, height, width = heatmaps.shape
    coords = np.full((batch, joints, max_peaks, 2), -1, np.float32)
    scores = np.zeros((batch, joints, max_peaks), np.float32)
    counts = np.zeros((batch, joints), np.int64)
    suppressed = scipy_nms(heatmaps, window)
    for b in range(batch):
        for k in range(joints):
            heatmap = heatmaps[b, k]
            rows, columns = np.nonzero(suppressed[b, k] > threshold)
            values = heatmap[rows, columns]
            order = np.argsort(-values, kind="stable")[:max_peaks]
            counts[b, k] = len(order)
            for i, peak in enumerate(order):
                x, y = int(columns[peak]), int(rows[peak])
                coords[b, k, i] = x, y
                scores[b, k, i] = values[peak]
                if 1 < x < width - 1 and 1 < y < height - 1:
                    slope = [heatmap[y, x + 1] - heatmap[y, x - 1], heatmap[y + 1, x] - heatmap[y - 1, x]]
                    coords[b, k, i] += np.sign(slope) * 0.25
    return coords, scores, counts


def kornia_nms(heatmaps: Tensor, window: int = 5) -> Tensor:
    from kornia.geometry.subpix import nms2d

    suppressed: Tensor = nms2d(heatmaps, (window, window))
    return suppressed
