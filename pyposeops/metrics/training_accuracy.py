"""The accuracy that is shown while a network trains: PCK of joints in a crop, or of the maxima of its heat maps."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy
from pyposeops.metrics._joint_counts import (
    Average,
    Comparison,
    JointCounts,
    check_choice,
    check_tensor,
    distance,
    is_within,
    mean_share,
    read_labelled,
    read_positions,
    read_thresholds,
    shares,
)
from pyposeops.ops.heatmap_decode import heatmap_decode

Axes = Literal["own", "swapped"]


class TrainingAccuracy(NamedTuple):
    """What :func:`heatmap_accuracy` and :func:`crop_accuracy` return; float64 from 0 to 1."""

    per_joint: Tensor
    """(K,) share of joints found; NaN for a joint that never counts."""
    mean: Tensor
    """() NaN where no joint counts."""
    counted: Tensor
    """(K,) int64: how many times each joint counts."""


@accepts_numpy
def heatmap_accuracy(
    pred: Tensor,
    target: Tensor,
    labelled: Tensor | None = None,
    *,
    threshold: float = 0.5,
    comparison: Comparison = "<",
    average: Average = "joints",
    axes: Axes = "own",
) -> TrainingAccuracy:
    """Share of joints whose maximum is near the target's, in tenths of the map's width and height.

    Nothing is read back from the device, so that a training step need not wait.

    Args:
        pred: (B, K, H, W) heat maps of the network.
        target: (B, K, H, W) heat maps to learn.
        labelled: (B, K) bool or weights (above 0 is labelled); None: as published, joints whose target has its
            maximum beyond the first two rows and columns.
        threshold: in tenths of the map: 0.5 is a twentieth of its width in x, of its height in y.
        comparison: "<" as published, or "<=".
        average: the mean over "joints", each of the same weight, as published; or over all "labels".
        axes: "own": x by the width and y by the height; "swapped": x by the height and y by the width, as the
            published code does, another figure wherever maps are not square.

    Returns:
        TrainingAccuracy(per_joint, mean, counted), on the maps' device.

    Of equal maxima the first one counts, see :func:`pyposeops.heatmap_decode`. The maximum of a map that is nowhere
    above 0 is taken to be at (0, 0), as published.

    Raises:
        ValueError: shapes that do not fit, a threshold below 0, an unknown option. TypeError: not arrays of numbers.

    Example:
        >>> target = torch.zeros(1, 2, 40, 40)
        >>> target[0, :, 20, 20] = 1
        >>> pred = target.roll(1, dims=-1)
        >>> pred[0, 1] = pred[0, 1].roll(1, dims=-1)
        >>> heatmap_accuracy(pred, target).per_joint
        tensor([1., 0.], dtype=torch.float64)

    Source: Xiao et al., Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018, and Sun et al., HRNet,
    CVPR 2019 (published codes).
    """
    check_choice(axes, ("own", "swapped"), "axes")
    check_tensor(pred, "pred", ("B", "K", "H", "W"))
    check_tensor(target, "target", tuple(pred.shape))
    found, wanted = _maxima(pred), _maxima(target)
    mask = (wanted > 1).all(-1) if labelled is None else labelled
    height, width = pred.shape[-2:]
    return crop_accuracy(
        found,
        wanted,
        mask,
        size=(height, width) if axes == "own" else (width, height),
        threshold=threshold,
        comparison=comparison,
        average=average,
    )


@accepts_numpy
def crop_accuracy(
    pred: Tensor,
    target: Tensor,
    labelled: Tensor | None = None,
    *,
    size: tuple[int, int],
    threshold: float = 0.5,
    comparison: Comparison = "<",
    average: Average = "joints",
) -> TrainingAccuracy:
    """Share of labelled joints near the truth, in tenths of the crop's width and height.

    The accuracy of :func:`heatmap_accuracy` for networks that give positions, not heat maps. Nothing is read back
    from the device, so that a training step need not wait.

    Args:
        pred: (N, K, 2) found joints as (x, y) in pixels of the crop. NaN is not found.
        target: (N, K, 2) the truth.
        labelled: (N, K) bool or weights (above 0 is labelled); None: all joints are.
        size: (height, width) of the crop in pixels.
        threshold: in tenths of the crop: 0.5 is a twentieth of its width in x, of its height in y.
        comparison: "<" or "<=".
        average: the mean over "joints", each of the same weight, or over all "labels".

    Returns:
        TrainingAccuracy(per_joint, mean, counted), on the arguments' device.

    Raises:
        ValueError: shapes that do not fit, a size or threshold below 0, an unknown option. TypeError: not arrays of
            numbers.

    Example:
        >>> truth = torch.full((1, 2, 2), 50.0)
        >>> found = truth + torch.tensor([[9.0, 0.0], [0.0, 9.0]])
        >>> crop_accuracy(found, truth, size=(100, 200)).per_joint
        tensor([1., 0.], dtype=torch.float64)

    Source: see :func:`heatmap_accuracy`.
    """
    check_choice(comparison, ("<=", "<"), "comparison")
    limit = read_thresholds(float(threshold), "threshold")[0]
    found = read_positions(pred, "pred").detach()
    wanted = read_positions(target, "target", tuple(found.shape)).detach()
    mask = read_labelled(labelled, wanted)
    if not (len(size) == 2 and min(size) > 0):
        raise ValueError(f"size: expected (height, width) above 0, got {size}")
    # Filled on the device: a tensor of two numbers would have to travel there.
    unit = torch.stack([wanted.new_full((), length / 10) for length in reversed(size)])
    errors = distance(found / unit, wanted / unit)
    counts = JointCounts((is_within(errors, limit, comparison) & mask).sum(0)[None], mask.sum(0))
    return TrainingAccuracy(shares(counts)[0], mean_share(counts, average)[0], counts.counted)


def _maxima(heatmaps: Tensor) -> Tensor:
    """(B, K, 2) as (x, y) in pixels of the map."""
    maps = heatmaps if heatmaps.is_floating_point() else heatmaps.to(torch.float32)
    return heatmap_decode(maps.detach(), refine="none").coords
