"""Simple Baselines: shapes, initialisation and layouts."""

import pytest
import torch

from python_models import create_model


def test_heatmaps_have_a_quarter_of_the_input_size():
    network = create_model("pose_resnet18", num_joints=5, width=8, deconv_channels=(8, 8, 8)).eval()
    assert network(torch.zeros(2, 3, 64, 96)).shape == (2, 5, 16, 24)


def test_head_starts_as_published():
    network = create_model("pose_resnet18")
    for layer in (network.deconv_layers[0], network.deconv_layers[6], network.final_layer):
        assert float(layer.weight.detach().std()) == pytest.approx(0.001, rel=0.05)
    assert not network.final_layer.bias.any()
    norm = network.deconv_layers[1]
    assert (norm.weight == 1).all() and not norm.bias.any()


def test_channels_last_changes_no_value():
    torch.manual_seed(0)
    network = create_model("pose_resnet18", num_joints=3, width=8, deconv_channels=(8, 8, 8)).double().eval()
    image = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    expected = network(image)
    network.to(memory_format=torch.channels_last)
    got = network(image.to(memory_format=torch.channels_last))
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)
