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
