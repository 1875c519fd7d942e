"""The numbers that COCO's keypoint evaluation is read by, out of its curves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pyposeops.metrics.coco_data import Floats
from pyposeops.metrics.coco_matching import Params

# Name -> (lowest, below) crowd index of an image.
CROWD_SPLITS = {"easy": (0.0, 0.2), "medium": (0.2, 0.8), "hard": (0.8, np.inf)}

# Name -> what it is the mean of, at which threshold (None: at all), over people of which area.
LINES: dict[str, tuple[str, float | None, str]] = {
    "AP": ("precision", None, "all"),
    "AP50": ("precision", 0.5, "all"),
    "AP75": ("precision", 0.75, "all"),
    "AP medium": ("precision", None, "medium"),
    "AP large": ("precision", None, "large"),
    "AR": ("recall", None, "all"),
    "AR50": ("recall", 0.5, "all"),
    "AR75": ("recall", 0.75, "all"),
    "AR medium": ("recall", None, "medium"),
    "AR large": ("recall", None, "large"),
}


def lines_of(params: Params) -> dict[str, tuple[str, float | None, str]]:
    """CrowdPose does not tell areas apart."""
    crowd = params.iouType == "keypoints_crowd"
    return {name: line for name, line in LINES.items() if not (crowd and line[2] != "all")}


def figures_of(drawn: Mapping[str, Floats], params: Params, *, limit: int, strict: bool) -> dict[str, float]:
    """Name -> number, -1 where no person counts.

    Args:
        drawn: precision, recall and scores, as `draw_curves` gives them.
        limit: of detections; one of ``params.maxDets``.
        strict: thresholds are found by ``==``, as pycocotools does.
    """
    return {
        name: _figure(drawn[kind], params, threshold, area, limit=limit, strict=strict)
        for name, (kind, threshold, area) in lines_of(params).items()
    }


def _figure(
    values: Floats, params: Params, threshold: float | None, area: str, *, limit: int, strict: bool
) -> float:
    if threshold is not None:
        thresholds = np.asarray(params.iouThrs)
        same = thresholds == threshold
        if not strict:
            same = np.isclose(thresholds, threshold, rtol=0, atol=1e-9)
        values = values[np.flatnonzero(same)]
    areas = [i for i, label in enumerate(params.areaRngLbl) if label == area]
    limits = [i for i, number in enumerate(params.maxDets) if number == limit]
    values = values[..., areas, limits]
    values = values[values > -1]
    return float(np.mean(values)) if len(values) else -1.0
