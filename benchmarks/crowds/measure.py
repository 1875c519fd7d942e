"""Average precision of the ways to people, in all images and in parts of them, so that differences have errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from benchmarks.crowds.boxes import noisy_boxes
from benchmarks.crowds.scenes import Column, Comparison, Row, Table
from pyposeops.metrics import crowd_index
from python_models.data import GeneratedCrowds, ImagePeople, Skeleton
from python_models.methods import METHODS, FinderSettings, method_for
from python_models.model_card import load_model
from python_models.people import Finder, WithoutRepeats
from python_models.people_scores import FoundPeople, coco_results, score_people
from python_models.training_state import LAST

SIMILARITY = 0.9  # of OKS NMS, as published
PARTS, IMAGES_PER_PART = 8, 40
SEED = 11  # of images that nothing was trained on or chosen by
# Student's t with PARTS - 1 degrees of freedom, 95 %, two-sided.
_QUANTILE = 2.365


class Scores(NamedTuple):
    """Average precision of a row in a column."""

    whole: float
    parts: list[float]  # of each part of the images


class Scenes:
    """The crowds and finders, each made once.

    Args:
        runs: folder of the trainings.
    """

    def __init__(self, runs: Path) -> None:
        self.runs, self.device = runs, torch.device("cpu")
        self._crowds: dict[float, ImagePeople] = {}
        self._finders: dict[Row, tuple[Finder, Skeleton]] = {}

    def crowds(self, crowding: float) -> ImagePeople:
        """Images that no training has seen."""
        if crowding not in self._crowds:
            drawn = GeneratedCrowds(SEED, PARTS * IMAGES_PER_PART, crowding)
            self._crowds[crowding] = ImagePeople(drawn)
        return self._crowds[crowding]

    def finder(self, row: Row) -> tuple[Finder, Skeleton]:
        if row not in self._finders:
            network, card = load_model(str(self.runs / row.run / LAST))
            way = method_for(row.method, card.model)
            finder = way.build(network.to(self.device).eval(), card, FinderSettings(self.device))
            if way is METHODS["topdown"]:
                finder = WithoutRepeats(finder, card.skeleton.sigmas, SIMILARITY)
            self._finders[row] = finder, card.skeleton
        return self._finders[row]

    def scores(self, rows: Sequence[Row], column: Column) -> list[Scores]:
        """Of every row, in the same images and boxes."""
        crowds = self.crowds(column.crowding)
        boxes = noisy_boxes(crowds, column.boxes)
        results: list[list[dict[str, Any]]] = [[] for _ in rows]
        for record in tqdm(crowds.records, desc=column.label, unit="image", leave=False):
            image = torch.from_numpy(crowds.load_image(record))
            for row, own in zip(rows, results, strict=True):
                finder, skeleton = self.finder(row)
                with torch.no_grad():
                    (people,) = finder([image], [boxes[record.image_id]])
                own += coco_results(record.image_id, people, skeleton, crowds.skeleton)
        return [_scores(crowds, own) for own in results]

    def crowd_index(self, column: Column) -> float:
        """Mean over the images, with the true boxes."""
        crowds = self.crowds(column.crowding)
        return float(np.mean([_crowd_index(crowds, members) for members in crowds.members]))


def _scores(crowds: ImagePeople, results: Sequence[dict[str, Any]]) -> Scores:
    ids = [record.image_id for record in crowds.records]
    parts = [ids[start::PARTS] for start in range(PARTS)]
    return Scores(_precision(crowds, results, ids), [_precision(crowds, results, own) for own in parts])


def _precision(crowds: ImagePeople, results: Sequence[dict[str, Any]], image_ids: Sequence[int]) -> float:
    """In some of the images."""
    kept = set(image_ids)
    own = [result for result in results if result["image_id"] in kept]
    return score_people(crowds, FoundPeople(own, list(image_ids)))["AP"]


def _crowd_index(crowds: ImagePeople, members: Sequence[int]) -> float:
    people = [crowds.dataset.records[member] for member in members]
    columns = zip(*((own.box_xywh, own.keypoints, own.visibility) for own in people), strict=True)
    return crowd_index(*(np.stack(column) for column in columns))


def measure(table: Table, scenes: Scenes) -> dict[str, Any]:
    """A table as JSON."""
    by_column = [scenes.scores(table.rows, column) for column in table.columns]
    scores = list(zip(*by_column, strict=True))
    return {
        "title": table.title,
        "source": table.source,
        "columns": [
            {"label": own.label, "crowd index": scenes.crowd_index(own), "boxes": own.boxes._asdict()}
            for own in table.columns
        ],
        "rows": [
            {"label": row.label, "run": row.run, "method": row.method, "AP": [own.whole for own in of_row]}
            for row, of_row in zip(table.rows, scores, strict=True)
        ],
        "comparisons": [_compared(own, scores) for own in table.comparisons],
    }


def _compared(comparison: Comparison, scores: Sequence[Sequence[Scores]]) -> dict[str, Any]:
    better, other = scores[comparison.better], scores[comparison.other]
    gains = np.array(better[comparison.column].parts) - other[comparison.column].parts
    if comparison.beside is not None:
        gains -= np.array(better[comparison.beside].parts) - other[comparison.beside].parts
    low, high = interval(gains)
    verdict = "borne out" if low > 0 else "not borne out" if high < 0 else "undecided"
    return {**asdict(comparison), "interval": [low, high], "verdict": verdict}


def interval(differences: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean of differences between parts (PARTS,)."""
    mean, error = differences.mean(), differences.std(ddof=1) / len(differences) ** 0.5
    return float(mean - _QUANTILE * error), float(mean + _QUANTILE * error)
