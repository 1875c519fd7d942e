"""What training minimises, against the formulas written out joint by joint."""

import pytest
import torch
from torch import Tensor

import pyposeops
from python_models import zoo
from python_models.data import Batch
from python_models.errors import UserError
from python_models.model_card import ModelCard
from python_models.objectives import LossSettings, Objective
from python_models.zoo import ModelInfo
from tests.models.tiny import DOTS

SIZE, MAP = (64, 48), (16, 12)


@pytest.fixture
def batch() -> Batch:
    keypoints = torch.tensor([[[10.0, 12.0], [30.0, 20.0], [20.0, 50.0], [40.0, 40.0]]]).repeat(2, 1, 1)
    keypoints[1] += 3.25
    visibility = torch.tensor([[2.0, 1.0, 0.0, 2.0], [2.0, 2.0, 2.0, 2.0]])
    keypoints[0, 2] = torch.nan  # not labelled
    return Batch(torch.zeros(2, 3, *SIZE), keypoints, visibility, torch.zeros(2, 2, 3), torch.arange(2))


def card(monkeypatch: pytest.MonkeyPatch, info: ModelInfo | None = None, **values: object) -> ModelCard:
    monkeypatch.setitem(zoo._INFOS, "made_up", info or ModelInfo())
    return ModelCard("made_up", SIZE, DOTS, **values)


def target(batch: Batch, sigma: float, size: tuple[int, int] = MAP) -> Tensor:
    keypoints = batch.keypoints.nan_to_num()
    labelled = (batch.visibility > 0).float()
    return pyposeops.gaussian_heatmap(keypoints, labelled, size, sigma=sigma, input_size=SIZE).heatmaps


def mse(maps: Tensor, wanted: Tensor, batch: Batch) -> Tensor:
    """(B, K)"""
    return 0.5 * (maps - wanted).square().mean(dim=(2, 3)) * (batch.visibility > 0)


def test_stages_are_summed_with_their_weights_sigmas_and_sizes(batch, generator, monkeypatch):
    stages = [torch.rand(2, 4, *MAP, generator=generator), torch.rand(2, 4, 32, 24, generator=generator)]
    settings = LossSettings(stage_weights=(0.5, 2.0), stage_sigmas=(3.0, 1.5))
    got = Objective(settings, card(monkeypatch))(stages, batch)
    expected = 0.5 * mse(stages[0], target(batch, 3.0), batch).mean()
    expected = expected + 2.0 * mse(stages[1], target(batch, 1.5, (32, 24)), batch).mean()
    torch.testing.assert_close(got, expected)


def test_the_hardest_joints_count_in_the_chosen_stages(batch, generator, monkeypatch):
    stages = [torch.rand(2, 4, *MAP, generator=generator) for _ in range(2)]
    got = Objective(LossSettings(hardest_joints=2), card(monkeypatch))(stages, batch)
    first, second = (mse(maps, target(batch, 2.0), batch) for maps in stages)
    torch.testing.assert_close(got, first.mean() + second.topk(2, dim=1).values.mean())
    for stages_named in ((2,), (0, -3)):
        settings = LossSettings(hardest_joints=2, hardest_stages=stages_named)
        with pytest.raises(UserError, match=r"loss\.hardest_stages: made_up has 2 stages, got \["):
            Objective(settings, card(monkeypatch))(stages, batch)


