"""Convolutional Pose Machines: the centre map, and poolings of Caffe and of the port."""

import math

import pytest
import torch
from torch import Tensor

from python_models import create_model
from python_models.cpm import ConvolutionalPoseMachine, centre_map
from python_models.errors import UserError


@pytest.fixture
def network() -> ConvolutionalPoseMachine:
    torch.manual_seed(0)
    return create_model("cpm", num_joints=3, width=8, stages=3).eval()


@pytest.fixture
def image(generator: torch.Generator) -> Tensor:
    return torch.randn(2, 3, 64, 48, generator=generator)


def test_the_centre_map_falls_off_from_the_middle():
    one = centre_map(torch.zeros(2, 3, 64, 96))
    assert one.shape == (2, 1, 64, 96)
    assert float(one[1, 0, 32, 48]) == 1 == float(one.max())
    assert float(one[0, 0, 32, 48 + 21]) == pytest.approx(math.exp(-0.5))
    assert float(one[0, 0, 32 - 21, 48 - 21]) == pytest.approx(math.exp(-1))


def test_by_default_the_person_is_in_the_middle(network: ConvolutionalPoseMachine, image: Tensor):
    with torch.no_grad():
        default, given = network(image), network(image, centre_map(image))
        elsewhere = network(image, centre_map(image).roll(20, dims=3))
    assert len(default) == 3
    assert all(torch.equal(a, b) for a, b in zip(default, given, strict=True))
    assert torch.equal(default[0], elsewhere[0])  # the first stage does not see the centre
    assert not torch.allclose(default[1], elsewhere[1])


@pytest.mark.parametrize(
    ("pooling", "expected"), [("caffe", [3.0, 5.0, 6.0]), ("port", [2.0, 4.0, 6.0])], ids=["caffe", "port"]
)
def test_poolings_of_three_pixels_begin_on_the_map_or_before_it(pooling: str, expected: list[float]):
    pool = create_model("cpm", num_joints=3, width=8, pooling=pooling).pool
    row = torch.arange(1.0, 7.0)
    assert pool(row.expand(1, 1, 6, 6))[0, 0, 0].tolist() == expected


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("caffe", [4.0, 11.5]),  # the second window has only 8 columns, and is divided by those
        ("port", [8 * sum(range(8)) / 81, 8 * sum(range(7, 16)) / 81]),  # a frame of zeros counts
    ],
    ids=["caffe", "port"],
)
def test_the_centre_map_is_averaged_over_nine_pixels(pooling: str, expected: list[float]):
    pool = create_model("cpm", num_joints=3, width=8, pooling=pooling).pool_centre
    ramp = torch.arange(16.0).expand(1, 1, 16, 16)
    assert pool(ramp)[0, 0, 0].tolist() == pytest.approx(expected)


def test_both_poolings_give_maps_of_one_size(network: ConvolutionalPoseMachine, image: Tensor):
    port = create_model("cpm", num_joints=3, width=8, stages=3, pooling="port").eval()
    port.load_state_dict(network.state_dict())
    with torch.no_grad():
        ours, theirs = network(image), port(image)
    assert ours[-1].shape == theirs[-1].shape == (2, 4, 8, 6)
    assert not torch.allclose(ours[0], theirs[0])


def test_another_pooling_is_refused():
    with pytest.raises(UserError, match="pooling: expected caffe or port, got 'same'"):
        create_model("cpm", pooling="same")
