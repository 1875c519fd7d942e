"""SimCC labels and positions as people compute them today: joint by joint in NumPy, vectorised in torch."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

Array: TypeAlias = np.ndarray[Any, Any]


def numpy_labels(
    keypoints: Array, visibility: Array, size: tuple[int, int], split_ratio: float, sigma: float
) -> tuple[Array, Array, Array]:
    """mmpose: joint by joint, one sample of the batch after the other."""
    bins = round(size[1] * split_ratio), round(size[0] * split_ratio)
    labels = [np.zeros((*visibility.shape, count), np.float32) for count in bins]
    weights = visibility.copy()
    for joint in np.ndindex(visibility.shape):
        if visibility[joint] < 0.5:
            continue
        mu = np.around(keypoints[joint] * split_ratio)
        if (mu - 3 * sigma >= bins).any() or (mu + 3 * sigma + 1 < 0).any():
            weights[joint] = 0
            continue
        for label, count, centre in zip(labels, bins, mu, strict=True):
            position = np.arange(count, dtype=np.float32)
            label[joint] = np.exp(-((position - centre) ** 2) / (2 * sigma**2))
    norm = np.float32(sigma * math.sqrt(2 * math.pi))
    return labels[0] / norm, labels[1] / norm, weights


def torch_labels(
    keypoints: Tensor, visibility: Tensor, size: tuple[int, int], split_ratio: float, sigma: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The same for all joints at once."""
    mu = (keypoints * split_ratio).round()
    bins = mu.new_tensor([round(size[1] * split_ratio), round(size[0] * split_ratio)])
    on_crop = ((mu - 3 * sigma < bins) & (mu + 3 * sigma + 1 >= 0)).all(-1)
    drawn = (on_crop & (visibility >= 0.5))[..., None] / (sigma * math.sqrt(2 * math.pi))
    labels = []
    for d in range(2):
        position = torch.arange(round(size[1 - d] * split_ratio), device=mu.device)
        labels.append(torch.exp(-((position - mu[..., d, None]) ** 2) / (2 * sigma**2)) * drawn)
    return labels[0], labels[1], visibility * on_crop


def numpy_positions(
    simcc_x: Array, simcc_y: Array, split_ratio: float, blur_kernel: int | None = None
) -> tuple[Array, Array]:
    """mmpose: maxima of all joints; with ``blur_kernel`` smoothing and Newton step row by row."""
    positions, maxima = [], []
    for rows in (simcc_x, simcc_y):
        position = rows.argmax(-1).astype(np.float32)
        maxima.append(rows.max(-1))
        positions.append(position if blur_kernel is None else _numpy_dark(position, rows, blur_kernel))
    return np.stack(positions, axis=-1) / split_ratio, np.minimum(*maxima)


def _numpy_dark(positions: Array, rows: Array, blur_kernel: int) -> Array:
    import cv2

    border = blur_kernel // 2
    refined = positions.copy()
    for joint in np.ndindex(positions.shape):
        padded = np.pad(rows[joint], border)[None]
        smooth = cv2.GaussianBlur(padded, (blur_kernel, 1), 0)[0, border:-border]
        smooth *= rows[joint].max() / smooth.max()
        log = np.pad(np.log(np.clip(smooth, 1e-3, 50)), 2, "edge")
        i = int(positions[joint]) + 2
        slope = 0.5 * (log[i + 1] - log[i - 1])
        refined[joint] -= slope / (1e-9 + 0.25 * (log[i + 2] - 2 * log[i] + log[i - 2]))
    return refined


def torch_positions(
    simcc_x: Tensor,
    simcc_y: Tensor,
    other_x: Tensor | None = None,
    other_y: Tensor | None = None,
    *,
    split_ratio: float,
    order: list[int] | None = None,
    softmax: bool = False,
) -> tuple[Tensor, Tensor]:
    """The published SimCC's test: softmax, flip test, maxima; vectorised."""
    found = []
    for d, (rows, other) in enumerate(((simcc_x, other_x), (simcc_y, other_y))):
        values = torch.softmax(rows, -1) if softmax else rows
        if other is not None:
            back = (torch.softmax(other, -1) if softmax else other)[:, order]
            values = 0.5 * (values + (back.flip(-1) if d == 0 else back))
        found.append(values.max(-1))
    coords = torch.stack([place for _, place in found], dim=-1) / split_ratio
    return coords, torch.minimum(found[0][0], found[1][0])
