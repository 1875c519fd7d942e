"""Joints as classes: the bin of a person's box that each joint falls into.

Plain PyTorch: two roundings per joint, nothing for a kernel to gain.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy
from pyposeops.ops.affine import check_device, floating


class KeypointBins(NamedTuple):
    """What :func:`keypoint_bins` returns."""

    bins: Tensor
    """(N, K) int64: row-major index of the joint's bin, 0 where it is not valid."""
    valid: Tensor
    """(N, K) bool: whether the joint is visible and in its box."""


@accepts_numpy
def keypoint_bins(
    keypoints: Tensor, visibility: Tensor, boxes: Tensor, *, size: tuple[int, int] = (56, 56)
) -> KeypointBins:
    """The bin of each joint in a grid over its person's box: the target of a classification over all bins.

    A box (x1, y1, x2, y2) is divided into ``size`` bins. A joint is in column ``floor((x - x1) * width / (x2 - x1))``
    and in the row of the same formula; one exactly on the right or lower edge is in the last. The target of
    ``torch.nn.functional.cross_entropy`` over the ``height * width`` bins is ``bins[valid]``.

    Args:
        keypoints: (N, K, 2), (x, y) in the pixels of the boxes; float32, float64, float16 or bfloat16.
        visibility: (N, K), any dtype. Joints above 0 count.
        boxes: (N, 4) as (x1, y1, x2, y2), one per person.
        size: (height, width) of the grid in bins.

    Returns:
        bins: (N, K), int64, ``row * width + column``; 0 where not valid.
        valid: (N, K), bool: visible and in the box, both edges included. A coordinate that is NaN or infinite, and a
            box without width or height, make it False.

    Raises:
        ValueError: shapes or devices that do not fit, a size below 1.
        TypeError: keypoints or boxes that are not floating.

    Computed in float32, for float64 keypoints or boxes in float64. No gradient passes: bins are whole numbers.

    Example:
        >>> keypoints = torch.tensor([[[12.0, 20.0], [40.0, 30.0], [50.0, 30.0]]])
        >>> boxes = torch.tensor([[10.0, 20.0, 40.0, 40.0]])
        >>> keypoint_bins(keypoints, torch.ones(1, 3), boxes, size=(2, 3))
        KeypointBins(bins=tensor([[0, 5, 0]]), valid=tensor([[ True,  True, False]]))

    Source: He et al., Mask R-CNN, ICCV 2017, section 5, with the rounding of torchvision's keypoint head.
    """
    _check(keypoints, visibility, boxes, size)
    keypoints, boxes = floating(keypoints.detach()), floating(boxes.detach())
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    height, width = size
    counts = torch.stack((torch.full_like(low[..., 0], width), torch.full_like(low[..., 0], height)), dim=-1)
    bins = torch.floor((keypoints - low) * (counts / (high - low)))
    bins = torch.where(keypoints == high, counts - 1, bins)
    inside = ((bins >= 0) & (bins < counts)).all(dim=-1) & (high > low).all(dim=-1)
    valid = inside & keypoints.isfinite().all(dim=-1) & (visibility > 0)
    column, row = torch.where(valid[..., None], bins, 0).long().unbind(dim=-1)
    return KeypointBins(row * width + column, valid)


def _check(keypoints: Tensor, visibility: Tensor, boxes: Tensor, size: tuple[int, int]) -> None:
    if keypoints.ndim != 3 or keypoints.shape[2] != 2:
        raise ValueError(f"keypoints: expected (N, K, 2), got {tuple(keypoints.shape)}")
    if visibility.shape != keypoints.shape[:2]:
        raise ValueError(f"visibility: expected {tuple(keypoints.shape[:2])}, got {tuple(visibility.shape)}")
    if tuple(boxes.shape) != (keypoints.shape[0], 4):
        raise ValueError(f"boxes: expected ({keypoints.shape[0]}, 4), got {tuple(boxes.shape)}")
    for name, tensor in (("keypoints", keypoints), ("boxes", boxes)):
        if not tensor.is_floating_point():
            raise TypeError(f"{name}: expected floating, got {tensor.dtype}")
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size: expected a height and width of at least 1, got {size}")
    check_device(visibility, "visibility", keypoints, "keypoints")
    check_device(boxes, "boxes", keypoints, "keypoints")
