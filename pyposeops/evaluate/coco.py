"""COCO's and CrowdPose's figures of a results file."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from pyposeops import metrics
from pyposeops.evaluate.errors import InputError
from pyposeops.evaluate.people import ResultsFile, TruthFile, named
from pyposeops.evaluate.report import Numbers, Report, table
from pyposeops.metrics import COCOeval, keypoint_sets
from pyposeops.metrics.coco import IOU_TYPES

JOINT_COLUMNS = ("AP", "AP50", "AP75", "AR", "swapped")
METRICS = dict(zip(("coco", "crowdpose"), IOU_TYPES, strict=True))


@dataclass(frozen=True)
class CocoSettings:
    """
    Args:
        metric: "coco" or "crowdpose".
        sigmas: one per joint; default that of the metric.
        max_dets: how many results of an image count, the best ones.
        use_area: False: 0.53 of the box in place of the annotated area; default that of the metric.
        strict: repeat pycocotools to the bit, with what is odd in it (see :class:`pyposeops.metrics.COCOeval`).
    """

    metric: str = "coco"
    sigmas: Sequence[float] | None = None
    max_dets: int = 20
    use_area: bool | None = None
    strict: bool = False


def load(truth: TruthFile, results: ResultsFile, settings: CocoSettings) -> COCOeval:
    """The two files ready to be evaluated; InputError, naming file, entry and field, where something is malformed."""
    _check_joints(truth, settings)
    if settings.metric == "crowdpose":
        _check_crowd_index(truth)
    try:
        evaluation = COCOeval(
            truth.content,
            results.entries,
            METRICS[settings.metric],
            sigmas=settings.sigmas,
            use_area=settings.use_area,
            strict=settings.strict,
        )
    except (ValueError, TypeError) as error:
        raise named(error, truth.path, results.path) from error
    evaluation.params.maxDets = [settings.max_dets]
    return evaluation


def score_coco(
    truth: TruthFile, results: ResultsFile, settings: CocoSettings, step: Callable[[str], None]
) -> Report:
    """Matches people, draws the curves and scores every joint; ``step`` is told what begins."""
    step("checking entries")
    evaluation = load(truth, results, settings)
    step("matching people")
    evaluation.evaluate()
    step("drawing curves")
    evaluation.accumulate()
    step("scoring joints")
    names = truth.joint_names(len(evaluation.params.kpt_oks_sigmas))
    per_joint = _per_joint(evaluation, names)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        evaluation.summarize()
    return Report(
        lines=[*printed.getvalue().splitlines(), "", *table(per_joint, JOINT_COLUMNS, "joint")],
        figures=evaluation.figures(),
        per_joint=per_joint,
        settings=_told(evaluation, settings),
        counts=_counts(truth, results, evaluation),
        draw=partial(_draw, evaluation),
    )


def _draw(evaluation: COCOeval) -> Any:
    """Precision over recall at the usual similarities."""
    return metrics.plot_precision_recall(evaluation, title=f"AP {evaluation.figures()['AP']:.3f}")


def _per_joint(evaluation: COCOeval, names: Sequence[str]) -> Mapping[str, Numbers]:
    """The figures joint by joint, and how often a joint is found where its partner on the other side is."""
    figures = evaluation.joint_figures()
    rows = {
        name: {figure: float(values[joint]) for figure, values in figures.items()}
        for joint, name in enumerate(names)
    }
    pairs = _left_and_right(names)
    if pairs:
        rates = evaluation.swap_rates(pairs).rates
        for pair, rate in zip(pairs, rates, strict=True):
            for joint in pair:
                rows[names[joint]]["swapped"] = float(rate)
    return rows


def _left_and_right(names: Sequence[str]) -> list[tuple[int, int]]:
    """Joints whose names differ in their side only."""
    found = []
    for left, name in enumerate(names):
        partner = "right" + name.removeprefix("left")
        if name.startswith("left") and partner in names:
            found.append((left, list(names).index(partner)))
    return found


def _told(evaluation: COCOeval, settings: CocoSettings) -> dict[str, object]:
    use_area = settings.metric != "crowdpose" if settings.use_area is None else settings.use_area
    return {
        "sigmas": np.asarray(evaluation.params.kpt_oks_sigmas).tolist(),
        "max_dets": settings.max_dets,
        "area": "annotated" if use_area else "box",
        "strict": settings.strict,
    }


def _counts(truth: TruthFile, results: ResultsFile, evaluation: COCOeval) -> dict[str, int]:
    return {
        "images": len(evaluation.params.imgIds),
        "annotations": len(truth.annotations),
        "results": len(results.entries),
    }


def _check_joints(truth: TruthFile, settings: CocoSettings) -> None:
    """Another number of joints is most often another data set: says which sigmas are at hand."""
    default = keypoint_sets.CROWDPOSE_14 if settings.metric == "crowdpose" else keypoint_sets.COCO_17
    wanted = len(default if settings.sigmas is None else settings.sigmas)
    if truth.joints is None or truth.joints == wanted:
        return
    known = [name for name, sigmas in sigma_sets().items() if len(sigmas) == truth.joints]
    raise InputError(
        f"{truth.path}: expected people of {wanted} joints, one per sigma, got {truth.joints}; "
        f"choose others with --sigmas {' or '.join([*known, 'NUMBER,NUMBER,...'])}"
    )


def _check_crowd_index(truth: TruthFile) -> None:
    images = truth.content.get("images")
    if not images:
        raise InputError(f"{truth.path}: images: expected images with a crowdIndex, got none")
    for index, image in enumerate(images):
        value = image.get("crowdIndex")
        if not isinstance(value, int | float):
            got = "none" if value is None else repr(value)
            raise InputError(f"{truth.path}: images[{index}]: crowdIndex: expected a number, got {got}")


def sigma_sets() -> dict[str, tuple[float, ...]]:
    """The sigmas that have a name, such as coco_17."""
    found = {name: value for name, value in vars(keypoint_sets).items() if not name.startswith("_")}
    return {name.lower(): value for name, value in found.items() if name.isupper()}
