"""Padded and ragged people, and keypoints in map pixels, for the definitions of multi-person targets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor


def padded(keypoints: Tensor, visibility: Tensor, offsets: Tensor | None) -> tuple[Tensor, Tensor]:
    """(B, N, K, 2) and (B, N, K) in float64, people that do not exist being invisible."""
    keypoints, visibility = keypoints.to(torch.float64), visibility.to(torch.float64)
    if offsets is None:
        return (keypoints[:, None], visibility[:, None]) if keypoints.ndim == 3 else (keypoints, visibility)
    starts = offsets.tolist()
    people = [slice(begin, end) for begin, end in pairwise(starts)]
    most = max((one.stop - one.start for one in people), default=0)
    points = keypoints.new_zeros(len(people), most, *keypoints.shape[1:])
    seen = visibility.new_zeros(len(people), most, *visibility.shape[1:])
    for b, one in enumerate(people):
        points[b, : one.stop - one.start] = keypoints[one]
        seen[b, : one.stop - one.start] = visibility[one]
    return points, seen


def on_map(keypoints: Tensor, size: Sequence[int], input_size: Sequence[int] | None, grid: str) -> Tensor:
    """Keypoints in map pixels, the centre of the first pixel at 0.0."""
    last = 1 if grid == "udp" else 0
    pairs = zip(size if input_size is None else input_size, size, strict=True)
    stride = [1.0, 1.0] if input_size is None else [(a - last) / (b - last) for a, b in pairs]
    before = 0.5 if grid == "half_pixel" else 0.0
    after = -0.5 if grid in ("half_pixel", "edge") else 0.0
    return (keypoints + before) / keypoints.new_tensor(stride[::-1]) + after


def visible(keypoints: Tensor, visibility: Tensor) -> Tensor:
    return (visibility >= 0.5) & keypoints.isfinite().all(-1)
