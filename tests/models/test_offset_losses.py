"""PersonLab's targets and loss, against plain loops, and read back by the decoder."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pyposeops.skeletons import POSENET_EDGES
from python_models.data import GeneratedCrowds, ImagePeople, LabelledPeople, PeoplePreparer
from python_models.deepcut import OFFSET_PX
from python_models.errors import UserError
from python_models.map_decoders import decode_maps
from python_models.maps import PartOffsetMaps
from python_models.model_card import ModelCard, default_card
from python_models.offset_losses import along_edges, offset_loss
from python_models.part_grid import PartGrid
from python_models.part_losses import part_targets
from python_models.people_objective import people_loss, seen_joints
from python_models.train import train_on
from tests.models.small import SMALL
from tests.models.tiny_crowds import TwoPeople, crowd_settings

MODEL = "personlab_mobilenet_v1_050"
GRID = PartGrid(16.0, 0.0, 32.0)
INPUT, MAPS = (97, 129), (7, 9)
EDGES = ((0, 1), (1, 2))
# The disks of their first joints overlap; the second person lacks the middle of the chain.
PEOPLE = LabelledPeople(
    torch.tensor([[[[30.0, 40], [60, 41], [90, 80]], [[70, 44], [0, 0], [20, 90]]]]),
    torch.tensor([[[1.0, 2, 2], [1, 0, 2]]]),
)


def random_maps(seed: int) -> PartOffsetMaps:
    generator = torch.Generator().manual_seed(seed)
    shapes = (3, 6, 4, 4)
    return PartOffsetMaps(*([30 * torch.randn(1, count, *MAPS, generator=generator)] for count in shapes))


def nearest(joint: int, x: float, y: float) -> int | None:
    """Whose disk of a joint a place is in."""
    distances = {
        person: math.dist((x, y), PEOPLE.keypoints[0, person, joint].tolist())
        for person in range(2)
        if PEOPLE.visibility[0, person, joint]
    }
    person = min(distances, key=lambda own: distances[own])
    return person if distances[person] <= GRID.radius_px else None


def vector_errors(vectors: Tensor, pairs: list[tuple[int, int]]) -> float:
    """Of each pair, from the disk of the first joint to the second one; mean, in radii."""
    errors, (found,) = [], vectors
    for index, (start, end) in enumerate(pairs):
        for row, column in np.ndindex(MAPS):
            person = nearest(start, 16.0 * column, 16.0 * row)
            if person is not None and PEOPLE.visibility[0, person, end]:
                x, y = PEOPLE.keypoints[0, person, end].tolist()
                errors.append(abs(float(found[len(pairs) + index, row, column]) - (x - 16 * column)))
                errors.append(abs(float(found[index, row, column]) - (y - 16 * row)))
    return sum(errors) / len(errors) / GRID.radius_px


def test_the_loss_is_that_of_a_plain_loop():
    maps = random_maps(0)
    loss = offset_loss(maps, PEOPLE, GRID, INPUT, EDGES)
    entropies = []
    for joint, row, column in np.ndindex(3, *MAPS):
        logit = float(maps.heatmaps[0][0, joint, row, column])
        inside = nearest(joint, 16.0 * column, 16.0 * row) is not None
        entropies.append(math.log1p(math.exp(-abs(logit))) + max(-logit if inside else logit, 0))
    wanted = {
        "disks": sum(entropies) / len(entropies),
        "short": vector_errors(maps.offsets[0], [(joint, joint) for joint in range(3)]),
        "forward": vector_errors(maps.forward[0], [(0, 1), (1, 2)]),
        "backward": vector_errors(maps.backward[0], [(1, 0), (2, 1)]),
    }
    for name, value in wanted.items():
        assert float(getattr(loss, name)) == pytest.approx(value, rel=1e-5), name
    total = 4 * wanted["disks"] + wanted["short"] + 0.25 * (wanted["forward"] + wanted["backward"])
    assert float(loss.total) == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("people", [0, 2])
def test_without_anybody_all_cells_are_outside_and_the_gradient_is_finite(people: int):
    nobody = LabelledPeople(torch.full((1, people, 3, 2), math.nan), torch.zeros(1, people, 3))
    maps = random_maps(1)
    for stages in maps:
        stages[0].requires_grad_()
    loss = offset_loss(maps, nobody, GRID, INPUT, EDGES)
    loss.total.backward()
    assert [float(part.detach()) for part in loss[2:]] == [0, 0, 0] and loss.disks > 0
    assert all(stages[0].grad.isfinite().all() for stages in maps) and maps.heatmaps[0].grad.any()


def test_cells_that_do_not_count_cost_nothing():
    counted = torch.ones(1, *INPUT)
    counted[:, :, 40:] = 0.0
    maps = random_maps(2)
    for stages in maps:
        stages[0].requires_grad_()
    offset_loss(maps, PEOPLE._replace(counted=counted), GRID, INPUT, EDGES).total.backward()
    for (stage,) in maps:
        assert not stage.grad[..., 3:].any()
    assert maps.offsets[0].grad[..., :3].any()


def ideal_maps(people: LabelledPeople, card: ModelCard) -> PartOffsetMaps:
    """What a network that has learned everything gives; y before x."""
    grid = PartGrid.of(card)
    size = tuple(math.ceil(side / grid.stride_px) for side in card.input_size)
    targets = part_targets(people, grid, size)
    offsets = OFFSET_PX * targets.offsets.unflatten(1, (-1, 2)).transpose(1, 2)
    back = [(end, start) for start, end in POSENET_EDGES]
    vectors = [offsets] + [along_edges(people, targets, grid, own)[0] for own in (POSENET_EDGES, back)]
    logits = torch.where(targets.positive, 5.0, -5.0)
    # Of all cells of a disk the nearest to the joint is the surest.
    logits = logits - 0.05 * torch.linalg.vector_norm(offsets, dim=1)
    return PartOffsetMaps([logits], *([own.flip(1).flatten(1, 2)] for own in vectors))


def test_the_decoder_finds_the_people_whose_targets_these_are():
    size = (385, 513)
    images = ImagePeople(GeneratedCrowds(5, 3, 0.0))
    people = PeoplePreparer(images, size=size)([images[index] for index in range(3)]).people
    card = replace(default_card(MODEL), input_size=size, sigma_px=1.5)
    maps = ideal_maps(people, card)
    assert float(people_loss(maps, people, card, 0.0)) < 1.0 and seen_joints(maps, people, card) == 1
    for image, found in enumerate(decode_maps(maps, card, size)):
        labelled = people.visibility[image] > 0
        there = labelled.any(1)
        distances = torch.linalg.vector_norm(found.keypoints[:, None] - people.keypoints[image], dim=-1)
        mean = (distances * labelled).sum(-1) / labelled.sum(-1).clamp_min(1)
        assert len(found.keypoints) >= there.sum() and (mean[:, there].min(0).values < 4).all()


def test_a_network_learns_from_crowds(tmp_path: Path):
    torch.manual_seed(0)
    options = SMALL[MODEL].options
    settings = crowd_settings(tmp_path, MODEL, options=options, input_size=(97, 129), epochs=15, lr=2e-2)
    history = train_on(settings, GeneratedCrowds(1, 8), GeneratedCrowds(2, 2)).history
    assert history[-1]["train_loss"] < 0.8 * history[0]["train_loss"] and "AP" in history[-1]


def test_other_joints_are_refused(tmp_path: Path):
    settings = crowd_settings(tmp_path, MODEL, options=SMALL[MODEL].options, input_size=(65, 97))
    with pytest.raises(UserError, match=f"joints: {MODEL} has a tree of COCO's 17 joints, got left_shoulder"):
        train_on(settings, TwoPeople(4), None)