def test_a_background_is_one_minus_the_joints(batch, generator, monkeypatch):
    maps = torch.rand(2, 5, *MAP, generator=generator)
    got = Objective(LossSettings(), card(monkeypatch, ModelInfo(background=True)))([maps], batch)
    joints = target(batch, 2.0)
    empty = 0.5 * (maps[:, 4] - (1 - joints.amax(1))).square().mean(dim=(1, 2))
    expected = torch.cat([mse(maps[:, :4], joints, batch), empty[:, None]], dim=1).mean()
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(
    ("distance", "formula"),
    [
        ("l1", lambda d: d.abs()),
        ("l2", lambda d: d.square()),
        ("smooth_l1", lambda d: torch.where(d.abs() < 1, 0.5 * d.square(), d.abs() - 0.5)),
    ],
)
def test_coordinates_are_compared_in_units_of_the_crop(batch, generator, monkeypatch, distance, formula):
    found = torch.rand(2, 4, 2, generator=generator) * 4
    own = card(monkeypatch, ModelInfo(output="coordinates"))
    got = Objective(LossSettings(distance=distance), own)([found], batch)
    difference = found - batch.keypoints / torch.tensor([48.0, 64.0])
    labelled = (batch.visibility > 0)[..., None]
    torch.testing.assert_close(got, torch.where(labelled, formula(difference), 0.0).mean())


def test_both_losses_of_an_integral_head_train_the_same_maps(batch, generator, monkeypatch):
    maps = torch.randn(2, 4, *MAP, generator=generator, requires_grad=True)
    settings = LossSettings(kind="both", heatmap_weight=3.0)
    got = Objective(settings, card(monkeypatch, head="integral"))([maps], batch)
    weights = maps.flatten(2).softmax(-1).view_as(maps)
    x = (weights.sum(2) * torch.arange(12.0)).sum(-1) * 4 / 48
    y = (weights.sum(3) * torch.arange(16.0)).sum(-1) * 4 / 64
    difference = torch.stack([x, y], -1) - batch.keypoints / torch.tensor([48.0, 64.0])
    joints = torch.where((batch.visibility > 0)[..., None], difference.abs(), 0.0).mean()
    torch.testing.assert_close(got, 3.0 * mse(maps, target(batch, 2.0), batch).mean() + joints)
    got.backward()
    assert maps.grad.isfinite().all() and not maps.grad[0, 2].any()


@pytest.mark.parametrize(
    ("settings", "info", "values", "message"),
    [
        (LossSettings(kind="heatmaps"), ModelInfo(output="coordinates"), {}, "made_up gives coordinates"),
        (LossSettings(kind="joints"), ModelInfo(), {}, "needs head=integral"),
        (LossSettings(), ModelInfo(), {"encoding": "megvii"}, "needs the side of each stage's Gaussian"),
    ],
)
def test_what_the_network_does_not_give_is_refused(monkeypatch, settings, info, values, message):
    with pytest.raises(UserError, match=message):
        Objective(settings, card(monkeypatch, info, **values))


def test_a_value_for_each_stage_is_wanted(batch, monkeypatch):
    objective = Objective(LossSettings(stage_weights=(1.0, 1.0)), card(monkeypatch))
    with pytest.raises(UserError, match=r"loss.stage_weights: made_up has 1 stages, got 2 values"):
        objective([torch.zeros(2, 4, *MAP)], batch)
    with pytest.raises(UserError, match="hardest_joints: expected 0 or more"):
        LossSettings(hardest_joints=-1)
    with pytest.raises(UserError, match="stage_sigmas: expected numbers above 0"):
        LossSettings(stage_sigmas=(0.0,))


def test_megvii_targets_have_a_kernel_for_each_stage(batch, generator, monkeypatch):
    stages = [torch.rand(2, 4, *MAP, generator=generator) for _ in range(2)]
    own = card(monkeypatch, encoding="megvii")
    got = Objective(LossSettings(stage_kernels=(9, 5)), own)(stages, batch)
    keypoints, labelled = batch.keypoints.nan_to_num(), (batch.visibility > 0).float()
    expected = 0.0
    for maps, side in zip(stages, (9, 5), strict=True):
        wanted = pyposeops.gaussian_heatmap(
            keypoints, labelled, MAP, encoding="megvii", kernel_size=side, input_size=SIZE
        )
        expected = expected + mse(maps, wanted.heatmaps, batch).mean()
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=0)
