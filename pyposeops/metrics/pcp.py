"""PCP: the percentage of correct parts, by the ends of limbs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy
from pyposeops.metrics._joint_counts import (
    Comparison,
    JointCounts,
    People,
    check_choice,
    check_joint_names,
    distance,
    is_within,
    mean_share,
    part_means,
    read_labelled,
    read_people,
    read_positions,
    read_thresholds,
    refuse,
    shares,
)
from pyposeops.metrics.sticks import LSP_JOINTS, LSP_STICKS, Stick, joint_index, stick_parts

PcpRule = Literal["strict", "relaxed", "mean_length"]
PcpAverage = Literal["sticks", "parts", "labels"]


class Pcp(NamedTuple):
    """What :func:`pcp` returns: float64 from 0 to 1, NaN for what never counts."""

    per_stick: Tensor
    """(S,) in the order of ``sticks``."""
    parts: Tensor
    """(P,) body parts, left and right averaged, in the order of :func:`stick_parts`: on LSP head, torso, upper arm,
    lower arm, upper leg, lower leg."""
    mean: Tensor
    """()"""
    counted: Tensor
    """(S,) int64: how many times each stick counts."""


class _Ends(NamedTuple):
    """Both ends of all sticks."""

    first: Tensor  # (N, S, 2)
    second: Tensor  # (N, S, 2)
    known: Tensor  # (N, S) bool


@accepts_numpy
def pcp(
    pred: Tensor,
    target: Tensor,
    labelled: Tensor | None = None,
    *,
    rule: PcpRule = "strict",
    threshold: float = 0.5,
    comparison: Comparison = "<=",
    average: PcpAverage = "sticks",
    sticks: Sequence[Stick] = LSP_STICKS,
    joint_names: Sequence[str] = LSP_JOINTS,
    mean_lengths: Tensor | None = None,
) -> Pcp:
    """Share of annotated limbs whose ends are found within a part of the limb's length.

    Args:
        pred: (N, K, 2) predicted joints as (x, y) in pixels. Infinity stands for a joint that was not found.
        target: (N, K, 2) annotated joints.
        labelled: (N, K) bool, or visibility (above 0 is labelled); None: all joints are. A stick counts where all
            joints of its ends are labelled.
        rule: "strict": each end is within ``threshold`` of the annotated limb's length; "relaxed": the mean of both
            errors is; "mean_length": each end is within ``threshold`` of this limb's mean length over the data (PCP
            of fixed threshold, which does not punish foreshortened limbs).
        threshold: part of the length, from 0 on.
        comparison: "<=" or "<".
        average: the mean over "sticks" (ten on LSP); over "parts", left and right averaged first (six on LSP: another
            figure, as arms and legs then weigh as much as head and torso); or over all "labels".
        sticks: the limbs, such as ``LSP_STICKS`` or ``FLIC_STICKS``.
        joint_names: K names.
        mean_lengths: (S,) in pixels for the rule "mean_length", NaN or 0 for a limb that does not count; default
            :func:`mean_stick_lengths` of ``target``.

    Returns:
        Pcp(per_stick, parts, mean, counted). A stick that never counts is NaN and not in a mean.

    A stick of length 0 has no scale and does not count; published codes count it as wrong unless it is hit exactly.

    Raises:
        ValueError: shapes that do not fit, an unknown option, a threshold below 0, a labelled joint that is NaN (or
            infinite in ``target``), joints that are missing. Values on a GPU are not checked: there NaN is not found.
        TypeError: arguments that are not arrays of numbers.

    Example:
        >>> arm = (Stick("left_upper_arm", ("left_shoulder",), ("left_elbow",)),)
        >>> names = ("left_shoulder", "left_elbow")
        >>> truth = torch.tensor([[[0.0, 0.0], [10.0, 0.0]]])
        >>> shifted = truth + torch.tensor([[0.0, 6.0], [0.0, 2.0]])
        >>> pcp(shifted, truth, sticks=arm, joint_names=names).per_stick
        tensor([0.], dtype=torch.float64)
        >>> pcp(shifted, truth, rule="relaxed", sticks=arm, joint_names=names).per_stick
        tensor([1.], dtype=torch.float64)

    Source: Ferrari et al., Progressive Search Space Reduction for Human Pose Estimation, CVPR 2008. The rules are
    those of published codes: Yang et al., CVPR 2016 (strict); deeppose_tf after Toshev and Szegedy, CVPR 2014
    (relaxed); DeepCut, Pishchulin et al., CVPR 2016 (mean length).
    """
    people = read_people(pred, target, labelled)
    limit = read_thresholds(float(threshold), "threshold")[0]
    if mean_lengths is not None and rule != "mean_length":
        raise ValueError(f"mean_lengths: expected none with the rule {rule!r}")
    if rule == "mean_length" and mean_lengths is None:
        mean_lengths = mean_stick_lengths(target, labelled, sticks=sticks, joint_names=joint_names)
    counts = count_sticks(people, rule, limit, comparison, sticks, joint_names, mean_lengths)
    return pcp_of(counts, average, sticks)


@accepts_numpy
def mean_stick_lengths(
    keypoints: Tensor,
    labelled: Tensor | None = None,
    *,
    sticks: Sequence[Stick] = LSP_STICKS,
    joint_names: Sequence[str] = LSP_JOINTS,
) -> Tensor:
    """Mean length of each limb over the people in whom it is labelled.

    Args:
        keypoints: (N, K, 2) annotated joints as (x, y) in pixels.
        labelled: (N, K) bool, or visibility (above 0 is labelled); None: all joints are.
        sticks: the limbs.
        joint_names: K names.

    Returns:
        (S,) float64 in pixels; NaN for a limb that is nowhere labelled.

    Raises:
        ValueError: shapes that do not fit, joints that are missing. TypeError: not arrays of numbers.

    Example:
        >>> arm = (Stick("left_upper_arm", ("left_shoulder",), ("left_elbow",)),)
        >>> arms = torch.tensor([[[0.0, 0.0], [10.0, 0.0]], [[0.0, 0.0], [0.0, 20.0]]])
        >>> mean_stick_lengths(arms, sticks=arm, joint_names=("left_shoulder", "left_elbow"))
        tensor([15.], dtype=torch.float64)
    """
    positions = read_positions(keypoints, "keypoints")
    ends = _ends(positions, read_labelled(labelled, positions), sticks, joint_names)
    return distance(ends.first, ends.second).masked_fill(~ends.known, torch.nan).nanmean(0)


def count_sticks(
    people: People,
    rule: PcpRule,
    threshold: float,
    comparison: Comparison,
    sticks: Sequence[Stick],
    joint_names: Sequence[str],
    mean_lengths: Tensor | None,
) -> JointCounts:
    """Found and counted sticks: one threshold, S sticks."""
    check_choice(rule, ("strict", "relaxed", "mean_length"), "rule")
    check_choice(comparison, ("<=", "<"), "comparison")
    truth = _ends(people.target, people.labelled, sticks, joint_names)
    guess = _ends(people.pred, people.labelled, sticks, joint_names)
    lengths = distance(truth.first, truth.second)
    if rule == "mean_length":
        lengths = _read_lengths(mean_lengths, len(sticks), lengths)
    counts = truth.known & (lengths > 0)
    first, second = (distance(a, b) / lengths for a, b in zip(guess[:2], truth[:2], strict=True))
    if rule == "relaxed":
        found = is_within((first + second) / 2, threshold, comparison)
    else:
        found = is_within(first, threshold, comparison) & is_within(second, threshold, comparison)
    return JointCounts((found & counts).sum(0)[None], counts.sum(0))


def pcp_of(counts: JointCounts, average: PcpAverage, sticks: Sequence[Stick]) -> Pcp:
    """The table, from sticks counted."""
    check_choice(average, ("sticks", "parts", "labels"), "average")
    per_stick = shares(counts)
    parts = part_means(per_stick, [stick.name for stick in sticks], list(stick_parts(sticks).values()))
    if average == "parts":
        mean = parts.nanmean(-1)
    else:
        mean = mean_share(counts, "joints" if average == "sticks" else "labels")
    return Pcp(per_stick[0], parts[0], mean[0], counts.counted)


def _ends(keypoints: Tensor, labelled: Tensor, sticks: Sequence[Stick], joint_names: Sequence[str]) -> _Ends:
    if not sticks:
        raise ValueError("sticks: expected at least one, got none")
    check_joint_names(joint_names, keypoints.shape[1])
    ends, known = [], []
    for side in ("first", "second"):
        places = [
            [joint_index(name, joint_names, f"the stick {stick.name}") for name in getattr(stick, side)]
            for stick in sticks
        ]
        ends.append(torch.stack([_each(keypoints, joints).mean(0) for joints in places], 1))
        known.append(torch.stack([_each(labelled, joints).all(0) for joints in places], 1))
    return _Ends(ends[0], ends[1], known[0] & known[1])


def _each(values: Tensor, joints: Sequence[int]) -> Tensor:
    """Values (N, K, ...) of some joints, one after the other; an index would have to travel to the device."""
    return torch.stack([values[:, joint] for joint in joints])


def _read_lengths(mean_lengths: Tensor | None, sticks: int, like: Tensor) -> Tensor:
    """Mean lengths (S,) for everybody, as (N, S)."""
    if not isinstance(mean_lengths, Tensor) or tuple(mean_lengths.shape) != (sticks,):
        got = tuple(mean_lengths.shape) if isinstance(mean_lengths, Tensor) else mean_lengths
        raise ValueError(f"mean_lengths: expected ({sticks},) for the rule 'mean_length', got {got}")
    refuse(
        (mean_lengths < 0) | mean_lengths.isinf(),
        "mean_lengths: expected lengths from 0 on, got another at {0}",
    )
    return mean_lengths.to(like).expand_as(like)
