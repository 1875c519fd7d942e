"""The accuracy that is shown while a network trains: PCK of the heat maps' maxima."""

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
    read_thresholds,
    shares,
)
from pyposeops.ops.heatmap_decode import heatmap_decode

Axes = Literal["own", "swapped"]


class HeatmapAccuracy(NamedTuple):
    """What :func:`heatmap_accuracy` returns; float64 from 0 to 1."""

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
) -> HeatmapAccuracy:
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
        HeatmapAccuracy(per_joint, mean, counted), on the maps' device.

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
    check_choice(comparison, ("<=", "<"), "comparison")
    limit = read_thresholds(float(threshold), "threshold")[0]
    check_tensor(pred, "pred", ("B", "K", "H", "W"))
    check_tensor(target, "target", tuple(pred.shape))
    found, wanted = _maxima(pred), _maxima(target)
    mask = (wanted > 1).all(-1) if labelled is None else read_labelled(labelled, wanted)
    height, width = pred.shape[-2:]
    tenths = (width / 10, height / 10) if axes == "own" else (height / 10, width / 10)
    # Without an index or a constant that would have to travel to the device.
    unit = torch.stack([wanted.new_full((), size) for size in tenths])
    errors = distance(found / unit, wanted / unit)
    counts = JointCounts((is_within(errors, limit, comparison) & mask).sum(0)[None], mask.sum(0))
    return HeatmapAccuracy(shares(counts)[0], mean_share(counts, average)[0], counts.counted)


def _maxima(heatmaps: Tensor) -> Tensor:
    """(B, K, 2) float64 as (x, y) in pixels of the map."""
    maps = heatmaps if heatmaps.is_floating_point() else heatmaps.to(torch.float32)
    return heatmap_decode(maps.detach(), refine="none").coords.to(torch.float64)
