"""Whose result is whose: what PCK and its relatives presuppose, and a file of COCO results does not say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyposeops.evaluate.errors import InputError
from pyposeops.evaluate.people import ResultsFile, TruthFile, named
from pyposeops.metrics.coco_data import Floats, KeypointResults, KeypointTruths, read_results, read_truths

# Which of several results is nearest depends little on the sigmas; these serve any joint set.
PAIRING_SIGMA = 0.1


@dataclass(frozen=True)
class PairedPeople:
    """Annotated people with labelled joints, groups left out, each beside the result that is its.

    Args:
        pred: (N, K, 2) joints of the result in pixels; infinity where a person has none.
        target: (N, K, 2) annotated joints.
        labelled: (N, K) bool.
        boxes: (N, 4) as (x, y, width, height).
        rows: (N,) places among the annotations of the ground truth.
        found: (N,) bool: who has a result.
    """

    pred: Floats
    target: Floats
    labelled: NDArray[np.bool_]
    boxes: Floats
    rows: NDArray[np.int64]
    found: NDArray[np.bool_]


def pair_people(truth: TruthFile, results: ResultsFile, max_dets: int) -> PairedPeople:
    """Pairs every annotated person with at most one result, and every result with at most one person.

    Results that all have an ``annotation_id`` belong to these annotations. Others are paired image by image and
    category by category, the ``max_dets`` of highest score, most similar pair first by object keypoint similarity
    (sigma 0.1, area 0.53 of the box), and by mean distance among equals: so a single result in an image is the single
    person's, however far it lies.

    Raises:
        InputError: something malformed; names file, entry and field.
    """
    people, found = _read(truth, results)
    kept = np.flatnonzero(~people.crowd & (people.keypoints[:, :, 2] > 0).any(1))
    if len(kept) == 0:
        raise InputError(
            f"{truth.path}: annotations: expected at least one person with a labelled joint, got none"
        )
    by_annotation = _rows_by_annotation(truth, results, people)
    rows = (
        _rows_by_similarity(people, found, kept, max_dets) if by_annotation is None else by_annotation[kept]
    )
    has_result = rows >= 0
    pred = np.full((len(kept), people.keypoints.shape[1], 2), np.inf)
    pred[has_result] = found.keypoints[rows[has_result], :, :2]
    return PairedPeople(
        pred,
        people.keypoints[kept, :, :2],
        people.keypoints[kept, :, 2] > 0,
        people.boxes[kept],
        kept,
        has_result,
    )


def _read(truth: TruthFile, results: ResultsFile) -> tuple[KeypointTruths, KeypointResults]:
    joints = truth.joints or _joints_of_first(truth)
    try:
        people = read_truths(truth.content, joints, use_area=False, strict=False)
        found = read_results(results.entries, joints, strict=False)
    except (ValueError, TypeError) as error:
        raise named(error, truth.path, results.path) from error
    strangers = ~np.isin(found.image_ids, people.images)
    if strangers.any():
        entry = int(np.argmax(strangers))
        raise InputError(
            f"{results.path}: entry {entry}: image_id: expected an image of the ground truth, "
            f"got {found.image_ids[entry]}"
        )
    return people, found


def _joints_of_first(truth: TruthFile) -> int:
    """How many joints the first person has, where people differ: who differs is then told by the reader."""
    for person in truth.annotations:
        keypoints = person.get("keypoints") if isinstance(person, dict) else None
        if isinstance(keypoints, list) and keypoints:
            return max(1, len(keypoints) // 3)
    raise InputError(f"{truth.path}: annotations: expected people with keypoints, got none")


def _rows_by_annotation(
    truth: TruthFile, results: ResultsFile, people: KeypointTruths
) -> NDArray[np.int64] | None:
    """The result of every annotation, -1 for none; None where no result has an annotation_id."""
    named_ids = [entry.get("annotation_id") for entry in results.entries]
    if all(identity is None for identity in named_ids):
        return None
    row_of = {identity: row for row, identity in enumerate(people.ids.tolist())}
    rows = np.full(len(people.ids), -1)
    for entry, identity in enumerate(named_ids):
        where = f"{results.path}: entry {entry}: annotation_id"
        if type(identity) is not int or identity not in row_of:
            raise InputError(
                f"{where}: expected the id of an annotation, as other entries have, got {identity!r}"
            )
        row = row_of[identity]
        if rows[row] >= 0:
            raise InputError(f"{where}: expected one result of each person, got another of {identity}")
        rows[row] = entry
    return rows


def _rows_by_similarity(
    people: KeypointTruths, found: KeypointResults, kept: NDArray[np.int64], max_dets: int
) -> NDArray[np.int64]:
    """The result of every kept person, -1 for none."""
    results_of = _grouped(found.image_ids, found.category_ids, np.argsort(-found.scores, kind="stable"))
    rows = np.full(len(people.ids), -1)
    for cell, persons in _grouped(people.image_ids, people.category_ids, kept).items():
        candidates = results_of.get(cell, [])[:max_dets]
        taken: set[int] = set()
        for person, candidate in _nearest_first(people, found, persons, candidates):
            if rows[person] < 0 and candidate not in taken:
                rows[person] = candidate
                taken.add(candidate)
    return rows[kept]


def _grouped(
    images: NDArray[np.int64], categories: NDArray[np.int64], order: NDArray[np.int64]
) -> dict[tuple[int, int], list[int]]:
    """Rows of each image and category, in the order given."""
    groups: dict[tuple[int, int], list[int]] = {}
    cells = zip(images[order].tolist(), categories[order].tolist(), strict=True)
    for row, cell in zip(order.tolist(), cells, strict=True):
        groups.setdefault(cell, []).append(row)
    return groups


def _nearest_first(
    people: KeypointTruths, found: KeypointResults, persons: list[int], candidates: list[int]
) -> list[tuple[int, int]]:
    """All pairs of an image, most similar first; ties by mean distance, then as the files list them."""
    truth = people.keypoints[persons][:, None]
    labelled = truth[..., 2] > 0
    with np.errstate(over="ignore"):  # a square that is infinite is far away, too
        squares = ((found.keypoints[candidates][None, :, :, :2] - truth[..., :2]) ** 2).sum(-1)  # (G, D, K)
    scale = 8 * PAIRING_SIGMA**2 * (people.areas[persons][:, None, None] + np.spacing(1))
    count = labelled.sum(-1)
    similarity = (np.exp(-squares / scale) * labelled).sum(-1) / count
    distance = (np.sqrt(squares) * labelled).sum(-1) / count
    order = np.lexsort((distance.ravel(), -similarity.ravel()))
    return [
        (persons[place // len(candidates)], candidates[place % len(candidates)]) for place in order.tolist()
    ]
