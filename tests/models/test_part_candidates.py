"""Candidates of drawn maps are the joints they were drawn from; which of many cells are taken."""

import math

import numpy as np
import pytest
import torch

from python_models.data import LabelledPeople, PeopleBatch
from python_models.deepcut import OFFSET_PX
from python_models.errors import UserError
from python_models.maps import PairedPartMaps, PartScoreMaps
from python_models.model_card import ModelCard
from python_models.part_candidates import Candidates, CandidateSettings, apart, part_candidates
from python_models.part_grid import PartGrid
from python_models.part_losses import pair_targets, part_targets
from python_models.part_scores import FoundParts, judged, score_parts
from tests.models.tiny_crowds import CHAIN

GRID = PartGrid(8.0, 4.0, 17.0)
SIZE = (30, 40)
JOINTS = torch.tensor(
    [[[50.0, 40.0], [61.0, 90.0], [30.5, 70.0]], [[200.0, 61.0], [90.0, 200.0], [200.0, 61.0]]]
)


def drawn(people: torch.Tensor) -> PairedPartMaps:
    """What a perfect network gives for one image of people (N, 3, 2); scores fall with the distance."""
    labelled = LabelledPeople(people[None], torch.full((1, *people.shape[:2]), 2.0))
    targets = part_targets(labelled, GRID, SIZE)
    pairs, _ = pair_targets(labelled, targets, GRID)
    distance = OFFSET_PX * targets.offsets.unflatten(1, (-1, 2)).norm(dim=2)
    scores = torch.where(targets.positive, 3 - distance / 10, -9.0)
    return PairedPartMaps([scores], [targets.offsets], [pairs])


def test_drawn_joints_come_back_once_each_and_point_to_their_person():
    (found,) = part_candidates(drawn(JOINTS), GRID)
    assert found.parts.tolist() == [0, 0, 1, 1, 2, 2]
    for part, place, others in zip(found.parts, found.places, found.others, strict=True):
        person = np.linalg.norm(JOINTS[:, part].numpy() - place, axis=1).argmin()
        np.testing.assert_allclose(place, JOINTS[person, part], atol=1e-4)
        np.testing.assert_allclose(others, JOINTS[person], atol=1e-3)
    assert (found.scores > 0.9).all() and (found.scores <= 1).all()


def test_maps_without_pairs_give_candidates_without_others():
    maps = drawn(JOINTS)
    (found,) = part_candidates(PartScoreMaps(maps.scores, maps.offsets), GRID)
    assert found.others is None and len(found.parts) == 6


def flat(values: dict[tuple[int, int, int], float], parts: int = 2) -> PartScoreMaps:
    """Logits of -9, but for those given by part, row and column."""
    scores = torch.full((1, parts, *SIZE), -9.0)
    for place, value in values.items():
        scores[0][place] = value
    return PartScoreMaps([scores], [torch.zeros(1, 2 * parts, *SIZE)])


def test_of_near_cells_the_best_stays_and_the_first_of_equals():
    maps = flat({(0, 5, 5): 1.0, (0, 5, 8): 2.0, (0, 5, 12): 0.5, (1, 5, 6): 1.0, (1, 5, 7): 1.0})
    (found,) = part_candidates(maps, GRID)
    # Columns 5 and 8 are 3 cells apart, which is near; 8 and 12 are not. Parts do not mind each other.
    assert found.parts.tolist() == [0, 0, 1]
    assert found.places.tolist() == [[68.0, 44.0], [100.0, 44.0], [52.0, 44.0]]
    np.testing.assert_allclose(found.scores, torch.tensor([2.0, 0.5, 1.0]).sigmoid(), rtol=1e-6)


def test_cells_that_mean_one_place_become_one():
    maps = flat({(0, 5, 5): 1.0, (0, 5, 10): 2.0})
    maps.offsets[0][0, 0, 5, 5], maps.offsets[0][0, 0, 5, 10] = 20 / OFFSET_PX, -15 / OFFSET_PX
    (found,) = part_candidates(maps, GRID)
    np.testing.assert_allclose(found.places, [[69.0, 44.0]], atol=1e-5)


