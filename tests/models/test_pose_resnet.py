"""Simple Baselines: names, shapes, values of the published networks, and their initialisation."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch

from python_models import create_model

DEPTHS = (18, 34, 50, 101, 152)


@pytest.fixture(scope="module")
def published(pose_data: Path) -> Path:
    folder = pose_data.parent / "checkpoints"
    if not folder.is_dir():
        pytest.skip(f"no descriptions of public checkpoints at {folder}")
    return folder


@pytest.fixture(scope="module")
def probe(published: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("probe", published / "probe.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("depth", DEPTHS)
def test_names_and_shapes_are_those_of_the_public_checkpoints(published: Path, depth: int):
    wanted = json.loads((published / f"pose_resnet_{depth}.json").read_text())["state_dict"]
    state = create_model(f"pose_resnet{depth}").state_dict()
    assert {name: list(value.shape) for name, value in state.items()} == wanted


@pytest.mark.parametrize("depth", DEPTHS)
def test_values_are_those_of_the_published_network(probe: ModuleType, depth: int):
    probe.check(create_model(f"pose_resnet{depth}"), f"pose_resnet_{depth}")


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
