"""Maps of DeepCut's networks that are drawn from people, as a perfect detector would give them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from python_models.data import COCO_SKELETON, GeneratedCrowds, LabelledPeople
from python_models.deepcut import OFFSET_PX
from python_models.maps import PairedPartMaps, PartScoreMaps
from python_models.pairwise_fit import (
    REACH_PX,
    OwnedCandidates,
    fit_terms,
    known_pairs,
    logistic_regression,
    owners_of,
)
from python_models.pairwise_terms import PairwiseTerms
from python_models.part_candidates import CandidateSettings, part_candidates
from python_models.part_grid import PartGrid
from python_models.part_losses import pair_targets, part_targets

GRID = PartGrid(8.0, 4.0, 8.0)
SIZE, CELLS = (352, 448), (44, 56)


class Scene(NamedTuple):
    """An image's people and the maps of them."""

    people: Tensor  # (N, K, 2)
    visibility: Tensor  # (N, K)
    maps: PairedPartMaps


def drawn(
    people: Tensor, size: tuple[int, int], visibility: Tensor | None = None, grid: PartGrid = GRID
) -> PairedPartMaps:
    """Maps of one image of people (N, K, 2): scores fall with the distance, offsets are exact."""
    seen = torch.full(people.shape[:2], 2.0) if visibility is None else visibility
    labelled = LabelledPeople(people[None], seen[None])
    targets = part_targets(labelled, grid, size)
    pairs, _ = pair_targets(labelled, targets, grid)
    distance = OFFSET_PX * targets.offsets.unflatten(1, (-1, 2)).norm(dim=2)
    scores = torch.where(targets.positive, 3 - 2 * distance / grid.radius_px, -9.0)
    return PairedPartMaps([scores], [targets.offsets], [pairs])


def scenes(seed: int, count: int, crowding: float = 0.0) -> Iterator[Scene]:
    """Generated crowds, of whom hidden joints are shown too."""
    dataset = GeneratedCrowds(seed, count, crowding)
    for index in range(count):
        own = [record for record in dataset.records if record.image == index]
        people = torch.from_numpy(np.stack([record.keypoints for record in own]))
        visibility = torch.from_numpy(np.stack([record.visibility for record in own]))
        yield Scene(people, visibility, drawn(people, CELLS, visibility))


def learned_terms(paired: bool, *, count: int = 20) -> PairwiseTerms:
    """Terms that are learned from planted crowds."""
    owned: dict[bool, list[OwnedCandidates]] = {True: [], False: []}
    for scene in scenes(1, count):
        maps = scene.maps if paired else PartScoreMaps(*scene.maps[:2])
        for same, images in owned.items():
            (found,) = part_candidates(maps, GRID, CandidateSettings(apart_cells=1.0 if same else 3.0))
            people = scene.people.double().numpy(), scene.visibility.numpy()
            images.append(OwnedCandidates(found, owners_of(found, *people, REACH_PX * GRID.scale)))
    pairs = (known_pairs(images, same_part=same) for same, images in owned.items())
    return fit_terms(COCO_SKELETON.joint_names, *pairs, GRID, logistic_regression(1.0))
