"""Targets and losses of networks that see several people, against plain loops, and read back by the decoder."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import pyposeops
from pyposeops.skeletons import OPENPOSE_COCO_18, PafSkeleton
from python_models import create_model
from python_models.maps import PartAffinityMaps, TaggedMaps
from python_models.people_losses import (
    Drawing,
    LabelledPeople,
    cell_weights,
    part_affinity_loss,
    part_affinity_targets,
    tagged_loss,
)

ARM = PafSkeleton.of(
    ("shoulder", "elbow", "wrist"), [(0, 1), (1, 2)], [(2, 3), (0, 1)]
)  # fields in another order
INPUT, MAPS = (64, 96), (8, 12)


def people_of(*joints: list[list[float]], counted: Tensor | None = None) -> LabelledPeople:
    """One image with these people; a joint of three numbers ends with its visibility."""
    values = torch.tensor([[[*joint, 1.0][:3] for joint in person] for person in joints])[None]
    return LabelledPeople(values[..., :2], values[..., 2], counted)


TWO = people_of([[10, 12], [30, 12], [30, 40]], [[70, 20], [80, 44], [0, 0, 0]])


def heatmap_by_hand(people: LabelledPeople, joint: int, sigma_px: float) -> np.ndarray:
    """The largest of all people's Gaussians, at the middle of each cell in the image."""
    result = np.zeros(MAPS)
    for row, column in np.ndindex(MAPS):
        for person in range(people.keypoints.shape[1]):
            if people.visibility[0, person, joint]:
                x, y = people.keypoints[0, person, joint].tolist()
                squared = (8 * column + 3.5 - x) ** 2 + (8 * row + 3.5 - y) ** 2
                exponent = squared / (2 * sigma_px**2)
                if exponent <= 4.6052:
                    result[row, column] = max(result[row, column], math.exp(-exponent))
    return result


def test_heatmaps_are_gaussians_of_seven_pixels_and_a_background():
    heatmaps = part_affinity_targets(TWO, ARM, INPUT, MAPS).heatmaps[0][0].numpy()
    wanted = np.stack([heatmap_by_hand(TWO, joint, 7.0) for joint in range(3)])
    np.testing.assert_allclose(heatmaps[:3], wanted, atol=1e-6)
    np.testing.assert_allclose(heatmaps[3], 1 - wanted.max(axis=0), atol=1e-6)


def test_fields_lie_in_the_channels_of_the_skeleton_and_point_along_the_limbs():
    fields = part_affinity_targets(TWO, ARM, INPUT, MAPS).pafs[0][0]
    assert fields[2:, 1, 2].tolist() == [1.0, 0.0]  # shoulder to elbow, to the right
    assert fields[:2, 3, 3].tolist() == [0.0, 1.0]  # elbow to wrist, down
    assert not fields[:2, :, 8:].any()  # the second person has no wrist


def test_limbs_end_and_fields_lie_as_asked():
    """As published: up to the box around the joints, and a field's pixel stands for the corner of its cell."""
    diagonal = people_of([[20, 20], [60, 52], [0, 0, 0]])

    def fields(**options: str) -> Tensor:
        return part_affinity_targets(diagonal, ARM, INPUT, MAPS, Drawing(**options)).pafs[0][:, 2:]

    def drawn(shift: float, ends: str) -> Tensor:
        place, limbs = (diagonal.keypoints - shift) / 8, [(0, 1)]
        return pyposeops.part_affinity_field(place, diagonal.visibility, limbs, MAPS, ends=ends).fields

    assert torch.equal(fields(grid="aligned"), drawn(0.0, "openpose"))
    torch.testing.assert_close(fields(), drawn(3.5, "openpose"))
    torch.testing.assert_close(fields(ends="clipped"), drawn(3.5, "clipped"))
    assert not torch.equal(drawn(3.5, "openpose"), drawn(3.5, "clipped"))


@pytest.mark.parametrize("count", [1, 3])
def test_the_decoder_finds_the_people_whose_targets_these_are(count: int):
    generator = torch.Generator().manual_seed(count)
    joints = torch.rand(18, 2, generator=generator) * torch.tensor([80.0, 200.0]) + 20
    keypoints = torch.stack([joints + torch.tensor([110.0 * index, 0.0]) for index in range(count)])[None]
    people = LabelledPeople(keypoints, torch.ones(1, count, 18))
    target = part_affinity_targets(people, OPENPOSE_COCO_18, (240, 368), (30, 46))
    found = pyposeops.paf_decode(target.heatmaps[0], target.pafs[0], OPENPOSE_COCO_18, paf_ratio=0.7)
    assert found.counts.tolist() == [count]
    got = found.keypoints[0, :count, :, :2]
    distances = torch.linalg.vector_norm(got[:, None] - keypoints[0][None], dim=-1).mean(dim=-1)
    assert (distances.min(dim=1).values < 3).all() and distances.argmin(dim=1).unique().numel() == count


def test_the_loss_is_half_the_squared_error_of_all_stages():
    target = part_affinity_targets(TWO, ARM, INPUT, MAPS)
    zero = PartAffinityMaps([torch.zeros(1, 4, *MAPS)], [torch.zeros(1, 4, *MAPS)] * 2)
    wanted = (target.heatmaps[0].square().sum() + 2 * target.pafs[0].square().sum()) / 2
    torch.testing.assert_close(part_affinity_loss(zero, TWO, ARM, INPUT), wanted)
    assert part_affinity_loss(target, TWO, ARM, INPUT) == 0


