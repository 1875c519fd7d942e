"""Definition of soft_oks_nms: scores fall beside better people who are similar."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pyposeops.reference._oks import descending, images_of, similarities


def soft_oks_nms(
    keypoints: Tensor,
    scores: Tensor,
    areas: Tensor,
    *,
    sigmas: Tensor | Sequence[float],
    decay: str = "gaussian",
    threshold: float = 0.9,
    max_dets: int = 20,
    offsets: Tensor | None = None,
    confidences: Tensor | None = None,
    confidence_threshold: float = 0.2,
    ties: str = "stable",
) -> tuple[Tensor, Tensor, Tensor]:
    """keep, order and rescored, (N,) each, as ``pyposeops.soft_oks_nms`` documents them; on the CPU."""
    counts = None if confidences is None else confidences > confidence_threshold
    keep = torch.zeros(len(keypoints), dtype=torch.bool)
    order = torch.empty(len(keypoints), dtype=torch.int64)
    rescored = scores.double().clone()
    for rows in images_of(offsets, len(keypoints)):
        own = slice(rows.start, rows.stop)
        similar = similarities(keypoints[own], areas[own], sigmas, None if counts is None else counts[own])
        values = rescored[own].clone()
        left = descending(values, ties)
        picked: list[Tensor] = []
        while len(left) and len(picked) < max_dets:
            best, left = left[0], left[1:]
            values[left] = values[left] * _factors(similar[best, left], decay, threshold)
            left = left[descending(values[left], ties)]
            picked.append(best)
        order[own] = rows.start + torch.cat([*(best[None] for best in picked), left])
        keep[order[own][:max_dets]] = True
        rescored[own] = values
    return keep, order, rescored.to(scores.dtype)


def _factors(similar: Tensor, decay: str, threshold: float) -> Tensor:
    """What scores are multiplied by; 1 where the similarity is NaN."""
    if decay == "linear":
        return torch.where(similar >= threshold, 1 - similar, 1.0)
    return torch.exp(-(similar**2) / threshold).nan_to_num(1.0)
