"""What DeepCut's part detectors learn, against plain loops; and a training until joints are found."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from python_models.data import LabelledPeople
from python_models.deepcut import OFFSET_PX
from python_models.maps import PairedPartMaps, PartScoreMaps
from python_models.model_card import ModelCard, load_model
from python_models.part_grid import PartGrid
from python_models.part_losses import OFFSET_WEIGHT, counted_at, pair_targets, part_loss, part_targets
from python_models.people_objective import people_loss, seen_joints
from python_models.train import train_on
from python_models.training_state import BEST
from tests.models.tiny_crowds import CHAIN, TwoPeople, crowd_settings

GRID = PartGrid(8.0, 0.0, 17.0)
SIZE, INPUT = (7, 9), (48, 64)


def crowd(seed: int = 0, people: int = 3) -> LabelledPeople:
    rng = np.random.default_rng(seed)
    keypoints = torch.from_numpy(rng.uniform(-5, (64, 48), (2, people, 3, 2)).astype(np.float32))
    visibility = torch.from_numpy(rng.integers(0, 3, (2, people, 3)).astype(np.float32))
    keypoints[visibility == 0] = math.nan  # what is not labelled must not be read
    return LabelledPeople(keypoints, visibility)


def nearest_person(people: LabelledPeople, image: int, joint: int, cell: Tensor) -> tuple[float, int]:
    best = math.inf, 0
    for person in range(people.visibility.shape[1]):
        if people.visibility[image, person, joint] > 0:
            distance = float((people.keypoints[image, person, joint] - cell).norm())
            best = min(best, (distance, person))
    return best


def test_cells_show_the_nearest_joint_within_the_radius():
    people = crowd()
    targets = part_targets(people, GRID, SIZE)
    found = 0
    for image, joint, row, column in np.ndindex(2, 3, *SIZE):
        cell = torch.tensor([8.0 * column, 8.0 * row])
        distance, person = nearest_person(people, image, joint, cell)
        near = distance <= 17
        assert targets.positive[image, joint, row, column] == near
        offset = targets.offsets[image, 2 * joint : 2 * joint + 2, row, column]
        wanted = (people.keypoints[image, person, joint] - cell) / 53**0.5 if near else torch.zeros(2)
        torch.testing.assert_close(offset, wanted)
        if near:
            found += 1
            assert targets.people[image, joint, row, column] == person
    assert 50 < found < 300


def test_pairs_lead_to_all_other_joints_of_the_person():
    people = crowd(1)
    targets = part_targets(people, GRID, SIZE)
    offsets, known = pair_targets(people, targets, GRID)
    assert offsets.shape == (2, 12, *SIZE) and known.shape == (2, 6, *SIZE)
    order = [(part, other) for part in range(3) for other in range(3) if other != part]
    for image, place, row, column in np.ndindex(2, 6, *SIZE):
        part, other = order[place]
        person = targets.people[image, part, row, column]
        wanted = targets.positive[image, part, row, column] & (people.visibility[image, person, other] > 0)
        assert known[image, place, row, column] == wanted
        offset = torch.zeros(2)
        if wanted:
            cell = torch.tensor([8.0 * column, 8.0 * row])
            offset = (people.keypoints[image, person, other] - cell) / OFFSET_PX
        torch.testing.assert_close(offsets[image, 2 * place : 2 * place + 2, row, column], offset)
    assert known.sum() > 20


def random_maps(seed: int, paired: bool) -> Any:
    generator = torch.Generator().manual_seed(seed)
    channels = (3, 6, 12) if paired else (3, 6)
    maps = [[torch.randn(2, count, *SIZE, generator=generator)] for count in channels]
    return PairedPartMaps(*maps) if paired else PartScoreMaps(*maps)


@pytest.mark.parametrize("paired", [False, True])
def test_the_loss_is_that_of_the_definition(paired: bool):
    people, maps = crowd(2), random_maps(0, paired)
    counted = torch.ones(2, 12, 16)
    counted[:, :6, :8] = 0
    people = people._replace(counted=counted)
    targets = part_targets(people, GRID, SIZE)
    pairs, known = pair_targets(people, targets, GRID)
    entropy, huber, paired_huber = [], [], []
    for image, row, column in np.ndindex(2, *SIZE):
        if row < 3 and column < 4:  # cells at 0, 8, 16 (and 24) pixels; the mask's side is 4 pixels
            continue
        for joint in range(3):
            p = maps.scores[0][image, joint, row, column].double().sigmoid()
            positive = bool(targets.positive[image, joint, row, column])
            entropy.append(float(-torch.log(p if positive else 1 - p)))
            if positive:
                both = slice(2 * joint, 2 * joint + 2)
                off = maps.offsets[0][image, both, row, column] - targets.offsets[image, both, row, column]
                huber += [0.5 * d * d if d < 1 else d - 0.5 for d in off.abs().tolist()]
        for place in range(6) if paired else ():
            if known[image, place, row, column]:
                both = slice(2 * place, 2 * place + 2)
                off = maps.pairs[0][image, both, row, column] - pairs[image, both, row, column]
                paired_huber += [0.5 * d * d if d < 1 else d - 0.5 for d in off.abs().tolist()]
    wanted = np.mean(entropy) + 0.05 * np.mean(huber) + (0.05 * np.mean(paired_huber) if paired else 0)
    assert part_loss(maps, people, GRID, INPUT).item() == pytest.approx(wanted, rel=1e-5)
    assert OFFSET_WEIGHT == 0.05


@pytest.mark.parametrize("people", [0, 2])
def test_without_labelled_joints_scores_alone_are_learned(people: int):
    nobody = LabelledPeople(torch.full((2, people, 3, 2), math.nan), torch.zeros(2, people, 3))
    maps = random_maps(3, True)
    for stage in (*maps.scores, *maps.offsets, *maps.pairs):
        stage.requires_grad_()
    loss = part_loss(maps, nobody, GRID, INPUT)
    loss.backward()
    assert loss.detach().item() == pytest.approx(
        float(torch.nn.functional.softplus(maps.scores[0].detach()).mean()), rel=1e-5
    )
    assert not maps.offsets[0].grad.any() and not maps.pairs[0].grad.any()
    assert all(stage.grad.isfinite().all() for stage in (maps.scores[0], maps.offsets[0], maps.pairs[0]))


def test_a_mask_is_read_at_its_nearest_place():
    counted = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    places = torch.tensor([[0.0, 0.0], [9.4, 0.0], [9.6, 0.0], [30.0, 30.0], [-4.0, 30.0]])
    assert counted_at(counted, places, (20, 20)).tolist() == [[1, 1, 0, 1, 0]]


def test_grids_of_both_networks():
    assert PartGrid.of(ModelCard("deepcut_vgg16", (340, 340), CHAIN, sigma_px=17 / 8)) == (8.0, 0.0, 17.0)
    deeper = PartGrid.of(ModelCard("deepercut_resnet152", (320, 320), CHAIN, sigma_px=1.0))
    assert deeper == (8.0, 4.0, 8.0) and deeper.scale == 8 / 17
    assert deeper.places(2, 3)[1, 2].tolist() == [20.0, 12.0]


def test_joints_are_seen_where_their_cell_is_above_one_half():
    card = ModelCard("deepcut_vgg16", INPUT, CHAIN, sigma_px=1.0)
    maps = random_maps(0, False)
    maps.scores[0][:] = -1
    people = LabelledPeople(
        torch.tensor([[[[19.0, 12.4], [60.0, 40.0], [0.0, 0.0]]]] * 2), torch.tensor([[[2.0, 1.0, 0.0]]] * 2)
    )
    maps.scores[0][:, 0, 2, 2] = 0.1
    assert seen_joints(maps, people, card) == 0.5
    torch.testing.assert_close(
        people_loss(maps, people, card, 1.0), part_loss(maps, people, PartGrid.of(card), INPUT)
    )


@pytest.mark.parametrize("model", ["deepcut_vgg16", "deepercut_resnet152"])
def test_joints_are_found_after_training(tmp_path: Path, model: str):
    torch.manual_seed(0)
    trunk = {"width": 8, "blocks": (1, 1, 1, 1)}
    options = {"deepcut_vgg16": {"width": 8, "hidden": 32, "dropout": 0.0}, "deepercut_resnet152": trunk}
    settings = crowd_settings(
        tmp_path, model, options=options[model], sigma_px=1.5, epochs=10, lr=4e-3, optimizer="adamw"
    )
    result = train_on(settings, TwoPeople(24), TwoPeople(6, seed=1))
    assert max(row["part AP"] for row in result.history) > 0.7
    assert result.history[-1]["train_accuracy"] > 0.8
    _, card = load_model(tmp_path / BEST)
    assert card.model == model and card.sigma_px == 1.5