def test_the_loss_is_the_mean_over_the_images():
    twice = LabelledPeople(TWO.keypoints.expand(2, -1, -1, -1), TWO.visibility.expand(2, -1, -1))
    one, two = (
        PartAffinityMaps([torch.zeros(images, 4, *MAPS)], [torch.zeros(images, 4, *MAPS)])
        for images in (1, 2)
    )
    torch.testing.assert_close(
        part_affinity_loss(two, twice, ARM, INPUT), part_affinity_loss(one, TWO, ARM, INPUT)
    )


def test_cells_that_do_not_count_cost_nothing_and_half_cells_half():
    counted = torch.ones(1, *INPUT, dtype=torch.bool)
    counted[:, :, :20] = False  # two and a half cells
    weights = cell_weights(TWO._replace(counted=counted), MAPS)
    assert weights[0, 0, 0].tolist() == [0, 0, 0.5] + 9 * [1]
    maps = torch.randn(1, 4, *MAPS, requires_grad=True)
    part_affinity_loss(PartAffinityMaps([maps], [maps]), TWO._replace(counted=counted), ARM, INPUT).backward()
    assert not maps.grad[..., :2].any() and maps.grad[..., 2:].any()
    tags = torch.randn(1, 3, *MAPS, requires_grad=True)
    heatmaps = torch.randn(1, 3, *MAPS, requires_grad=True)
    tagged_loss(TaggedMaps([heatmaps], [tags]), TWO._replace(counted=counted), INPUT).total.backward()
    assert not heatmaps.grad[..., :2].any() and heatmaps.grad[..., 2:].any()


def gaussian_by_hand(x: float, y: float, size: tuple[int, int], sigma: float) -> Tensor:
    """Around the nearest cell, three sigma far."""
    column, row = math.floor(x + 0.5), math.floor(y + 0.5)
    columns, rows = torch.arange(size[1])[None], torch.arange(size[0])[:, None]
    value = torch.exp(-((columns - column) ** 2 + (rows - row) ** 2) / (2 * sigma**2))
    return value * ((columns - column).abs() <= 3 * sigma) * ((rows - row).abs() <= 3 * sigma)


def test_tagged_heatmaps_of_both_resolutions_are_compared_with_gaussians_of_two_cells():
    one = people_of([[10, 12], [30, 12], [60, 40]])
    sizes = ((16, 24), (32, 48))
    output = TaggedMaps([torch.zeros(1, 3, *size) for size in sizes], [torch.zeros(1, 3, 16, 24)])
    loss = tagged_loss(output, one, INPUT)
    wanted = 0.0
    for size, stride in zip(sizes, (4, 2), strict=True):
        joints = ((one.keypoints[0, 0] + 0.5) / stride - 0.5).tolist()
        wanted += torch.stack([gaussian_by_hand(x, y, size, 2.0) for x, y in joints]).square().mean()
    torch.testing.assert_close(loss.heatmaps, wanted)
    assert loss.pull == 0 and loss.push == 0 and loss.total == loss.heatmaps


def test_tags_are_pulled_within_a_person_and_pushed_between_two():
    tags = torch.zeros(1, 3, 16, 24)
    tags[0, 0, 3, 2], tags[0, 1, 3, 7], tags[0, 2, 10, 7] = 1.0, 2.0, 3.0  # the first person's: mean 2
    tags[0, 0, 5, 17], tags[0, 1, 11, 20] = 0.5, 1.5  # the second's: mean 1
    loss = tagged_loss(TaggedMaps([torch.zeros(1, 3, 16, 24)], [tags]), TWO, INPUT, tag_weight=0.1)
    torch.testing.assert_close(loss.pull, torch.tensor((2 / 3 + 0.25) / 2))
    torch.testing.assert_close(loss.push, torch.tensor(0.5 * math.exp(-1)))
    torch.testing.assert_close(loss.total, loss.heatmaps + 0.1 * (loss.pull + loss.push))


@pytest.mark.parametrize("name", ["openpose_body_coco", "openpose_body_25", "lightweight_openpose"])
def test_networks_of_fields_learn_from_it(name: str):
    torch.manual_seed(0)
    network = create_model(name, num_joints=3, num_limbs=2, width=4)
    learns(network, lambda output: part_affinity_loss(output, TWO, ARM, INPUT))


@pytest.mark.parametrize("name", ["higherhrnet_w32", "ae_hrnet_w32"])
def test_networks_of_tags_learn_from_it(name: str):
    torch.manual_seed(0)
    network = create_model(name, num_joints=3, width=4, blocks=1, exchanges=(1, 1, 1))
    learns(network, lambda output: tagged_loss(output, TWO, INPUT).total)


def learns(network: torch.nn.Module, loss_of: Callable[[Any], Tensor]) -> None:
    """A few steps of Adam on one image take a third off the loss."""
    image = torch.randn(1, 3, *INPUT)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        loss = loss_of(network(image))
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert min(losses[-5:]) < 0.7 * losses[0]
