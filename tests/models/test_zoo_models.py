"""Every architecture: its size and values stay, it trains in each number format and layout, and it compiles."""

import fnmatch
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from python_models import create_model, list_models, model_info
from python_models.checkpoints import load_weights, start_final_layers
from python_models.errors import UserError
from python_models.export import trace
from tests.models.small import (
    JOINTS,
    SMALL,
    create_small,
    expected_values,
    number_of_parameters,
    outputs_of,
    small_crops,
    without_memory,
)

EXPECTATIONS = json.loads((Path(__file__).parent / "expectations.json").read_text())


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower on many threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def trained(network: nn.Module) -> list[nn.Parameter]:
    """Some checkpoints hold layers that their network never uses; a flow is used by the loss."""
    named = network.named_parameters()
    return [value for name, value in named if value.requires_grad and not name.startswith("flow.")]


def loss_of(output: Tensor | list[Tensor]) -> Tensor:
    """Every stage counts; the target is 1 everywhere."""
    return sum((x.float() - 1).square().mean() for x in outputs_of(output))


def assert_close(got: list[Tensor], wanted: list[Tensor], tolerance: float) -> None:
    """Within `tolerance` of the largest of all: gradients of a bias before a batch norm are 0 but for rounding."""
    largest = max(float(b.abs().max()) for b in wanted)
    for a, b in zip(got, wanted, strict=True):
        assert (a - b).abs().max() <= tolerance * largest


def test_every_architecture_has_a_small_version():
    architectures = {type(without_memory(name)) for name in list_models()}
    assert {type(create_small(name)) for name in SMALL} == architectures


def test_each_model_has_the_recorded_number_of_parameters():
    assert {name: number_of_parameters(name) for name in list_models()} == EXPECTATIONS["parameters"]


