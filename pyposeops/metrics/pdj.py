"""PDJ: the percentage of detected joints, over the part of the torso that is allowed."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from pyposeops._library import accepts_numpy
from pyposeops.metrics._joint_counts import Average, Comparison
from pyposeops.metrics.distance_curve import AccuracyCurve, AucRule, distance_curve
from pyposeops.metrics.sticks import FLIC_JOINTS, LEFT_TORSO

PARTS_TO_HALF = tuple(step / 100 for step in range(51))


@accepts_numpy
def pdj(
    pred: Tensor,
    target: Tensor,
    labelled: Tensor | None = None,
    *,
    torso: tuple[str, str] = LEFT_TORSO,
    thresholds: Sequence[float] | Tensor = PARTS_TO_HALF,
    comparison: Comparison = "<=",
    average: Average = "joints",
    auc_limit: float | None = None,
    auc_rule: AucRule = "trapezoid",
    joint_names: Sequence[str] = FLIC_JOINTS,
) -> AccuracyCurve:
    """Share of labelled joints within a part of the torso's diagonal, for every part: FLIC's curves.

    Args:
        pred: (N, K, 2) predicted joints as (x, y) in pixels. Infinity stands for a joint that was not found.
        target: (N, K, 2) annotated joints.
        labelled: (N, K) bool, or visibility (above 0 is labelled); None: all joints are. A person whose torso is not
            labelled does not count.
        torso: the two joints whose distance is the torso's. Published evaluations differ: left shoulder and right hip
            (MODEC, Chen and Yuille), or ("right_shoulder", "left_hip") (Tompson et al., NeurIPS 2014).
        thresholds: (T,) parts of the torso, ascending; default 0, 0.01 to 0.5.
        comparison: "<=" or "<".
        average: the mean over "joints", each of the same weight, or over all "labels".
        auc_limit: area up to this part; default the last one.
        auc_rule: see :func:`area_under_curve`.
        joint_names: K names; default FLIC's ten.

    Returns:
        AccuracyCurve(thresholds, per_joint, mean, auc_per_joint, auc, counted).

    Raises:
        ValueError, TypeError: as :func:`pck` does.

    Example:
        >>> names = ("left_shoulder", "right_hip", "nose")
        >>> truth = torch.tensor([[[40.0, 0.0], [0.0, 30.0], [20.0, -20.0]]])
        >>> found = pdj(truth + torch.tensor([10.0, 0.0]), truth, joint_names=names, thresholds=[0.1, 0.2, 0.3])
        >>> found.mean
        tensor([0., 1., 1.], dtype=torch.float64)

    Source: Toshev and Szegedy, DeepPose, CVPR 2014, section 4; Sapp and Taskar, MODEC, CVPR 2013.
    """
    return distance_curve(
        pred,
        target,
        labelled,
        normalizer=torso,
        reference_px=1.0,
        thresholds=thresholds,
        comparison=comparison,
        average=average,
        auc_limit=auc_limit,
        auc_rule=auc_rule,
        joint_names=joint_names,
    )
