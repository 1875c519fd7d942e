"""Definition of oks_matrix in plain PyTorch, and the one formula of the object keypoint similarity."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

EPS = torch.finfo(torch.float64).eps  # np.spacing(1): COCO's evaluation adds it to the area


def oks_exponent(difference: Tensor, sigmas: Tensor, area: Tensor) -> Tensor:
    """(..., K) from (..., K, 2), (K,) and (..., 1): a joint's similarity is ``exp(-oks_exponent)``."""
    # COCO's order, but for its division by 2, which is exact wherever it stands
    return difference.square().sum(-1) / (2 * (2 * sigmas).square()) / (area + EPS)


def oks_matrix(
    detections: Tensor,
    truths: Tensor,
    *,
    sigmas: Tensor,
    areas: Tensor | None = None,
    visibility: Tensor | None = None,
    boxes: Tensor | None = None,
    box_factor: float = 0.53,
    detection_areas: Tensor | None = None,
    detection_scores: Tensor | None = None,
    score_threshold: float = 0.0,
    unlabelled: str = "zero",
    detection_offsets: Tensor | None = None,
    truth_offsets: Tensor | None = None,
) -> Tensor:
    """As ``pyposeops.oks_matrix`` documents it; the scale is what the areas given say."""
    dtype = torch.float64 if detections.dtype == torch.float64 else torch.float32
    detections, truths, sigmas = detections.to(dtype), truths.to(dtype), sigmas.to(dtype)
    confident = torch.ones_like(detections[..., 0], dtype=torch.bool)
    if detection_scores is not None:
        single = detection_scores.dtype != torch.float64
        confident = (detection_scores.float() if single else detection_scores) > score_threshold
    labelled = torch.ones_like(truths[..., 0], dtype=torch.bool) if visibility is None else visibility > 0
    if areas is None:
        assert boxes is not None
        areas = boxes[..., 2].to(dtype) * boxes[..., 3].to(dtype) * box_factor
    areas = _used(areas.to(dtype))
    in_box = ~labelled.any(-1) if unlabelled == "box" else torch.zeros_like(areas, dtype=torch.bool)
    box = truths.new_zeros(*areas.shape, 4) if boxes is None else boxes.to(dtype)
    found = _Detections(detections, confident, detection_areas)
    people = _Truths(truths, labelled | in_box[..., None], areas, in_box, box)
    if detection_offsets is None or truth_offsets is None:
        return _similarities(found, people, sigmas)
    images = [detections.new_zeros(0)]
    for own, other in zip(
        pairwise(detection_offsets.tolist()), pairwise(truth_offsets.tolist()), strict=True
    ):
        some = _Detections(*(None if t is None else t[slice(*own)] for t in found))  # type: ignore[arg-type]
        images.append(_similarities(some, _Truths(*(t[slice(*other)] for t in people)), sigmas).flatten())
    return torch.cat(images)


class _Detections(NamedTuple):
    joints: Tensor  # (..., D, K, 2)
    counts: Tensor  # (..., D, K)
    areas: Tensor | None  # (..., D)


class _Truths(NamedTuple):
    joints: Tensor  # (..., G, K, 2)
    counts: Tensor  # (..., G, K)
    areas: Tensor  # (..., G)
    in_box: Tensor  # (..., G)
    box: Tensor  # (..., G, 4)


def _used(area: Tensor) -> Tensor:
    return torch.where(area < 0, torch.nan, area)


def _similarities(found: _Detections, truths: _Truths, sigmas: Tensor) -> Tensor:
    """(..., D, G)"""
    area = truths.areas[..., None, :]
    if found.areas is not None:
        area = (area + _used(found.areas.to(area.dtype))[..., :, None]) / 2
    counts = truths.counts[..., None, :, :] & found.counts[..., :, None, :]
    corner, size = truths.box[..., None, :, None, :].chunk(2, -1)
    joints = found.joints[..., :, None, :, :]
    beyond = (joints - (corner + 2 * size)).clamp(min=0) + (joints - (corner - size)).clamp(max=0)
    difference = torch.where(
        truths.in_box[..., None, :, None, None], beyond, joints - truths.joints[..., None, :, :, :]
    )
    difference = torch.where(counts[..., None], difference, 0.0)
    similarity = torch.exp(-oks_exponent(difference, sigmas, area[..., None]))
    return torch.where(counts, similarity, 0.0).sum(-1) / counts.sum(-1).clamp(min=1)