@pytest.mark.parametrize("name", SMALL)
def test_outputs_are_the_recorded_ones(name: str):
    got, wanted = expected_values(name), EXPECTATIONS["outputs"][name]
    assert got["shapes"] == wanted["shapes"]
    for ours, recorded in zip(got["values"], wanted["values"], strict=True):
        assert ours == pytest.approx(recorded, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", SMALL)
def test_maps_have_the_size_that_the_zoo_says(name: str):
    info, network = model_info(name), create_small(name)
    size = tuple(side // info.stride + info.extra_cells for side in SMALL[name].size)
    numbers = (4,) if hasattr(network, "flow") else (2, 3)
    for mode in (True, False):
        given = network.train(mode)(small_crops(name))
        # Of several people's maps, those of the joints stand first.
        output = given[0][-1] if info.output == "maps" else outputs_of(given)[-1]
        if info.output == "coordinates":
            assert output.flatten(1).shape in [(2, n * JOINTS) for n in numbers]
        elif info.output == "volume":
            assert tuple(output.unflatten(1, (JOINTS, -1)).shape[-2:]) == size
        else:
            shape = (*output.shape[:2], *output.shape[-2:])  # between them, the components of a field
            assert shape == (2, JOINTS + info.background, *size)


@pytest.mark.parametrize("name", SMALL)
def test_weights_for_other_joints_load_but_for_the_final_layers(name: str):
    options = dict(SMALL[name].options)
    other = create_model(name, num_joints=JOINTS + 1, **options).state_dict()
    network = create_small(name)
    with pytest.raises(UserError, match="made for another joint count"):
        load_weights(network, other, "weights")
    message = load_weights(network, other, "weights", reset_final=True)
    assert "all but" in message
    state = network.state_dict()
    final = {key for pattern in network.final_layers for key in fnmatch.filter(state, pattern)}
    assert {key for key in state if state[key].shape != other[key].shape} <= final
    assert all(torch.equal(state[key], other[key]) for key in state.keys() - final)


@pytest.mark.parametrize("name", SMALL)
def test_final_layers_can_start_small(name: str):
    network = create_small(name)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    start_final_layers(network, 1e-4)
    state = network.state_dict()
    final = {key for pattern in network.final_layers for key in fnmatch.filter(state, pattern)}
    assert all(torch.equal(state[key], before[key]) for key in state.keys() - final)
    weights = [state[key] for key in final if key.endswith("weight") and state[key].dim() > 1]
    assert weights and all(weight.abs().max() < 1e-3 for weight in weights)


@pytest.mark.parametrize("name", ["hourglass2", "hourglass2_princeton", "pyranet2", "cunet2"])
def test_any_number_of_stacks_from_one_on(name: str):
    with torch.device("meta"):
        network = create_model(name, stacks=3).eval()
        assert len(network(torch.zeros(1, 3, 64, 64))) == 3
    with pytest.raises(UserError, match="stacks: expected 1 or more, got 0"):
        create_model(name, stacks=0)


@pytest.mark.parametrize(
    ("name", "least"), [("cpm", 1), ("cpm_mmpose", 2), ("mspn1", 1), ("mspn1_mmpose", 1)]
)
def test_any_number_of_stages_from_the_least_on(name: str, least: int):
    per_stage = 4 if name.startswith("mspn") else 1
    with torch.device("meta"):
        for stages in (least, 5):
            outputs = outputs_of(create_model(name, stages=stages)(torch.zeros(2, 3, 64, 64)))
            assert len(outputs) == stages * per_stage
    with pytest.raises(UserError, match=f"stages: expected {least} or more, got {least - 1}"):
        create_model(name, stages=least - 1)


def losses_of_training(network: nn.Module, crops: Tensor, dtype: torch.dtype | None = None) -> list[float]:
    """Losses of a few steps along the gradient, which every weight has; each step is to lower the loss by 1 %."""
    network.train()
    losses = []
    for _ in range(6):
        torch.manual_seed(1)  # some networks draw in training
        with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
            loss = loss_of(network(crops))
        losses.append(float(loss.detach()))
        network.zero_grad()
        loss.backward()
        gradients = [parameter.grad for parameter in trained(network)]
        assert all(gradient.isfinite().all() for gradient in gradients)
        step = 0.01 * losses[-1] / sum(float(gradient.square().sum()) for gradient in gradients)
        with torch.no_grad():
            for parameter in trained(network):
                parameter -= step * parameter.grad
    return losses


@pytest.mark.parametrize("dtype", [None, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", SMALL)
def test_training_lowers_the_loss(name: str, dtype: torch.dtype | None):
    first, *later = losses_of_training(create_small(name), small_crops(name, people=4), dtype)
    assert min(later) < first


@pytest.mark.parametrize("name", SMALL)
def test_channels_last_trains_and_changes_no_value(name: str):
    network, crops = create_small(name).double().eval(), small_crops(name).double()
    with torch.no_grad():
        wanted = outputs_of(network(crops))
    network.to(memory_format=torch.channels_last)
    crops = crops.to(memory_format=torch.channels_last)
    with torch.no_grad():
        assert_close(outputs_of(network(crops)), wanted, 1e-9)
    first, *later = losses_of_training(network, crops)
    assert min(later) < first


@pytest.mark.parametrize("name", SMALL)
def test_one_graph_holds_the_network(name: str):
    """Captured whole, as by `torch.compile`; the kernels, whose generation takes a minute, are PyTorch's matter."""
    network, crops = create_small(name).double().train(), small_crops(name).double()
    captured = torch.compile(network, fullgraph=True, backend="eager")
    torch.manual_seed(1)
    wanted = torch.autograd.grad(loss_of(network(crops)), trained(network))
    torch.manual_seed(1)
    got = torch.autograd.grad(loss_of(captured(crops)), trained(network))
    torch.compiler.reset()
    assert_close(list(got), list(wanted), 1e-7)


@pytest.mark.parametrize("name", SMALL)
def test_an_exported_graph_takes_any_number_of_people(name: str):
    network = create_small(name).double().eval()
    graph = trace(network, small_crops(name).double()).module()
    crops = small_crops(name, people=3).double()
    with torch.no_grad():
        assert_close(outputs_of(graph(crops)), outputs_of(network(crops)), 1e-9)
