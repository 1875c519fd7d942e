"""The draws of the augmentation and the half-body rule."""

import pytest
import torch

from python_models.data import COCO_SKELETON, Augmentation
from python_models.data.augment import half_body_boxes

LOWER = torch.tensor(COCO_SKELETON.lower_body)


def people(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    keypoints = 100 * torch.rand(count, 17, 2, generator=generator)
    boxes = torch.tensor([0.0, 0.0, 100.0, 100.0]).expand(count, 4)
    return boxes, keypoints, torch.full((count, 17), 2.0)


def draw(count: int, seed: int = 0, **options):
    generator = torch.Generator().manual_seed(seed)
    return Augmentation(**options).draw(*people(count, generator), LOWER, generator)


def test_same_generator_state_gives_the_same_draw():
    first, second = draw(5), draw(5)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first.scale, draw(5, seed=1).scale)


def test_ranges_and_frequencies():
    drawn = draw(20000)
    assert 0.65 <= drawn.scale.min() < 0.651 and 1.349 < drawn.scale.max() <= 1.35
    assert -40 <= drawn.rotation_deg.min() < -39.9 and 39.9 < drawn.rotation_deg.max() <= 40
    # three standard deviations of a share of 20,000 draws are at most 0.011
    assert (drawn.rotation_deg != 0).float().mean() == pytest.approx(0.6, abs=0.011)
    assert drawn.flip.float().mean() == pytest.approx(0.5, abs=0.011)
    assert (drawn.boxes[:, 2] != 100).float().mean() == pytest.approx(0.3, abs=0.011)
    assert drawn.gain.min() >= 0.75 * 0.9 and drawn.gain.max() <= 1.25 * 1.1
    assert drawn.bias.abs().max() <= 0.05


def test_everything_can_be_switched_off():
    drawn = draw(
        50,
        scale=0,
        rotation_deg=0,
        flip_probability=0,
        half_body_probability=0,
        brightness=0,
        tint=0,
        offset=0,
    )
    assert (drawn.scale == 1).all() and (drawn.rotation_deg == 0).all() and not drawn.flip.any()
    assert (drawn.gain == 1).all() and (drawn.bias == 0).all() and (drawn.boxes[:, 2] == 100).all()


def test_half_body_needs_more_than_eight_labelled_joints():
    generator = torch.Generator().manual_seed(0)
    boxes, keypoints, visibility = people(200, generator)
    augmentation = Augmentation(half_body_probability=1.0)
    visibility[:, 8:] = 0
    assert torch.equal(augmentation.draw(boxes, keypoints, visibility, LOWER, generator).boxes, boxes)
    visibility[:, 8] = 1  # hidden joints count as labelled
    assert (augmentation.draw(boxes, keypoints, visibility, LOWER, generator).boxes != boxes).any(1).all()


def half_box(labelled_joints: list[int], prefer_upper: bool) -> list[float]:
    keypoints = torch.stack([10.0 * torch.arange(17), torch.arange(17) ** 2.0], dim=-1)[None]
    labelled = torch.zeros(1, 17, dtype=torch.bool)
    labelled[0, labelled_joints] = True
    return half_body_boxes(keypoints, labelled, LOWER, torch.tensor([prefer_upper]))[0].tolist()


def test_half_body_box_is_centred_on_the_joints_mean_and_widened():
    # upper joints 0, 1, 5: x 0, 10, 50 and y 0, 1, 25; mean (20, 26/3), extent 1.2 * (50, 25)
    assert half_box([0, 1, 5, 11, 12, 13], True) == pytest.approx([20 - 30, 26 / 3 - 15, 60, 30], abs=1e-4)
    # lower joints 11, 12, 13: mean x 120, extent 20 * 1.2
    assert half_box([0, 1, 5, 11, 12, 13], False)[::2] == pytest.approx([120 - 12, 24], abs=1e-4)


def test_half_body_takes_the_other_half_where_the_preferred_one_has_two_joints():
    assert half_box([0, 1, 11, 12, 13], True) == half_box([0, 1, 11, 12, 13], False)
    assert half_box([0, 1, 5, 11, 12], False) == half_box([0, 1, 5, 11, 12], True)


def test_half_body_of_fewer_than_two_joints_has_no_size():
    assert half_box([3, 11, 12], True)[2:] == [0, 0]
    assert half_box([], True)[2:] == [0, 0]


@pytest.mark.parametrize("name", ["flip_probability", "rotation_probability", "half_body_probability"])
def test_probabilities_are_checked(name):
    with pytest.raises(ValueError, match=f"{name}: expected 0 to 1, got 1.5"):
        Augmentation(**{name: 1.5})


def test_ranges_are_checked():
    with pytest.raises(ValueError, match=r"scale: expected 0 to below 1, got 1\.0"):
        Augmentation(scale=1.0)
    for name, value in (("rotation_deg", -5.0), ("offset", -0.1), ("rotation_deg", float("nan"))):
        with pytest.raises(ValueError, match=f"{name}: expected 0 or more, got {value}"):
            Augmentation(**{name: value})
