"""Figures of a trained network, and whether the difference of two of them is more than the choice of people."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.claims.claims import THRESHOLDS, Subject
from python_models.evaluate import body_sizes, predict_stages
from python_models.model_card import load_model
from python_models.runtime import start_fabric
from python_models.sources import open_evaluation_data
from python_models.training_state import LAST

RESAMPLINGS = 2000
CONFIDENCE = 0.95


class Distances(NamedTuple):
    """How far the predicted joints are off."""

    distances: NDArray[
        np.float64
    ]  # (N, K), in torso diagonals; NaN where the joint is not labelled, infinite where lost


def measure(subject: Subject, run: Path, data: str, *, workers: int = 0) -> Distances:
    """Predict the people of the split `val` with the weights of the last epoch: nothing was chosen by them."""
    dataset = open_evaluation_data(data, images=None, count=0)
    network, card = load_model(run / LAST)
    fabric = start_fabric("auto", 1, "32-true")
    stages = predict_stages(
        fabric.to_device(network),
        card,
        dataset,
        fabric,
        batch_size=64,
        workers=workers,
        refine=subject.refine,
        every_stage=subject.stage is not None,
    )
    predictions = stages[-1 if subject.stage is None else subject.stage]
    truth = np.stack([record.keypoints for record in dataset.records]).astype(np.float64)
    labelled = np.stack([record.visibility for record in dataset.records]) > 0
    boxes = np.stack([record.box_xywh for record in dataset.records]).astype(np.float64)
    sizes = body_sizes(truth, labelled, boxes, dataset.skeleton.joint_names)
    distances = np.linalg.norm(predictions.keypoints - truth, axis=-1) / sizes[:, None]
    distances = np.where(np.isfinite(distances), distances, np.inf)
    return Distances(np.where(labelled & predictions.read[:, None], distances, np.nan))


def accuracy(found: Distances, threshold: float) -> float:
    """PCK: the share of all labelled joints that are off by no more than `threshold`."""
    known = ~np.isnan(found.distances)
    return float((found.distances[known] <= threshold).mean())


def figures(found: Distances) -> dict[str, float]:
    return {f"PCK@{threshold}": accuracy(found, threshold) for threshold in THRESHOLDS}


def interval(worse: Distances, better: Distances, threshold: float) -> tuple[float, float]:
    """Of the difference in PCK, when the people are drawn anew (bootstrap over people, both networks on the same)."""
    generator = np.random.default_rng(0)
    known = ~np.isnan(worse.distances) & ~np.isnan(better.distances)
    gained = (better.distances <= threshold).astype(float) - (worse.distances <= threshold)
    gains, counts = np.where(known, gained, 0.0).sum(axis=1), known.sum(axis=1)
    drawn = generator.integers(len(counts), size=(RESAMPLINGS, len(counts)))
    differences = gains[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(differences, (tail, 1 - tail))
    return float(low), float(high)


def verdict(intervals: list[tuple[float, float]]) -> str:
    """Of a claim, from the intervals of its steps."""
    if any(high < 0 for _, high in intervals):
        return "not borne out"
    return "borne out" if all(low > 0 for low, _ in intervals) else "undecided"
