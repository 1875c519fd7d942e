"""PCP and PDJ of each stage of a network, so that the gain of a stage is seen."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pyposeops.metrics import LSP_STICKS, pck, pcp, torso_sizes
from pyposeops.metrics.sticks import LEFT_TORSO, Stick

PDJ_THRESHOLDS = (0.05, 0.1, 0.2, 0.5)
PCP_THRESHOLD = 0.5
# MPII's neck has another name.
_STICKS = (*LSP_STICKS, Stick("head", ("head_top",), ("upper_neck",)))


def stage_figures(
    predicted: NDArray[np.float64],
    truth: NDArray[np.float64],
    labelled: NDArray[np.bool_],
    joint_names: Sequence[str],
    thresholds: Sequence[float],
) -> dict[str, float]:
    """PCP@0.5, strict, over those of LSP's limbs whose joints there are, and the mean PDJ at each threshold.

    Args:
        predicted, truth: (N, K, 2), (x, y) in pixels.
        labelled: (N, K).
        joint_names: K names; figures for which joints are lacking are left out.
        thresholds: of PDJ, in diagonals of the torso.
    """
    figures = {}
    sticks = [stick for stick in _STICKS if {*stick.first, *stick.second} <= set(joint_names)]
    if sticks:
        found = pcp(
            predicted, truth, labelled, threshold=PCP_THRESHOLD, sticks=sticks, joint_names=joint_names
        )
        figures[f"PCP@{PCP_THRESHOLD}"] = float(found.mean)
    if set(LEFT_TORSO) <= set(joint_names):
        torsos = torso_sizes(truth, labelled, joint_names)
        for limit in thresholds:
            found = pck(predicted, truth, labelled, normalizer=torsos, threshold=limit)
            figures[f"PDJ@{limit}"] = float(found.mean)
    return figures


def format_stages(stages: Sequence[dict[str, float]]) -> str:
    """A row per stage; a single one, the answer of the network, has no number. Without figures, a sentence."""
    columns = list(stages[0])
    if not columns:
        return "no PCP, no PDJ: the joints have neither a limb's two ends nor a left shoulder and a right hip"
    names = ["limbs and torsos"] if len(stages) == 1 else [f"stage {n}" for n in range(1, len(stages) + 1)]
    width = max(map(len, names))
    lines = [" " * width + "".join(f"{name:>10}" for name in columns)]
    lines += [
        f"{name:<{width}}" + "".join(f"{figures[column]:>10.3f}" for column in columns)
        for name, figures in zip(names, stages, strict=True)
    ]
    return "\n".join(lines)