def test_the_threshold_belongs_to_the_candidates_and_nan_does_not():
    maps = flat({(0, 5, 5): 0.0, (0, 15, 5): -1e-4, (1, 5, 5): math.nan})
    (found,) = part_candidates(maps, GRID, CandidateSettings(threshold=0.5))
    assert found.places.tolist() == [[44.0, 44.0]]


def test_the_best_of_each_part_and_of_all_are_taken():
    values = {
        (part, 4 * i, 4 * j): 1.0 + part + i + j for part in range(2) for i in range(3) for j in range(3)
    }
    (found,) = part_candidates(flat(values), GRID, CandidateSettings(per_part=4, in_all=5))
    assert found.parts.tolist() == [0, 0, 1, 1, 1]
    np.testing.assert_allclose(found.scores, torch.tensor([5.0, 4.0, 6.0, 5.0, 5.0]).sigmoid(), rtol=1e-6)
    assert found.places[3].tolist() == [68.0, 36.0]  # the first of equals in raster order comes second


def test_empty_maps_give_no_candidates():
    (found,) = part_candidates(flat({}), GRID)
    assert found.parts.shape == (0,) and found.places.shape == (0, 2) and found.scores.shape == (0,)
    assert apart(np.zeros((0, 2)), 3).tolist() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threshold": 1.0}, "threshold: expected 0 to below 1"),
        ({"apart_cells": -1.0}, "apart_cells: expected 0 or more"),
        ({"per_part": 0}, "per_part, in_all: expected 1 or more"),
    ],
)
def test_numbers_that_make_no_sense_are_told(changes: dict, message: str):
    with pytest.raises(UserError, match=message):
        CandidateSettings(**changes).check()


def batch_of(people: torch.Tensor, counted: torch.Tensor | None = None) -> PeopleBatch:
    labelled = LabelledPeople(people[None], torch.full((1, *people.shape[:2]), 2.0), counted)
    return PeopleBatch(torch.zeros(1, 3, 240, 320), labelled, torch.zeros(1, 2, 3), torch.zeros(1).long())


def candidates(*rows: tuple[int, float, float, float]) -> Candidates:
    values = np.array(rows, np.float64).reshape(-1, 4)
    return Candidates(values[:, 0].astype(np.int64), values[:, 1:3], values[:, 3], None)


def test_each_joint_is_found_once_by_the_best_candidate():
    card = ModelCard("deepercut_resnet152", (240, 320), CHAIN, sigma_px=17 / 8)
    found = candidates(
        (0, 60, 40, 0.5), (0, 51, 40, 0.9), (0, 200, 79, 0.8), (1, 61, 90, 0.3), (0, 201, 61, 0.2)
    )
    own = judged(found, batch_of(JOINTS), 0, card, PartGrid.of(card))
    assert own.right.tolist() == [False, True, False, True, True]
    assert own.labelled.tolist() == [2, 2, 2]
    # Part 0: right, wrong, wrong, right: precision 1 up to half of the joints, then 2 of 4. Part 1: half of them.
    assert score_parts(own)["part AP"] == pytest.approx(((0.5 + 0.5 * 0.5) + 0.5 + 0.0) / 3)


def test_candidates_where_nothing_counts_are_neither_right_nor_wrong():
    card = ModelCard("deepercut_resnet152", (240, 320), CHAIN, sigma_px=17 / 8)
    counted = torch.ones(1, 60, 80)
    counted[:, :, 40:] = 0
    found = candidates((0, 50, 40, 0.5), (0, 250, 40, 0.9))
    assert judged(found, batch_of(JOINTS, counted), 0, card, PartGrid.of(card)).right.tolist() == [True]
    nobody = judged(found, batch_of(JOINTS[:0]), 0, card, PartGrid.of(card))
    assert nobody.right.tolist() == [False, False] and score_parts(nobody)["part AP"] == 0.0


def test_the_area_is_that_under_the_envelope():
    right = np.array([False, True, True, False])
    found = FoundParts(np.zeros(4, np.int64), np.array([0.9, 0.8, 0.7, 0.6]), right, np.array([4]))
    # Precisions 0, 1/2, 2/3, 1/2: two joints of four, at 2/3 each under the envelope.
    assert score_parts(found)["part AP"] == pytest.approx(2 / 4 * 2 / 3)
