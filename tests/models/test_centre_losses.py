"""CenterNet's targets and loss, against plain loops, and read back by the decoder."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from python_models.centre_losses import (
    CentreTargets,
    centre_loss,
    centre_targets,
    focal_loss,
    gaussian_radius,
)
from python_models.data import GeneratedCrowds, ImagePeople, LabelledPeople, PeoplePreparer
from python_models.errors import UserError
from python_models.map_decoders import decode_maps
from python_models.maps import CentreMaps
from python_models.model_card import default_card
from python_models.people_objective import seen_joints
from python_models.train import train_on
from tests.models.tiny_crowds import TwoPeople, crowd_settings

INPUT, MAPS = (128, 192), (32, 48)
# Two people of three joints; the second has one joint and reaches beyond the image, the third place is empty.
PEOPLE = LabelledPeople(
    torch.tensor([[[[20.0, 24], [60, 26], [42, 88]], [[140, 40], [0, 0], [0, 0]], [[0, 0]] * 3]]),
    torch.tensor([[[1.0, 2, 2], [1, 0, 0], [0, 0, 0]]]),
    boxes=torch.tensor([[[12.0, 8, 86, 112], [120, -20, 100, 120], [0, 0, 0, 0]]]),
)


def overlap(width: float, height: float, low: float, high: float) -> float:
    """Of a box with one whose upper left corner lies `low`, and whose lower right one lies `high`, further down."""
    shared = (width - max(low, 0) + min(high, 0)) * (height - max(low, 0) + min(high, 0))
    other = (width + high - low) * (height + high - low)
    return shared / (width * height + other - shared)


@pytest.mark.parametrize("size", [(8.0, 8.0), (3.0, 40.0), (120.0, 7.0), (1.0, 1.0)])
def test_boxes_off_by_the_radius_still_overlap_by_seven_tenths_and_no_more(size: tuple[float, float]):
    radius = float(gaussian_radius(torch.tensor(size, dtype=torch.float64)))
    overlaps = [
        overlap(*size, radius, radius),
        overlap(*size, radius, -radius),
        overlap(*size, -radius, radius),
    ]
    assert radius > 0 and min(overlaps) == pytest.approx(0.7)


def drawn_by_hand(places: list[tuple[float, float, int]]) -> np.ndarray:
    """The largest of Gaussians in the cells of places, with their radii."""
    result = np.zeros(MAPS)
    for x, y, radius in places:
        sigma = (2 * radius + 1) / 6
        for row, column in np.ndindex(MAPS):
            across, down = column - math.floor(x), row - math.floor(y)
            if max(abs(across), abs(down)) <= radius:
                value = math.exp(-(across**2 + down**2) / (2 * sigma**2))
                result[row, column] = max(result[row, column], value)
    return result


def test_gaussians_are_as_wide_as_the_boxes_allow():
    targets = centre_targets(PEOPLE, INPUT, MAPS)
    # Boxes in cells: 21.5 x 28, and 17 x 25 cut off at the last column and the first row.
    centres = [(13.75, 16.0, 2), (38.5, 12.5, 1)]
    np.testing.assert_allclose(targets.centres[0, 0], drawn_by_hand(centres), atol=1e-6)
    joints = [[(5.0, 6.0, 2), (35.0, 10.0, 1)], [(15.0, 6.5, 2)], [(10.5, 22.0, 2)]]
    wanted = np.stack([drawn_by_hand(own) for own in joints])
    np.testing.assert_allclose(targets.heatmaps[0], wanted, atol=1e-6)
    assert (targets.centres == 1).sum() == 2 and (targets.heatmaps == 1).sum() == 4
    assert targets.present.tolist() == [[True, True, False]]
    assert targets.sizes[0].tolist() == [[21.5, 28.0], [17.0, 25.0], [0.0, 0.0]]


def random_maps(generator: torch.Generator, stages: int = 1) -> CentreMaps:
    def maps(channels: int) -> list[Tensor]:
        return [torch.randn(1, channels, *MAPS, generator=generator) for _ in range(stages)]

    return CentreMaps(maps(3), maps(2), maps(1), maps(2), maps(2), maps(6))


def focal_by_hand(logits: Tensor, target: Tensor) -> float:
    total, true = 0.0, 0
    for logit, wanted in zip(logits.flatten().tolist(), target.flatten().tolist(), strict=True):
        score = 1 / (1 + math.exp(-logit))
        if wanted == 1:
            total -= (1 - score) ** 2 * math.log(score)
            true += 1
        else:
            total -= (1 - wanted) ** 4 * score**2 * math.log(1 - score)
    return total / max(true, 1)


def distances_by_hand(maps: CentreMaps, targets: CentreTargets) -> dict[str, float]:
    found: dict[str, list[float]] = {"sizes": [], "centre_offsets": [], "joints": [], "heatmap_offsets": []}
    for person in range(2):
        place = targets.places[0, person].tolist()
        column, row = (math.floor(value) for value in place)
        for axis, cell in enumerate((column, row)):
            found["sizes"].append(maps.sizes[0][0, axis, row, column] - targets.sizes[0, person, axis])
            found["centre_offsets"].append(
                maps.centre_offsets[0][0, axis, row, column] - (place[axis] - cell)
            )
        for joint in range(3):
            if PEOPLE.visibility[0, person, joint]:
                own = (PEOPLE.keypoints[0, person, joint] / 4).tolist()
                cells = [math.floor(value) for value in own]
                for axis in range(2):
                    seen = maps.joints[0][0, 2 * joint + axis, row, column]
                    found["joints"].append(seen - (own[axis] - (column, row)[axis]))
                    below = maps.heatmap_offsets[0][0, axis, cells[1], cells[0]]
                    found["heatmap_offsets"].append(below - (own[axis] - cells[axis]))
    return {name: float(np.mean(np.abs(values))) for name, values in found.items()}


def test_the_loss_is_that_of_a_plain_loop():
    maps, targets = random_maps(torch.Generator().manual_seed(0)), centre_targets(PEOPLE, INPUT, MAPS)
    loss = centre_loss(maps, PEOPLE, INPUT)
    wanted = distances_by_hand(maps, targets)
    wanted["centres"] = focal_by_hand(maps.centres[0], targets.centres)
    wanted["heatmaps"] = focal_by_hand(maps.heatmaps[0], targets.heatmaps)
    for name, value in wanted.items():
        assert float(getattr(loss, name)) == pytest.approx(value, rel=1e-5), name
    total = sum(0.1 * value if name == "sizes" else value for name, value in wanted.items())
    assert float(loss.total) == pytest.approx(total, rel=1e-5)


def test_stages_are_averaged():
    generator = torch.Generator().manual_seed(1)
    both = random_maps(generator, stages=2)
    apart = [CentreMaps(*([maps[stage]] for maps in both)) for stage in range(2)]
    wanted = torch.stack([centre_loss(own, PEOPLE, INPUT).total for own in apart]).mean()
    torch.testing.assert_close(centre_loss(both, PEOPLE, INPUT).total, wanted)


@pytest.mark.parametrize("people", [0, 2])
def test_without_anybody_all_cells_are_false_and_the_gradient_is_finite(people: int):
    nobody = LabelledPeople(
        torch.full((1, people, 3, 2), math.nan), torch.zeros(1, people, 3), boxes=torch.zeros(1, people, 4)
    )
    maps = random_maps(torch.Generator().manual_seed(2))
    for stages in maps:
        stages[0].requires_grad_()
    loss = centre_loss(maps, nobody, INPUT)
    empty = focal_by_hand(maps.centres[0].detach(), torch.zeros(1, 1, *MAPS))
    assert float(loss.centres.detach()) == pytest.approx(empty, rel=1e-5)
    loss.total.backward()
    assert all(stages[0].grad.isfinite().all() for stages in maps if stages[0].grad is not None)
    assert maps.centres[0].grad.any()


def test_cells_that_do_not_count_cost_nothing():
    counted = torch.ones(1, *INPUT)
    counted[:, :, 96:] = 0.0
    maps = random_maps(torch.Generator().manual_seed(3))
    maps.centres[0].requires_grad_()
    centre_loss(maps, PEOPLE._replace(counted=counted), INPUT).centres.backward()
    assert not maps.centres[0].grad[..., 24:].any() and maps.centres[0].grad[..., :24].any()


def test_far_too_sure_scores_have_a_finite_loss():
    target = torch.zeros(1, 1, 2, 2)
    target[..., 0, 0] = 1.0
    loss = focal_loss(torch.tensor([[[[-200.0, 200], [0, 0]]]]), target, torch.ones(1, 1, 1, 1))
    assert float(loss) == pytest.approx(400 + 2 * 0.25 * math.log(2))


def test_people_without_boxes_are_refused():
    with pytest.raises(UserError, match="boxes: people of a network of centres need them, got None"):
        centre_targets(PEOPLE._replace(boxes=None), INPUT, MAPS)


def ideal_maps(targets: CentreTargets) -> CentreMaps:
    """What a network that has learned everything gives; with nothing where it was not taught."""
    batch, people, joints = targets.labelled.shape
    size = targets.centres.shape[-2:]
    sizes, centre_offsets, heatmap_offsets = (torch.zeros(batch, 2, *size) for _ in range(3))
    vectors = torch.zeros(batch, 2 * joints, *size)
    for image, person in np.ndindex(batch, people):
        if not targets.present[image, person]:
            continue
        cell = targets.places[image, person].floor()
        x, y = cell.long().tolist()
        sizes[image, :, y, x] = targets.sizes[image, person]
        centre_offsets[image, :, y, x] = targets.places[image, person] - cell
        vectors[image, :, y, x] = (targets.joints[image, person] - cell).flatten()
        for place in targets.joints[image, person][targets.labelled[image, person]]:
            column, row = place.long().tolist()
            heatmap_offsets[image, :, row, column] = place - place.floor()
    scores = [torch.logit(own.clamp(1e-4, 1 - 1e-4)) for own in (targets.heatmaps, targets.centres)]
    parts = (scores[0], heatmap_offsets, scores[1], centre_offsets, sizes, vectors)
    return CentreMaps(*([part] for part in parts))


def test_the_decoder_finds_the_people_whose_targets_these_are():
    size = (256, 320)
    images = ImagePeople(GeneratedCrowds(3, 4, 0.0))
    people = PeoplePreparer(images, size=size)([images[index] for index in range(4)]).people
    targets = centre_targets(people, size, (64, 80))
    maps, card = ideal_maps(targets), replace(default_card("centernet_res18"), input_size=size)
    assert seen_joints(maps, people, card) == 1
    for image, found in enumerate(decode_maps(maps, card, size)):
        assert len(found.keypoints) == targets.present[image].sum()
        distances = torch.linalg.vector_norm(found.keypoints[:, None] - people.keypoints[image], dim=-1)
        labelled = targets.labelled[image]
        mean = (distances * labelled).sum(-1) / labelled.sum(-1).clamp_min(1)
        # Joints of two people in one cell share what is below it.
        assert (mean[:, targets.present[image]].min(0).values < 0.5).all()


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_people_are_found_after_training(tmp_path: Path, one_thread: None):
    torch.manual_seed(0)
    settings = crowd_settings(
        tmp_path, "centernet_res18", input_size=(64, 96), epochs=15, lr=4e-3, optimizer="adamw"
    )
    history = train_on(settings, TwoPeople(24), TwoPeople(6, seed=1)).history
    assert max(row["AP"] for row in history) > 0.3
    assert history[-1]["train_loss"] < 0.4 * history[0]["train_loss"]
