"""PCKh: the percentage of correct keypoints in units of the head, as MPII counts it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypedDict

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy
from pyposeops.metrics._joint_counts import (
    Comparison,
    JointCounts,
    check_choice,
    check_joint_names,
    count_joints,
    mean_share,
    part_means,
    read_people,
    read_sizes,
    read_thresholds,
    shares,
)
from pyposeops.metrics.sticks import MPII_JOINTS, MPII_PARTS, joint_index

PckhAverage = Literal["labels", "joints", "parts"]


class PckhConvention(TypedDict):
    """Arguments of :func:`pckh` that published evaluations differ in."""

    comparison: Comparison
    average: PckhAverage
    fine_threshold: float


PCKH_CONVENTIONS: dict[str, PckhConvention] = {
    "hrnet": {"comparison": "<=", "average": "labels", "fine_threshold": 0.11},
    "mmpose": {"comparison": "<", "average": "labels", "fine_threshold": 0.1},
    "pytorch_pose": {"comparison": "<", "average": "joints", "fine_threshold": 0.1},
}
"""As the codes of HRNet (and of Simple Baselines), MMPose 1.x and pytorch-pose count. HRNet's figure Mean@0.1 is read
from row 11 of a table with steps of 0.01, which is the threshold 0.11; pytorch-pose prints none."""


class Pckh(NamedTuple):
    """What :func:`pckh` returns: float64 from 0 to 1, NaN for what never counts."""

    per_joint: Tensor
    """(K,) at ``threshold``."""
    parts: Tensor
    """(7,) at ``threshold``: head, shoulder, elbow, wrist, hip, knee, ankle."""
    mean: Tensor
    """() at ``threshold``."""
    fine_mean: Tensor
    """() at ``fine_threshold``: the figure PCKh@0.1."""
    counted: Tensor
    """(K,) int64: how many times each joint counts."""


@accepts_numpy
def pckh(
    pred: Tensor,
    target: Tensor,
    labelled: Tensor,
    head_sizes: Tensor,
    *,
    threshold: float = 0.5,
    fine_threshold: float = 0.1,
    comparison: Comparison = "<=",
    average: PckhAverage = "labels",
    left_out: Sequence[str] = ("pelvis", "thorax"),
    joint_names: Sequence[str] = MPII_JOINTS,
    target_origin: Literal[0, 1] = 0,
) -> Pckh:
    """Share of labelled joints whose error is at most a part of the person's head size: MPII's table.

    Args:
        pred: (N, K, 2) predicted joints as (x, y) in pixels, the centre of the first pixel 0.0. Infinity stands for a
            joint that was not found.
        target: (N, K, 2) annotated joints.
        labelled: (N, K) bool, or visibility (above 0 is labelled). Whether a joint is there is never read from its
            coordinates.
        head_sizes: (N,) in pixels, see :func:`head_box_sizes`; NaN or 0 for a person who does not count.
        threshold: part of the head, from 0 on.
        fine_threshold: of ``fine_mean``: 0.1 as it should be; HRNet's code prints the figure of 0.11 under that name.
        comparison: "<=" as in MPII's own and HRNet's code, or "<".
        average: the mean over all "labels"; over "joints", each of the same weight; or over the seven "parts".
        left_out: joints that are not in the means over labels and joints, as in MPII's table.
        joint_names: K names; the 13 joints of the seven parts among them.
        target_origin: the centre of the first pixel in ``target``: 1 for MPII's own Matlab files. Then predictions
            are shifted by 1 before they are compared.

    Returns:
        Pckh(per_joint, parts, mean, fine_mean, counted). A part is the mean of its left and right joint. What never
        counts is NaN and not in a mean.

    The conventions of published codes: ``pckh(..., **PCKH_CONVENTIONS["hrnet"])``.

    Raises:
        ValueError: shapes that do not fit, an unknown option, a threshold below 0, a labelled joint that is NaN (or
            infinite in ``target``), a size below 0, joints that are missing. Values on a GPU are not checked: there
            NaN is not found.
        TypeError: arguments that are not arrays of numbers.

    Example:
        >>> truth = torch.arange(32.0).reshape(1, 16, 2)
        >>> shift = torch.tensor([[0.0, 6.0]] * 8 + [[0.0, 4.0]] * 8)
        >>> found = pckh(truth + shift, truth, torch.ones(1, 16), torch.tensor([10.0]))
        >>> found.parts
        tensor([1., 1., 1., 1., 0., 0., 0.], dtype=torch.float64)
        >>> round(float(found.mean), 4)  # 8 of 14: pelvis and thorax are left out
        0.5714

    Source: Andriluka et al., 2D Human Pose Estimation: New Benchmark and State of the Art Analysis, CVPR 2014.
    """
    thresholds = read_pckh_thresholds(threshold, fine_threshold)
    counts = count_pckh(
        pred, target, labelled, head_sizes, thresholds, comparison, joint_names, target_origin
    )
    return pckh_of(counts, average, left_out, joint_names)


def read_pckh_thresholds(threshold: float, fine_threshold: float) -> list[float]:
    """Both thresholds, in the order of the rows of the counts."""
    return [
        *read_thresholds(float(threshold), "threshold"),
        *read_thresholds(float(fine_threshold), "fine_threshold"),
    ]


def count_pckh(
    pred: Tensor,
    target: Tensor,
    labelled: Tensor,
    head_sizes: Tensor,
    thresholds: Sequence[float],
    comparison: Comparison,
    joint_names: Sequence[str],
    target_origin: int,
) -> JointCounts:
    """Found and counted joints at each threshold."""
    if target_origin not in (0, 1):
        raise ValueError(f"target_origin: expected 0 or 1, got {target_origin!r}")
    if labelled is None:
        raise TypeError("labelled: expected (N, K), got None: which joints are there is part of MPII's data")
    people = read_people(pred, target, labelled)
    sizes = read_sizes(head_sizes, people.target, "head_sizes")
    check_joint_names(joint_names, people.pred.shape[1])
    people = people._replace(pred=people.pred + target_origin)
    return count_joints(people, sizes, thresholds, comparison)


def pckh_of(
    counts: JointCounts, average: PckhAverage, left_out: Sequence[str], joint_names: Sequence[str]
) -> Pckh:
    """The table, from joints counted at both thresholds."""
    check_choice(average, ("labels", "joints", "parts"), "average")
    for name in (name for part in MPII_PARTS.values() for name in part):
        joint_index(name, joint_names, "PCKh")
    per_joint = shares(counts)
    parts = part_means(per_joint, joint_names, list(MPII_PARTS.values()))
    if average == "parts":
        mean = parts.nanmean(-1)
    else:
        unwanted = [joint_index(name, joint_names, "left_out") for name in left_out]
        kept = torch.tensor([index for index in range(len(joint_names)) if index not in unwanted])
        kept = kept.to(counts.counted.device)
        mean = mean_share(JointCounts(counts.found[:, kept], counts.counted[kept]), average)
    return Pckh(per_joint[0], parts[0], mean[0], mean[1], counts.counted)
