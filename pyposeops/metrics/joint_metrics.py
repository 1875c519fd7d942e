"""PCK, PCKh, PDJ, PCP and distance curves as metrics of torchmetrics.

Their states are counts, so the order of batches, of processes and of merges changes no bit of a figure. torchmetrics
itself takes the axes off a result of one element.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torchmetrics import Metric

from pyposeops.metrics._joint_counts import (
    Average,
    Comparison,
    JointCounts,
    check_joint_names,
    count_joints,
    read_curve_thresholds,
    read_people,
    read_thresholds,
)
from pyposeops.metrics.distance_curve import PIXELS_TO_20, AccuracyCurve, AucRule, curve_of
from pyposeops.metrics.pck import Pck, is_curve, pck_of, single
from pyposeops.metrics.pckh import Pckh, PckhAverage, count_pckh, pckh_of, read_pckh_thresholds
from pyposeops.metrics.pcp import Pcp, PcpAverage, PcpRule, count_sticks, pcp_of
from pyposeops.metrics.pdj import PARTS_TO_HALF
from pyposeops.metrics.person_sizes import SizeName, normalizer_sizes
from pyposeops.metrics.sticks import FLIC_JOINTS, LEFT_TORSO, LSP_JOINTS, LSP_STICKS, MPII_JOINTS, Stick

SizeSource = SizeName | tuple[str, str] | Literal["given"]


class _CountMetric(Metric):
    """A metric whose state is how many were found and how many count."""

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    found: Tensor
    counted: Tensor

    def __init__(self, thresholds: int, columns: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, shape in (("found", (thresholds, columns)), ("counted", (columns,))):
            self.add_state(name, torch.zeros(shape, dtype=torch.int64), dist_reduce_fx="sum")

    def _add(self, counts: JointCounts) -> None:
        self.found += counts.found
        self.counted += counts.counted

    @property
    def counts(self) -> JointCounts:
        """What was counted so far."""
        return JointCounts(self.found, self.counted)


def _nobody(joints: int) -> Tensor:
    """No people: what the options are tried on when a metric is made, so that a wrong one is refused at once."""
    return torch.zeros(0, joints, 2)


class _SizedMetric(_CountMetric):
    """A metric of joints in units of the person's size."""

    def __init__(
        self,
        joint_names: Sequence[str],
        normalizer: SizeSource,
        thresholds: Sequence[float],
        comparison: Comparison,
        reference: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(len(thresholds), len(joint_names), **kwargs)
        self.joint_names, self.normalizer = tuple(joint_names), normalizer
        self.thresholds, self.comparison, self.reference = list(thresholds), comparison, reference
        nobody, given = _nobody(len(joint_names)), torch.zeros(0) if normalizer == "given" else None
        self._count(nobody, nobody, None, torch.zeros(0, 4), given)

    def update(
        self,
        pred: Tensor,
        target: Tensor,
        labelled: Tensor | None = None,
        *,
        boxes: Tensor | None = None,
        sizes: Tensor | None = None,
    ) -> None:
        """Count people.

        Args:
            pred: (N, K, 2) predicted joints as (x, y) in pixels. Infinity stands for a joint that was not found.
            target: (N, K, 2) annotated joints.
            labelled: (N, K) bool, or visibility (above 0 is labelled); None: all joints are.
            boxes: (N, 4) as (x, y, width, height), for the normalizer "box".
            sizes: (N,) in pixels, for the normalizer "given".
        """
        self._add(self._count(pred, target, labelled, boxes, sizes))

    def _count(
        self,
        pred: Tensor,
        target: Tensor,
        labelled: Tensor | None,
        boxes: Tensor | None,
        sizes: Tensor | None,
    ) -> JointCounts:
        people = read_people(pred, target, labelled)
        check_joint_names(self.joint_names, people.pred.shape[1])
        if (sizes is None) == (self.normalizer == "given"):
            wanted = "(N,)" if sizes is None else "none"
            raise ValueError(f"sizes: expected {wanted} for the normalizer {self.normalizer!r}")
        normalizer = sizes if self.normalizer == "given" else self.normalizer
        lengths = normalizer_sizes(normalizer, people, self.joint_names, boxes)  # type: ignore[arg-type]
        return count_joints(people, lengths, self.thresholds, self.comparison, self.reference)


class PCK(_SizedMetric):
    """Share of labelled joints whose error is at most a part of the person's size: :func:`pck` over batches.

    Args:
        joint_names: K names.
        normalizer: as for :func:`pck`, or "given": then ``update`` takes ``sizes`` (N,).
        threshold: part of the size; one, or several for a curve.
        comparison: "<=" or "<".
        average: the mean over "joints", each of the same weight, or over all "labels".
        kwargs: of ``torchmetrics.Metric``.

    ``update(pred, target, labelled=None, boxes=None, sizes=None)``; ``compute()`` gives :class:`Pck`.

    Raises:
        ValueError, TypeError: as :func:`pck`; options when the metric is made.

    Example:
        >>> metric = PCK(("nose", "neck"), normalizer="given", threshold=0.5)
        >>> truth = torch.tensor([[[10.0, 10.0], [10.0, 30.0]]])
        >>> metric.update(truth, truth + 6.0, sizes=torch.tensor([20.0]))
        >>> metric.update(truth, truth + 8.0, sizes=torch.tensor([20.0]))
        >>> metric.compute().mean
        tensor(0.5000, dtype=torch.float64)

    Source: see :func:`pck`.
    """

    def __init__(
        self,
        joint_names: Sequence[str],
        *,
        normalizer: SizeSource = "torso",
        threshold: float | Sequence[float] | Tensor = 0.2,
        comparison: Comparison = "<=",
        average: Average = "joints",
        **kwargs: Any,
    ) -> None:
        steps = read_thresholds(threshold, "threshold")
        super().__init__(joint_names, normalizer, steps, comparison, 1.0, **kwargs)
        self.average, self.is_curve = average, is_curve(threshold)
        pck_of(self.counts, average)

    def compute(self) -> Pck:
        """The figures of all people so far, see :func:`pck`."""
        found = pck_of(self.counts, self.average)
        return found if self.is_curve else single(found)


class DistanceCurve(_SizedMetric):
    """Share of labelled joints within each distance, in an image scaled to people of one size:
    :func:`distance_curve`.

    Args:
        joint_names: K names.
        normalizer: as for :func:`pck`, or "given": then ``update`` takes ``sizes`` (N,).
        reference_px: length of the normalizer in the scaled image.
        thresholds: (T,) distances in its pixels, ascending.
        comparison: "<=" or "<".
        average: the mean over "joints", each of the same weight, or over all "labels".
        auc_limit: area up to this distance; default the last one.
        auc_rule: see :func:`area_under_curve`.
        kwargs: of ``torchmetrics.Metric``.

    ``update(pred, target, labelled=None, boxes=None, sizes=None)``; ``compute()`` gives :class:`AccuracyCurve`.

    Raises:
        ValueError, TypeError: as :func:`distance_curve`; options when the metric is made.

    Example:
        >>> metric = DistanceCurve(("left_shoulder", "right_hip"), thresholds=[0, 10, 20])
        >>> truth = torch.tensor([[[40.0, 0.0], [0.0, 30.0]]])
        >>> metric.update(truth + torch.tensor([5.0, 0.0]), truth)
        >>> metric.compute().mean
        tensor([0., 1., 1.], dtype=torch.float64)

    Source: see :func:`distance_curve`.
    """

    def __init__(
        self,
        joint_names: Sequence[str],
        *,
        normalizer: SizeSource = "torso",
        reference_px: float = 100.0,
        thresholds: Sequence[float] | Tensor = PIXELS_TO_20,
        comparison: Comparison = "<=",
        average: Average = "joints",
        auc_limit: float | None = None,
        auc_rule: AucRule = "trapezoid",
        **kwargs: Any,
    ) -> None:
        if not reference_px > 0:
            raise ValueError(f"reference_px: expected a number above 0, got {reference_px}")
        steps = read_curve_thresholds(thresholds, "thresholds")
        super().__init__(joint_names, normalizer, steps, comparison, float(reference_px), **kwargs)
        self.average, self.auc_limit, self.auc_rule = average, auc_limit, auc_rule
        curve_of(self.counts, steps, average, auc_limit, auc_rule)

    def compute(self) -> AccuracyCurve:
        """The curves of all people so far, see :func:`distance_curve`."""
        return curve_of(self.counts, self.thresholds, self.average, self.auc_limit, self.auc_rule)


class PDJ(DistanceCurve):
    """Share of labelled joints within each part of the torso's diagonal: :func:`pdj` over batches.

    Args:
        joint_names: K names; default FLIC's ten.
        torso: the two joints whose distance is the torso's.
        thresholds: (T,) parts of the torso, ascending; default 0, 0.01 to 0.5.
        comparison: "<=" or "<".
        average: the mean over "joints", each of the same weight, or over all "labels".
        auc_limit: area up to this part; default the last one.
        auc_rule: see :func:`area_under_curve`.
        kwargs: of ``torchmetrics.Metric``.

    ``update(pred, target, labelled=None)``; ``compute()`` gives :class:`AccuracyCurve`.

    Raises:
        ValueError, TypeError: as :func:`pdj`; options when the metric is made.

    Example:
        >>> metric = PDJ(("left_shoulder", "right_hip"), thresholds=[0.1, 0.2])
        >>> truth = torch.tensor([[[40.0, 0.0], [0.0, 30.0]]])
        >>> metric.update(truth + torch.tensor([10.0, 0.0]), truth)
        >>> metric.compute().mean
        tensor([0., 1.], dtype=torch.float64)

    Source: see :func:`pdj`.
    """

    def __init__(
        self,
        joint_names: Sequence[str] = FLIC_JOINTS,
        *,
        torso: tuple[str, str] = LEFT_TORSO,
        thresholds: Sequence[float] | Tensor = PARTS_TO_HALF,
        comparison: Comparison = "<=",
        average: Average = "joints",
        auc_limit: float | None = None,
        auc_rule: AucRule = "trapezoid",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            joint_names,
            normalizer=torso,
            reference_px=1.0,
            thresholds=thresholds,
            comparison=comparison,
            average=average,
            auc_limit=auc_limit,
            auc_rule=auc_rule,
            **kwargs,
        )


class PCKh(_CountMetric):
    """Share of labelled joints whose error is at most a part of the head size, MPII's table: :func:`pckh` over
    batches.

    Args:
        joint_names: K names; default MPII's 16.
        threshold: part of the head.
        fine_threshold: of ``fine_mean``: 0.1; 0.11 as HRNet prints it.
        comparison: "<=" or "<".
        average: the mean over all "labels", over "joints" or over "parts".
        left_out: joints that are not in the means over labels and joints.
        target_origin: the centre of the first pixel in ``target``: 1 for MPII's own Matlab files.
        kwargs: of ``torchmetrics.Metric``.

    ``update(pred, target, labelled, head_sizes)``; ``compute()`` gives :class:`Pckh`.

    Raises:
        ValueError, TypeError: as :func:`pckh`; options when the metric is made.

    Example:
        >>> metric = PCKh(**PCKH_CONVENTIONS["hrnet"])
        >>> truth = torch.arange(32.0).reshape(1, 16, 2)
        >>> metric.update(truth + 3.0, truth, torch.ones(1, 16), torch.tensor([10.0]))
        >>> metric.compute().mean
        tensor(1., dtype=torch.float64)

    Source: see :func:`pckh`.
    """

    def __init__(
        self,
        joint_names: Sequence[str] = MPII_JOINTS,
        *,
        threshold: float = 0.5,
        fine_threshold: float = 0.1,
        comparison: Comparison = "<=",
        average: PckhAverage = "labels",
        left_out: Sequence[str] = ("pelvis", "thorax"),
        target_origin: Literal[0, 1] = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(2, len(joint_names), **kwargs)
        self.joint_names, self.average, self.left_out = tuple(joint_names), average, tuple(left_out)
        self.thresholds = read_pckh_thresholds(threshold, fine_threshold)
        self.comparison, self.target_origin = comparison, target_origin
        nobody = _nobody(len(joint_names))
        self._count(nobody, nobody, torch.zeros(nobody.shape[:2]), torch.zeros(0))
        pckh_of(self.counts, average, self.left_out, self.joint_names)

    def update(self, pred: Tensor, target: Tensor, labelled: Tensor, head_sizes: Tensor) -> None:
        """Count people.

        Args:
            pred: (N, K, 2) predicted joints as (x, y) in pixels. Infinity stands for a joint that was not found.
            target: (N, K, 2) annotated joints.
            labelled: (N, K) bool, or visibility (above 0 is labelled).
            head_sizes: (N,) in pixels, see :func:`head_box_sizes`; NaN or 0 for a person who does not count.
        """
        self._add(self._count(pred, target, labelled, head_sizes))

    def _count(self, pred: Tensor, target: Tensor, labelled: Tensor, head_sizes: Tensor) -> JointCounts:
        return count_pckh(
            pred,
            target,
            labelled,
            head_sizes,
            self.thresholds,
            self.comparison,
            self.joint_names,
            self.target_origin,
        )

    def compute(self) -> Pckh:
        """The table of all people so far, see :func:`pckh`."""
        return pckh_of(self.counts, self.average, self.left_out, self.joint_names)


class PCP(_CountMetric):
    """Share of annotated limbs whose ends are found within a part of the limb's length: :func:`pcp` over batches.

    Args:
        joint_names: K names; default LSP's 14.
        sticks: the limbs, such as ``LSP_STICKS`` or ``FLIC_STICKS``.
        rule: "strict", "relaxed" or "mean_length".
        threshold: part of the length.
        comparison: "<=" or "<".
        average: the mean over "sticks", over "parts" or over all "labels".
        mean_lengths: (S,) in pixels, for the rule "mean_length" alone: :func:`mean_stick_lengths` of all the data,
            which batches do not show.
        kwargs: of ``torchmetrics.Metric``.

    ``update(pred, target, labelled=None)``; ``compute()`` gives :class:`Pcp`.

    Raises:
        ValueError, TypeError: as :func:`pcp`; options when the metric is made.

    Example:
        >>> metric = PCP()
        >>> truth = torch.rand(2, 14, 2) * 100
        >>> metric.update(truth, truth)
        >>> metric.compute().mean
        tensor(1., dtype=torch.float64)

    Source: see :func:`pcp`.
    """

    mean_lengths: Tensor | None

    def __init__(
        self,
        joint_names: Sequence[str] = LSP_JOINTS,
        *,
        sticks: Sequence[Stick] = LSP_STICKS,
        rule: PcpRule = "strict",
        threshold: float = 0.5,
        comparison: Comparison = "<=",
        average: PcpAverage = "sticks",
        mean_lengths: Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(1, len(sticks), **kwargs)
        self.joint_names, self.sticks, self.rule = tuple(joint_names), tuple(sticks), rule
        self.threshold = read_thresholds(float(threshold), "threshold")[0]
        self.comparison, self.average = comparison, average
        if mean_lengths is not None and rule != "mean_length":
            raise ValueError(f"mean_lengths: expected none with the rule {rule!r}")
        self.register_buffer("mean_lengths", mean_lengths, persistent=False)
        nobody = _nobody(len(joint_names))
        self._count(nobody, nobody, None)
        pcp_of(self.counts, average, self.sticks)

    def update(self, pred: Tensor, target: Tensor, labelled: Tensor | None = None) -> None:
        """Count people.

        Args:
            pred: (N, K, 2) predicted joints as (x, y) in pixels. Infinity stands for a joint that was not found.
            target: (N, K, 2) annotated joints.
            labelled: (N, K) bool, or visibility (above 0 is labelled); None: all joints are.
        """
        self._add(self._count(pred, target, labelled))

    def _count(self, pred: Tensor, target: Tensor, labelled: Tensor | None) -> JointCounts:
        people = read_people(pred, target, labelled)
        return count_sticks(
            people,
            self.rule,
            self.threshold,
            self.comparison,
            self.sticks,
            self.joint_names,
            self.mean_lengths,
        )

    def compute(self) -> Pcp:
        """The table of all people so far, see :func:`pcp`."""
        return pcp_of(self.counts, self.average, self.sticks)
