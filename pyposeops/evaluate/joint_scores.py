"""PCK, PCKh, PDJ and PCP of people whose results are known: the figures of each, its tables and its curve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from pyposeops.evaluate.report import Numbers
from pyposeops.metrics import distance_curve, pck, pckh, pcp, pdj, stick_parts
from pyposeops.metrics.distance_curve import AccuracyCurve, area_under_curve
from pyposeops.metrics.pcp import Pcp, PcpRule
from pyposeops.metrics.person_sizes import SizeName
from pyposeops.metrics.sticks import FLIC_STICKS, LSP_STICKS, MPII_PARTS, Stick

NOT_IN_MEANS = ("pelvis", "thorax")  # of MPII's table
TORSO_PARTS = (0.1, 0.2, 0.3, 0.4, 0.5)
CURVE_STEPS = 50
UNITS = {
    "torso": "the torso, left shoulder to right hip",
    "torso_mean": "the torso, mean of both diagonals",
    "box": "the box's longer side",
    "joints_box": "the longer side of the box around the labelled joints",
    "head": "the head, from its top to the neck",
}


@dataclass(frozen=True)
class JointSettings:
    """
    Args:
        metric: "pck", "pckh", "pcp" or "pdj".
        threshold: part of the size within which a joint is found; default that of the metric. PDJ has all of them.
        size: what PCK measures errors in.
        rule: what PCP asks of a limb's ends.
        max_dets: how many results of an image may be somebody's, the best ones.
    """

    metric: str
    threshold: float | None = None
    size: SizeName = "torso"
    rule: PcpRule = "strict"
    max_dets: int = 20


class People(NamedTuple):
    """Annotated people and their results, as the metrics take them."""

    pred: Tensor
    target: Tensor
    labelled: Tensor
    boxes: Tensor
    joint_names: Sequence[str]


class JointScores(NamedTuple):
    """What a metric made of the people.

    ``title`` says what was counted, ``lines`` are the names of the curve's lines, ``x_label`` is that of its axis.
    """

    title: str
    figures: Numbers
    per_joint: Mapping[str, Numbers]
    parts: Mapping[str, Numbers]
    curve: Callable[[], AccuracyCurve]
    lines: Sequence[str]
    x_label: str


def score_pck(people: People, settings: JointSettings) -> JointScores:
    threshold = 0.2 if settings.threshold is None else settings.threshold
    found = pck(
        people.pred,
        people.target,
        people.labelled,
        normalizer=settings.size,
        threshold=threshold,
        joint_names=people.joint_names,
        boxes=people.boxes,
    )
    curve = partial(
        distance_curve,
        people.pred,
        people.target,
        people.labelled,
        normalizer=settings.size,
        reference_px=1.0,
        thresholds=_steps(threshold),
        joint_names=people.joint_names,
        boxes=people.boxes,
    )
    name = f"PCK@{threshold:g}"
    return JointScores(
        f"{name}: joints within {threshold:g} of {UNITS[settings.size]}",
        {name: float(found.mean)},
        _rows(people.joint_names, {name: found.per_joint, "labels": found.counted}),
        {},
        curve,
        people.joint_names,
        f"error allowed, as part of {UNITS[settings.size]}",
    )


def score_pckh(people: People, settings: JointSettings, head_sizes: Tensor) -> JointScores:
    threshold = 0.5 if settings.threshold is None else settings.threshold
    found = pckh(
        people.pred,
        people.target,
        people.labelled,
        head_sizes,
        threshold=threshold,
        joint_names=people.joint_names,
        left_out=[name for name in NOT_IN_MEANS if name in people.joint_names],
    )
    in_means = torch.tensor([name not in NOT_IN_MEANS for name in people.joint_names])
    curve = partial(
        distance_curve,
        people.pred,
        people.target,
        people.labelled & in_means,
        normalizer=head_sizes,
        reference_px=1.0,
        thresholds=_steps(threshold),
        average="labels",
    )
    name = f"PCKh@{threshold:g}"
    return JointScores(
        f"{name}: joints within {threshold:g} of the head's size",
        {name: float(found.mean), "PCKh@0.1": float(found.fine_mean)},
        _rows(people.joint_names, {name: found.per_joint, "labels": found.counted}),
        _rows([*MPII_PARTS], {name: found.parts}),
        curve,
        people.joint_names,
        "error allowed, as part of the head's size",
    )


def score_pdj(people: People, settings: JointSettings) -> JointScores:
    curve = pdj(people.pred, people.target, people.labelled, joint_names=people.joint_names)
    rows = [curve.thresholds.tolist().index(part) for part in TORSO_PARTS]
    columns = {f"@{part:g}": curve.per_joint[row] for part, row in zip(TORSO_PARTS, rows, strict=True)}
    figures = {f"PDJ@{part:g}": float(curve.mean[row]) for part, row in zip(TORSO_PARTS, rows, strict=True)}
    return JointScores(
        f"PDJ: joints within parts of {UNITS['torso']}, and the area under their curve to {TORSO_PARTS[-1]:g}",
        {**figures, "area": float(curve.auc)},
        _rows(people.joint_names, {**columns, "area": curve.auc_per_joint, "labels": curve.counted}),
        {},
        lambda: curve,
        people.joint_names,
        f"error allowed, as part of {UNITS['torso']}",
    )


def score_pcp(people: People, settings: JointSettings) -> JointScores:
    threshold = 0.5 if settings.threshold is None else settings.threshold
    sticks = sticks_of(people.joint_names)
    score = partial(
        pcp,
        people.pred,
        people.target,
        people.labelled,
        rule=settings.rule,
        sticks=sticks,
        joint_names=people.joint_names,
    )
    found = score(threshold=threshold)
    name, limbs = f"PCP@{threshold:g}", [stick.name for stick in sticks]
    return JointScores(
        f"{name}, {settings.rule.replace('_', ' ')}: limbs whose ends are within {threshold:g} of their length",
        {name: float(found.mean)},
        _rows(limbs, {name: found.per_stick, "labels": found.counted}),
        _rows([*stick_parts(sticks)], {name: found.parts}),
        partial(_pcp_curve, score, _steps(threshold)),
        limbs,
        "error allowed at the ends, as part of the limb's length",
    )


def sticks_of(joint_names: Sequence[str]) -> tuple[Stick, ...]:
    """FLIC's limbs where a nose and a neck stand for the head, else those of LSP whose joints exist.

    MPII's upper neck serves as the neck.
    """
    names = set(joint_names)
    if {"nose", "neck"} <= names and "head_top" not in names:
        limbs: tuple[Stick, ...] = FLIC_STICKS
    elif "neck" not in names:
        limbs = (Stick("head", ("head_top",), ("upper_neck",)), *LSP_STICKS[1:])
    else:
        limbs = LSP_STICKS
    known = tuple(limb for limb in limbs if {*limb.first, *limb.second} <= names)
    if not known:
        raise ValueError(
            f"joint_names: expected joints of limbs, such as left_hip and left_knee, got {list(joint_names)}"
        )
    return known


def _pcp_curve(score: Callable[..., Pcp], steps: Sequence[float]) -> AccuracyCurve:
    found = [score(threshold=step) for step in steps]
    thresholds = torch.tensor(steps, dtype=torch.float64)
    per_stick, mean = (torch.stack([getattr(one, name) for one in found]) for name in ("per_stick", "mean"))
    areas = [area_under_curve(thresholds, values) for values in (per_stick, mean)]
    return AccuracyCurve(thresholds, per_stick, mean, areas[0], areas[1], found[0].counted)


def _steps(threshold: float) -> list[float]:
    """Thresholds of a curve that shows the one asked for in its middle."""
    highest = 2 * threshold if threshold > 0 else 1.0
    return [highest * step / CURVE_STEPS for step in range(CURVE_STEPS + 1)]


def _rows(names: Sequence[str], columns: Mapping[str, Tensor]) -> dict[str, dict[str, float]]:
    """Columns of numbers as rows by name; whole numbers stay whole."""
    values = {column: tensor.tolist() for column, tensor in columns.items()}
    return {name: {column: found[row] for column, found in values.items()} for row, name in enumerate(names)}
