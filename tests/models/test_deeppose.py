"""DeepPose: its normalisation, and the sizes of its layers."""

import pytest
import torch
from torch import nn

from python_models import create_model
from python_models.deeppose import from_box, to_box


def test_joints_are_counted_from_the_boxes_centre_in_its_sizes():
    boxes = torch.tensor([[10.0, 20.0, 40.0, 80.0], [0.0, 0.0, 1.0, 1.0]])
    keypoints = torch.tensor([[[30.0, 60.0], [10.0, 100.0]], [[1.0, 0.0], [2.5, 0.5]]])
    expected = torch.tensor([[[0.0, 0.0], [-0.5, 0.5]], [[0.5, -0.5], [2.0, 0.0]]])
    torch.testing.assert_close(to_box(keypoints, boxes), expected)
    torch.testing.assert_close(from_box(expected, boxes), keypoints)


def test_maps_have_the_sizes_of_the_paper():
    network = create_model("deeppose_alexnet_lrn", num_joints=14)
    sizes = []
    for layer in network.features:
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda layer, inputs, x: sizes.append(tuple(x.shape[1:])))
    with torch.no_grad():
        assert network.eval()(torch.zeros(1, 3, 220, 220)).shape == (1, 28)
    assert sizes == [(96, 55, 55), (256, 27, 27), (384, 13, 13), (384, 13, 13), (256, 13, 13)]
    assert sum(parameter.numel() for parameter in network.parameters()) == 58_396_060


def test_responses_are_normalised_over_five_channels():
    norm = next(
        layer
        for layer in create_model("deeppose_alexnet_lrn").features
        if isinstance(layer, nn.LocalResponseNorm)
    )
    x = torch.rand(1, 7, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 100
    neighbours = x[:, 1:6].square().sum(dim=1)  # of channel 3
    torch.testing.assert_close(norm(x)[:, 3], x[:, 3] / (1 + 1e-4 * neighbours / 5) ** 0.75)


@pytest.mark.parametrize("name", ["deeppose_alexnet", "deeppose_alexnet_lrn", "deeppose_resnet50"])
def test_the_first_answer_lies_on_the_crop(name: str):
    torch.manual_seed(0)
    network = create_model(name, num_joints=4)
    size = {"deeppose_alexnet": 224, "deeppose_alexnet_lrn": 220}.get(name, 64)
    with torch.no_grad():
        assert network(torch.randn(2, 3, size, size)).abs().max() < 1
