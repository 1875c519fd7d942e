"""Definition of oks_nms: greedy suppression of people by object keypoint similarity."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyposeops.reference._oks import descending, images_of, similarities


def oks_nms(
    keypoints: Tensor,
    scores: Tensor,
    areas: Tensor,
    *,
    sigmas: Tensor | Sequence[float],
    threshold: float = 0.9,
    offsets: Tensor | None = None,
    confidences: Tensor | None = None,
    confidence_threshold: float = 0.2,
    ties: str = "stable",
) -> tuple[Tensor, Tensor]:
    """keep (N,) bool and order (N,) int64, as ``pyposeops.oks_nms`` documents them; on the CPU."""
    counts = None if confidences is None else confidences > confidence_threshold
    keep = torch.ones(len(keypoints), dtype=torch.bool)
    order = torch.empty(len(keypoints), dtype=torch.int64)
    for rows in images_of(offsets, len(keypoints)):
        own = slice(rows.start, rows.stop)
        similar = similarities(keypoints[own], areas[own], sigmas, None if counts is None else counts[own])
        ranked = descending(scores[own], ties)
        kept: list[int] = []
        for person in ranked.tolist():
            keep[rows.start + person] = not (similar[person, kept] > threshold).any()
            if keep[rows.start + person]:
                kept.append(person)
        order[own] = rows.start + ranked
    return keep, order
