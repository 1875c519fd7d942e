"""How the object keypoint similarity of many pairs is computed today."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def broadcast(
    detections: Tensor, truths: Tensor, sigmas: Tensor, areas: Tensor, visibility: Tensor
) -> Tensor:
    """(B, D, G) by broadcasting, every intermediate result of all joints in memory."""
    squared = (detections[:, :, None] - truths[:, None]).square().sum(-1)
    exponent = squared / (2 * sigmas).square() / (areas[:, None, :, None] + 2.0**-52) / 2
    counts = (visibility > 0)[:, None]
    return (torch.exp(-exponent) * counts).sum(-1) / counts.sum(-1).clamp(min=1)


def ragged_broadcast(
    detections: Tensor,
    truths: Tensor,
    sigmas: Tensor,
    areas: Tensor,
    visibility: Tensor,
    detection_offsets: Tensor,
    truth_offsets: Tensor,
) -> Tensor:
    """The same, image by image."""
    found, others = detection_offsets.tolist(), truth_offsets.tolist()
    images = []
    for b in range(len(found) - 1):
        own, true = slice(found[b], found[b + 1]), slice(others[b], others[b + 1])
        if own.start < own.stop and true.start < true.stop:
            one = broadcast(
                detections[None, own], truths[None, true], sigmas, areas[None, true], visibility[None, true]
            )
            images.append(one.flatten())
    return torch.cat(images)


def numpy_pairs(detections: Any, truths: Any, sigmas: Any, areas: Any, visibility: Any) -> Any:
    """One pair at a time in float64, in the manner of pycocotools and HRNet."""
    variances = (sigmas.astype(np.float64) * 2) ** 2
    result = np.zeros((len(detections), len(truths)))
    for g, truth in enumerate(truths.astype(np.float64)):
        labelled = visibility[g] > 0
        count = np.count_nonzero(labelled)
        for d, found in enumerate(detections):
            dx, dy = found[:, 0] - truth[:, 0], found[:, 1] - truth[:, 1]
            e = (dx**2 + dy**2) / variances / (areas[g] + np.spacing(1)) / 2
            if count > 0:
                result[d, g] = np.sum(np.exp(-e[labelled])) / count
    return result


def numpy_padded(detections: Any, truths: Any, sigmas: Any, areas: Any, visibility: Any) -> Tensor:
    images = zip(detections, truths, areas, visibility, strict=True)
    return torch.from_numpy(np.stack([numpy_pairs(d, t, sigmas, a, v) for d, t, a, v in images]))


def numpy_ragged(
    detections: Any,
    truths: Any,
    sigmas: Any,
    areas: Any,
    visibility: Any,
    detection_offsets: Any,
    truth_offsets: Any,
) -> Tensor:
    images = []
    for b in range(len(detection_offsets) - 1):
        own = slice(*detection_offsets[b : b + 2])
        true = slice(*truth_offsets[b : b + 2])
        images.append(
            numpy_pairs(detections[own], truths[true], sigmas, areas[true], visibility[true]).ravel()
        )
    return torch.from_numpy(np.concatenate(images))
