"""Images of people in one list, their order by score, and their similarities, for the definitions of pose NMS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

EPS = torch.finfo(torch.float64).eps


def images_of(offsets: Tensor | None, people: int) -> Iterator[range]:
    """The rows of each image."""
    edges = [0, people] if offsets is None else offsets.tolist()
    return (range(begin, end) for begin, end in pairwise(edges))


def descending(scores: Tensor, ties: str) -> Tensor:
    """Positions by falling score; equal scores as they stand, or the last of them first."""
    if ties == "stable":
        return torch.argsort(scores, descending=True, stable=True)
    return torch.argsort(scores, stable=True).flip(0)


def similarities(
    keypoints: Tensor,
    areas: Tensor,
    sigmas: Tensor | Sequence[float],
    counts: Tensor | None = None,
) -> Tensor:
    """Object keypoint similarity of all pairs, (N, N) float64, scaled by the mean of both areas.

    The mean over the joints that both have (``counts`` (N, K) bool), 0 where there is none.
    """
    points, areas = keypoints.double(), areas.double()
    variances = (2 * torch.as_tensor(sigmas, dtype=torch.float64)) ** 2
    scale = (areas[:, None] + areas) / 2 + EPS
    squared = (points[:, None] - points).square().sum(-1)
    each = torch.exp(-squared / variances / scale[..., None] / 2)
    if counts is None:
        counts = torch.ones(keypoints.shape[:2], dtype=torch.bool)
    both = counts[:, None] & counts
    return torch.where(both, each, 0).sum(-1) / both.sum(-1).clamp(min=1)
