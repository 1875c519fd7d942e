"""PCK, PCKh, PDJ and PCP of a results file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from pyposeops import metrics
from pyposeops.evaluate.errors import InputError
from pyposeops.evaluate.head_sizes import head_sizes
from pyposeops.evaluate.joint_scores import (
    JointScores,
    JointSettings,
    People,
    score_pck,
    score_pckh,
    score_pcp,
    score_pdj,
)
from pyposeops.evaluate.pairs import PairedPeople, pair_people
from pyposeops.evaluate.people import ResultsFile, TruthFile
from pyposeops.evaluate.report import Report, table

METRICS = ("pck", "pckh", "pcp", "pdj")
_TOLD = {
    "pck": ("threshold", "size"),
    "pckh": ("threshold",),
    "pcp": ("threshold", "rule"),
    "pdj": (),
}


def score_joints(
    truth: TruthFile, results: ResultsFile, settings: JointSettings, step: Callable[[str], None]
) -> Report:
    """Pairs people with results and scores joints or limbs; ``step`` is told what begins.

    Raises:
        InputError: something malformed or missing; names file, entry and field.
    """
    step("pairing people with results")
    paired = pair_people(truth, results, settings.max_dets)
    step("scoring joints")
    scores = _score(truth, paired, settings)
    return Report(
        lines=_lines(scores, paired),
        figures=scores.figures,
        per_joint=scores.per_joint,
        settings={name: getattr(settings, name) for name in ("max_dets", *_TOLD[settings.metric])},
        counts={"people": len(paired.rows), "without_result": int((~paired.found).sum())},
        draw=partial(_draw, scores),
    )


def _score(truth: TruthFile, paired: PairedPeople, settings: JointSettings) -> JointScores:
    people = People(
        torch.from_numpy(paired.pred),
        torch.from_numpy(paired.target),
        torch.from_numpy(paired.labelled),
        torch.from_numpy(paired.boxes),
        truth.joint_names(paired.target.shape[1]),
    )
    try:
        if settings.metric == "pckh":
            return score_pckh(people, settings, torch.from_numpy(head_sizes(truth, paired)))
        return {"pck": score_pck, "pcp": score_pcp, "pdj": score_pdj}[settings.metric](people, settings)
    except InputError:
        raise
    except ValueError as error:  # joints that a metric needs and the ground truth does not name
        message = str(error).replace("joint_names", "categories: keypoints")
        raise InputError(f"{truth.path}: {message}") from error


def _lines(scores: JointScores, paired: PairedPeople) -> list[str]:
    missed = int((~paired.found).sum())
    lines = [f" {scores.title}", f" {len(paired.rows)} people, {missed} of them without a result", ""]
    width = max(map(len, scores.figures))
    lines += [f" {name:<{width}} = {value:.3f}" for name, value in scores.figures.items()]
    for heading, rows in (("part", scores.parts), ("joint", scores.per_joint)):
        if rows:
            lines += ["", *table(rows, [*next(iter(rows.values()))], heading)]
    return lines


def _draw(scores: JointScores) -> Any:
    return metrics.plot_accuracy_curves(
        scores.curve(), scores.lines, x_label=scores.x_label, title=scores.title.partition(":")[0]
    )
