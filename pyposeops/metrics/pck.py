"""PCK: the percentage of correct keypoints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from torch import Tensor

from pyposeops._library import accepts_numpy
from pyposeops.metrics._joint_counts import (
    Average,
    Comparison,
    JointCounts,
    check_joint_names,
    count_joints,
    mean_share,
    read_people,
    read_thresholds,
    shares,
)
from pyposeops.metrics.person_sizes import Normalizer, normalizer_sizes


class Pck(NamedTuple):
    """What :func:`pck` returns. For several thresholds the first two have one row or number for each."""

    per_joint: Tensor
    """(K,) or (T, K) float64 from 0 to 1: share of labelled joints found; NaN for a joint that never counts."""
    mean: Tensor
    """() or (T,) float64 from 0 to 1; NaN where no joint counts."""
    counted: Tensor
    """(K,) int64: how many times each joint counts."""


@accepts_numpy
def pck(
    pred: Tensor,
    target: Tensor,
    labelled: Tensor | None = None,
    *,
    normalizer: Normalizer = "torso",
    threshold: float | Sequence[float] | Tensor = 0.2,
    comparison: Comparison = "<=",
    average: Average = "joints",
    joint_names: Sequence[str] | None = None,
    boxes: Tensor | None = None,
) -> Pck:
    """Share of labelled joints whose error is at most a part of the person's size.

    Args:
        pred: (N, K, 2) predicted joints as (x, y) in pixels. Infinity stands for a joint that was not found.
        target: (N, K, 2) annotated joints.
        labelled: (N, K) bool, or visibility (above 0 is labelled); None: all joints are. Nothing is read from the
            coordinates of a joint that is not labelled.
        normalizer: a person's size: "torso", from left shoulder to right hip; "torso_mean", the mean of both
            diagonals, or the one that is labelled; "box", the longer side of ``boxes``; "joints_box", the longer side
            of the box around the labelled joints; "head", from head top to upper neck or neck; the names of two
            joints; or sizes (N,) in pixels.
        threshold: part of that size, from 0 on; one, or several for a curve.
        comparison: "<=", or "<" as in MMPose.
        average: the mean over "joints", each of the same weight, or over all "labels".
        joint_names: K names, for normalizers by joints.
        boxes: (N, 4) as (x, y, width, height), for the normalizer "box".

    Returns:
        Pck(per_joint, mean, counted), float64 and int64, on the arguments' device. A joint that never counts is NaN
        and not in the mean.

    A person whose size is NaN (a joint of it is not labelled) or 0 does not count. Distances are computed in float64.

    Raises:
        ValueError: shapes that do not fit, an unknown option, a threshold below 0, a labelled joint that is NaN (or
            infinite in ``target``), a size below 0. Values on a GPU are not checked: there NaN is not found.
        TypeError: arguments that are not arrays of numbers.

    Example:
        >>> truth = torch.tensor([[[10.0, 10.0], [20.0, 10.0]]])
        >>> found = pck(truth + torch.tensor([[0.0, 1.0], [3.0, 0.0]]), truth, normalizer=torch.tensor([10.0]))
        >>> found.per_joint, found.mean
        (tensor([1., 0.], dtype=torch.float64), tensor(0.5000, dtype=torch.float64))

    Source: Yang and Ramanan, Articulated Human Detection with Flexible Mixtures of Parts, PAMI 2013
    (normalizer "joints_box"); torso: Sapp and Taskar, MODEC, CVPR 2013.
    """
    people = read_people(pred, target, labelled)
    if joint_names is not None:
        check_joint_names(joint_names, people.pred.shape[1])
    sizes = normalizer_sizes(normalizer, people, joint_names, boxes)
    thresholds = read_thresholds(threshold, "threshold")
    found = pck_of(count_joints(people, sizes, thresholds, comparison), average)
    return found if is_curve(threshold) else single(found)


def is_curve(threshold: float | Sequence[float] | Tensor) -> bool:
    """Whether several thresholds were asked for, be it a list of one."""
    return threshold.ndim > 0 if isinstance(threshold, Tensor) else isinstance(threshold, Iterable)


def pck_of(counts: JointCounts, average: Average) -> Pck:
    """Shares of what was counted, one row per threshold."""
    return Pck(shares(counts), mean_share(counts, average), counts.counted)


def single(found: Pck) -> Pck:
    """Without the row of thresholds, where there is one."""
    return Pck(found.per_joint[0], found.mean[0], found.counted)
