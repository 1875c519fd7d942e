"""The protocol of the Leeds Sports Poses: PCK@0.2 of the last 1000 images, person-centric or observer-centric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy
from pyposeops.metrics._joint_counts import (
    Comparison,
    People,
    check_choice,
    check_joint_names,
    part_means,
    read_labelled,
    read_people,
    read_positions,
    read_thresholds,
)
from pyposeops.metrics.distance_curve import distance_curve
from pyposeops.metrics.sticks import LSP_JOINTS, LSP_PARTS, joint_index

Centric = Literal["person", "observer"]
_STEPS = 20
# A limb keeps together: its root says on which side of the image it hangs.
_LIMBS = (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))


class LspScores(NamedTuple):
    """What :func:`lsp_protocol` returns: float64 from 0 to 1, NaN for what never counts."""

    per_joint: Tensor
    """(14,)"""
    parts: Tensor
    """(7,): head (head top and neck), shoulder, elbow, wrist, hip, knee, ankle; left and right averaged."""
    mean: Tensor
    """() over all labels."""
    auc: Tensor
    """() area under the mean's curve from 0 to the threshold, 21 points, as a part of the whole."""
    counted: Tensor
    """(14,) int64: how many times each joint counts."""


@accepts_numpy
def lsp_protocol(
    pred: Tensor,
    target: Tensor,
    labelled: Tensor | None = None,
    *,
    centric: Centric = "person",
    threshold: float = 0.2,
    comparison: Comparison = "<=",
    last: int | None = 1000,
    joint_names: Sequence[str] = LSP_JOINTS,
) -> LspScores:
    """PCK as reported on the Leeds Sports Poses: errors up to 0.2 of the distance from left shoulder to right hip.

    Args:
        pred: (N, 14, 2) predicted joints as (x, y) in pixels. Infinity stands for a joint that was not found.
        target: (N, 14, 2) annotated joints, left and right the person's own, in the order of the data set.
        labelled: (N, 14) bool, or visibility (above 0 is labelled); None: all joints are, as published tables have
            it.
        centric: "person"; or "observer": ``target`` is relabelled by :func:`observer_centric`, and ``pred`` is
            expected to be labelled so already.
        threshold: part of the torso, above 0.
        comparison: "<=" or "<".
        last: how many people at the end of the arrays are scored: 1000, the test half of the data set's 2000 (fewer
            people are all scored); None: everybody.
        joint_names: the 14 names in the arrays' order.

    Returns:
        LspScores(per_joint, parts, mean, auc, counted).

    Raises:
        ValueError: as :func:`pck` does; a threshold or ``last`` that is not above 0. TypeError: not arrays of
        numbers.

    Example:
        >>> truth = torch.rand(3, 14, 2) * 100
        >>> float(lsp_protocol(truth, truth).mean)
        1.0

    Source: Johnson and Everingham, BMVC 2010, for the data; the protocol is that of Yang et al., End-to-End Learning
    of Deformable Mixture of Parts, CVPR 2016 (published code), which descends from the MPII group's.
    """
    check_choice(centric, ("person", "observer"), "centric")
    if last is not None and last < 1:
        raise ValueError(f"last: expected a number from 1 on or None, got {last}")
    limit = read_thresholds(float(threshold), "threshold")[0]
    if limit == 0:
        raise ValueError("threshold: expected a number above 0, got 0")
    people = read_people(pred, target, labelled)
    check_joint_names(joint_names, len(LSP_JOINTS))
    people = People(*(values[slice(None) if last is None else slice(-last, None)] for values in people))
    if centric == "observer":
        people = People(
            people.pred, *observer_centric(people.target, people.labelled, joint_names=joint_names)
        )
    curve = distance_curve(
        *people,
        reference_px=1.0,
        thresholds=[limit * step / _STEPS for step in range(_STEPS + 1)],
        comparison=comparison,
        average="labels",
        joint_names=joint_names,
    )
    per_joint = curve.per_joint[-1]
    parts = part_means(per_joint, joint_names, list(LSP_PARTS.values()))
    return LspScores(per_joint, parts, curve.mean[-1], curve.auc, curve.counted)


class ObserverCentric(NamedTuple):
    """Joints whose left and right are the image's."""

    keypoints: Tensor
    """(N, K, 2) float64"""
    labelled: Tensor
    """(N, K) bool"""


@accepts_numpy
def observer_centric(
    keypoints: Tensor, labelled: Tensor | None = None, *, joint_names: Sequence[str] = LSP_JOINTS
) -> ObserverCentric:
    """Joints relabelled by the side of the image on which they are: a right arm is one at the image's left.

    Of both arms, the one whose shoulder is further left in the image becomes the right one, with elbow and wrist; of
    both legs the one whose hip is, with knee and ankle. So people who face the camera keep their labels, and people
    who turn their back on it trade them. Where shoulders or hips are level in x, or one is not labelled, the limbs
    stay.

    The observer-centric annotations of LSP were published as files of their own; this rule follows their idea and
    need not give each of their labels.

    Args:
        keypoints: (N, K, 2) as (x, y) in pixels, left and right the person's own.
        labelled: (N, K) bool, or visibility (above 0 is labelled); None: all joints are. It goes with its joint.
        joint_names: K names; left and right shoulder, elbow, wrist, hip, knee and ankle among them.

    Returns:
        ObserverCentric(keypoints, labelled).

    Raises:
        ValueError: shapes that do not fit, joints that are missing. TypeError: not arrays of numbers.

    Example:
        >>> names = [f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        ...          for side in ("left", "right")]
        >>> back = torch.zeros(1, 12, 2)
        >>> back[0, 0, 0], back[0, 1, 0] = 10.0, 50.0  # the left shoulder at the image's left
        >>> observer_centric(back, joint_names=names).keypoints[0, :2, 0]
        tensor([50., 10.], dtype=torch.float64)

    Source: Eichner and Ferrari, Appearance Sharing for Collective Human Pose Estimation, ACCV 2012, for the labels.
    """
    positions = read_positions(keypoints, "keypoints")
    mask = read_labelled(labelled, positions)
    check_joint_names(joint_names, positions.shape[1])
    moved, marks = positions.clone(), mask.clone()
    for limb in _LIMBS:
        left, right = (
            [joint_index(f"{side}_{joint}", joint_names, "observer_centric") for joint in limb]
            for side in ("left", "right")
        )
        trade = positions[:, left[0], 0] < positions[:, right[0], 0]
        trade = trade & mask[:, left[0]] & mask[:, right[0]]
        for a, b in zip(left + right, right + left, strict=True):
            moved[:, a] = torch.where(trade[:, None], positions[:, b], positions[:, a])
            marks[:, a] = torch.where(trade, mask[:, b], mask[:, a])
    return ObserverCentric(moved, marks)
