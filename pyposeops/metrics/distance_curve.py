"""Accuracy over the distance that is allowed, and the area under such curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy
from pyposeops.metrics._joint_counts import (
    Average,
    Comparison,
    JointCounts,
    check_choice,
    check_joint_names,
    count_joints,
    mean_share,
    read_curve_thresholds,
    read_people,
    read_thresholds,
    shares,
)
from pyposeops.metrics.person_sizes import Normalizer, normalizer_sizes

AucRule = Literal["trapezoid", "mean"]
PIXELS_TO_20 = tuple(float(pixels) for pixels in range(21))


class AccuracyCurve(NamedTuple):
    """Share of labelled joints found over the distance allowed; float64, from 0 to 1; NaN for what never counts."""

    thresholds: Tensor
    """(T,) the distances, ascending."""
    per_joint: Tensor
    """(T, K)"""
    mean: Tensor
    """(T,)"""
    auc_per_joint: Tensor
    """(K,) area under each joint's curve, of the whole."""
    auc: Tensor
    """() area under the mean's curve."""
    counted: Tensor
    """(K,) int64: how many times each joint counts."""


@accepts_numpy
def distance_curve(
    pred: Tensor,
    target: Tensor,
    labelled: Tensor | None = None,
    *,
    normalizer: Normalizer = "torso",
    reference_px: float = 100.0,
    thresholds: Sequence[float] | Tensor = PIXELS_TO_20,
    comparison: Comparison = "<=",
    average: Average = "joints",
    auc_limit: float | None = None,
    auc_rule: AucRule = "trapezoid",
    joint_names: Sequence[str] | None = None,
    boxes: Tensor | None = None,
) -> AccuracyCurve:
    """Share of labelled joints within so many pixels, in an image scaled to people of one size: FCK curves.

    Args:
        pred: (N, K, 2) predicted joints as (x, y) in pixels. Infinity stands for a joint that was not found.
        target: (N, K, 2) annotated joints.
        labelled: (N, K) bool, or visibility (above 0 is labelled); None: all joints are.
        normalizer: what is scaled to ``reference_px``, see :func:`pck`.
        reference_px: length of it in the scaled image; 1 for thresholds that are parts of it.
        thresholds: (T,) distances in pixels of the scaled image, ascending; two or more.
        comparison: "<=" or "<".
        average: the mean over "joints", each of the same weight, or over all "labels".
        auc_limit: area up to this distance; default the last one.
        auc_rule: see :func:`area_under_curve`.
        joint_names: K names, for normalizers by joints.
        boxes: (N, 4) as (x, y, width, height), for the normalizer "box".

    Returns:
        AccuracyCurve(thresholds, per_joint, mean, auc_per_joint, auc, counted).

    MMPose's AUC by its defaults is ``normalizer=torch.full((N,), 30.0), reference_px=1, thresholds=torch.arange(20) /
    20, comparison="<", auc_rule="mean"``: errors in units of 30 pixels of the image, whatever the size of the person.

    Raises:
        ValueError, TypeError: as :func:`pck` does.

    Example:
        >>> truth = torch.tensor([[[0.0, 0.0], [50.0, 0.0]]])
        >>> curve = distance_curve(truth + torch.tensor([2.0, 0.0]), truth, normalizer=torch.tensor([50.0]),
        ...                        thresholds=[0, 2, 4, 6])
        >>> curve.mean, float(curve.auc)
        (tensor([0., 0., 1., 1.], dtype=torch.float64), 0.5)

    Source: Sapp and Taskar, MODEC, CVPR 2013, and published code (torso of 100 pixels, distances to 20);
    Tompson et al., Efficient Object Localization Using Convolutional Networks, CVPR 2015.
    """
    people = read_people(pred, target, labelled)
    if joint_names is not None:
        check_joint_names(joint_names, people.pred.shape[1])
    if not reference_px > 0:
        raise ValueError(f"reference_px: expected a number above 0, got {reference_px}")
    sizes = normalizer_sizes(normalizer, people, joint_names, boxes)
    steps = read_curve_thresholds(thresholds, "thresholds")
    counts = count_joints(people, sizes, steps, comparison, float(reference_px))
    return curve_of(counts, steps, average, auc_limit, auc_rule)


def curve_of(
    counts: JointCounts,
    thresholds: Sequence[float],
    average: Average,
    auc_limit: float | None,
    auc_rule: AucRule,
) -> AccuracyCurve:
    """The curve of what was counted at each threshold."""
    per_joint, mean = shares(counts), mean_share(counts, average)
    steps = per_joint.new_tensor(thresholds)
    areas = [area_under_curve(steps, values, limit=auc_limit, rule=auc_rule) for values in (per_joint, mean)]
    return AccuracyCurve(steps, per_joint, mean, areas[0], areas[1], counts.counted)


@accepts_numpy
def area_under_curve(
    thresholds: Tensor, values: Tensor, *, limit: float | None = None, rule: AucRule = "trapezoid"
) -> Tensor:
    """Area under a curve as a part of the whole: 1 for a curve that is 1 everywhere.

    Args:
        thresholds: (T,) ascending, two or more.
        values: (T, ...) of one or more curves.
        limit: where the area ends, above the first threshold and up to the last; default the last.
        rule: "trapezoid", straight lines between the points, divided by the width from the first threshold to the
            limit; or "mean" of the values up to the limit, as MMPose does with thresholds 0, 0.05 to 0.95.

    Returns:
        (...) float64; NaN where a value is NaN.

    Raises:
        ValueError: shapes that do not fit, thresholds that do not ascend, a limit outside of them, an unknown rule.
        TypeError: arguments that are not arrays.

    Example:
        >>> float(area_under_curve(torch.tensor([0.0, 1.0, 2.0]), torch.tensor([0.0, 1.0, 1.0])))
        0.75
        >>> float(area_under_curve(torch.tensor([0.0, 1.0, 2.0]), torch.tensor([0.0, 1.0, 1.0]), limit=1.0))
        0.5
    """
    check_choice(rule, ("trapezoid", "mean"), "rule")
    if not isinstance(thresholds, Tensor) or not isinstance(values, Tensor):
        raise TypeError(f"values: expected a tensor or array, got {type(values).__name__}")
    steps = read_curve_thresholds(thresholds, "thresholds")
    if values.ndim == 0 or len(values) != len(steps):
        raise ValueError(f"values: expected ({len(steps)}, ...), got {tuple(values.shape)}")
    end = steps[-1] if limit is None else read_thresholds(float(limit), "limit")[0]
    if not steps[0] < end <= steps[-1]:
        raise ValueError(f"limit: expected a number above {steps[0]} and up to {steps[-1]}, got {limit}")
    inside = sum(step <= end for step in steps)
    values = values.to(torch.float64)
    if rule == "mean":
        return values[:inside].mean(0)
    x, y = steps[:inside], list(values[:inside])
    if x[-1] < end:
        part = (end - x[-1]) / (steps[inside] - x[-1])
        y.append(y[-1] + (values[inside] - y[-1]) * part)
        x.append(end)
    area = torch.trapezoid(torch.stack(y), values.new_tensor(x), dim=0)
    return area / (end - steps[0])
