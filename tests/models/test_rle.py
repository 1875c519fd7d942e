"""Residual log-likelihood: the flow is a density, the loss is the published formula, and a network learns by it."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from python_models import convert_state_dict, create_model
from python_models.data import Batch
from python_models.model_card import ModelCard, load_model
from python_models.objectives import LossSettings, Objective
from python_models.outputs import expected_joints
from python_models.rle import RealNVP, residual_log_likelihood_loss
from python_models.train import train_on
from python_models.training_state import BEST
from tests.models.tiny import DOTS, STILL, Dots, tiny_settings

SMALL = {"width": 4, "blocks": [1, 1, 1, 1]}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower on many threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def flow() -> RealNVP:
    """Far from a normal distribution."""
    torch.manual_seed(0)
    flow = RealNVP().double()
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return flow.requires_grad_(False)


def test_the_density_sums_to_one(flow: RealNVP):
    axis = torch.linspace(-25, 25, 301, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    density = flow.log_prob(points).exp()
    normal = torch.distributions.MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double())
    assert (density - normal.log_prob(points).exp()).abs().max() > 0.01
    total = density.sum() * (axis[1] - axis[0]) ** 2
    assert float(total) == pytest.approx(1, abs=1e-3)


def test_the_loss_is_the_sum_of_flow_and_laplace_terms(flow: RealNVP, generator: torch.Generator):
    prediction = torch.rand(2, 3, 4, generator=generator, dtype=torch.float64) + 0.1
    wanted = torch.rand(2, 3, 2, generator=generator, dtype=torch.float64)
    got = residual_log_likelihood_loss(prediction, wanted, flow)
    for person in range(2):
        for joint in range(3):
            coords, sigma = prediction[person, joint, :2], prediction[person, joint, 2:]
            error = (coords - wanted[person, joint]) / sigma
            log_flow = float(flow.log_prob(error[None]))
            terms = [
                math.log(s) - log_flow + math.log(s * math.sqrt(2 * math.pi)) + abs(e) / math.sqrt(2)
                for s, e in zip(sigma.tolist(), error.tolist(), strict=True)
            ]
            assert float(got[person, joint]) == pytest.approx(sum(terms), rel=1e-5)


def test_unlabelled_joints_cost_nothing_and_pass_no_gradient(flow: RealNVP):
    card = ModelCard("rle_resnet50", (64, 32), DOTS, options=SMALL)
    joints = torch.full((1, 4, 2), torch.nan)
    joints[0, 0] = torch.tensor([16.0, 32.0])
    visibility = torch.tensor([[2.0, 0.0, 0.0, 0.0]])
    batch = Batch(torch.zeros(1, 3, 64, 32), joints, visibility, torch.zeros(1, 2, 3), torch.arange(1))
    prediction = torch.full((1, 4, 4), 0.5, requires_grad=True)
    loss = Objective(LossSettings(), card, flow)([prediction], batch)
    loss.backward()
    one = residual_log_likelihood_loss(prediction[:, :1], torch.full((1, 1, 2), 0.5), flow)
    torch.testing.assert_close(loss, one.mean() / 4)
    assert prediction.grad[0, 0].abs().sum() > 0 and not prediction.grad[0, 1:].any()


def test_scores_say_how_certain_a_joint_is():
    card = ModelCard("rle_resnet50", (64, 32), DOTS, options=SMALL)
    prediction = torch.tensor([0.25, 0.5, 0.1, 0.3]).expand(1, 4, 4)
    found = expected_joints(prediction, card)
    torch.testing.assert_close(found.coords[0, 0], torch.tensor([8.0, 32.0]))
    torch.testing.assert_close(found.scores, torch.full((1, 4), 0.8))


def test_published_names_become_ours():
    weights = create_model("rle_resnet50", num_joints=4, **SMALL).state_dict()
    outside = ("fc_coord.", "fc_sigma.", "flow.")
    theirs: dict[str, Tensor] = {
        name if name.startswith(outside) else f"preact.{name}": value for name, value in weights.items()
    }
    converted = convert_state_dict("rle_resnet50", theirs, **SMALL)
    assert all(converted[name] is value for name, value in weights.items())


def test_a_handful_of_people_is_learned_by_heart(tmp_path: Path):
    settings = tiny_settings(
        tmp_path,
        model="rle_resnet50",
        options=SMALL,
        input_size=(64, 64),
        augmentation=STILL,
        epochs=80,
        batch_size=8,
        lr=5e-3,
        schedule="cosine",
        warmup_steps=10,
    )
    result = train_on(settings, Dots(8), Dots(8))
    assert result.history[-1]["PCK@0.5"] > 0.9
    network, card = load_model(tmp_path / BEST)
    start = create_model("rle_resnet50", num_joints=4, **SMALL).flow
    assert (network.flow.t[0][0].weight - start.t[0][0].weight).abs().max() > 0.01  # the flow was trained too
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 4, 4) and card.model == "rle_resnet50"
