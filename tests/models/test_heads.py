"""SimCC: its rows, its loss, its joints, and a run with it."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import pyposeops
from python_models import create_model, zoo
from python_models.data import Batch, Skeleton
from python_models.errors import UserError
from python_models.estimator import PoseEstimator
from python_models.export import plain_operators
from python_models.heads import SIGMA_BINS, SPLIT_RATIO, SimccHead, simcc_rows
from python_models.model_card import ModelCard, load_model
from python_models.objectives import LossSettings, Objective
from python_models.outputs import certain_score
from python_models.train import train_on
from python_models.training_state import BEST
from python_models.zoo import ModelInfo, convert_state_dict
from tests.models.tiny import DOTS, STILL, TINY_OPTIONS, Dots, tiny_settings

HEIGHT, WIDTH = 64, 32
SMALL = {
    "pose_resnet18": {"width": 4, "blocks": (1, 1, 1, 1), "deconv_channels": ()},
    "pose_hrnet_w32": {"width": 4, "blocks": 1, "exchanges": (1, 1, 1)},
}


def simcc(name: str) -> nn.Module:
    size = {"head": "simcc", "input_size": (HEIGHT, WIDTH)}
    return create_model(name, num_joints=3, **size, **SMALL[name])


@pytest.mark.parametrize("name", SMALL)
def test_there_are_two_bins_for_each_pixel_along_each_axis(name: str):
    network = simcc(name)
    rows = simcc_rows(network(torch.zeros(2, 3, HEIGHT, WIDTH)), WIDTH)
    assert [tuple(row.shape) for row in rows] == [(2, 3, 2 * WIDTH), (2, 3, 2 * HEIGHT)]
    with pytest.raises(ValueError, match=r"SimCC was built for maps of"):
        network(torch.zeros(2, 3, 2 * HEIGHT, WIDTH))


def test_each_joint_has_its_own_map_and_all_share_the_layers(generator: torch.Generator):
    head = SimccHead((4, 3), (16, 12)).double()
    maps = torch.randn(1, 2, 4, 3, generator=generator, dtype=torch.float64)
    x, y = simcc_rows(head(maps), 12)
    for joint in range(2):
        pixels = maps[0, joint].flatten()
        torch.testing.assert_close(x[0, joint], head.x.weight @ pixels + head.x.bias)
        torch.testing.assert_close(y[0, joint], head.y.weight @ pixels + head.y.bias)


@pytest.mark.parametrize(("head", "limit"), [("peak", 0.2), ("simcc", 0.005), ("integral", 0.0)])
def test_joints_of_each_head_count_from_a_score_of_its_own(head: str, limit: float):
    assert certain_score(ModelCard("pose_resnet18", (64, 32), DOTS, head=head)) == limit
    assert certain_score(ModelCard("integral_resnet50", (64, 64), DOTS)) == 0.0  # volumes
    assert certain_score(ModelCard("rle_resnet50", (64, 32), DOTS)) == 0.2


def test_names_of_mmpose_become_ours():
    weights = simcc("pose_resnet18").state_dict()
    theirs = {}
    for name, value in weights.items():
        if name.startswith("head."):
            theirs[name.replace("head.", "head.mlp_head_")] = value
        else:
            theirs[("head." if name.startswith("final_layer") else "backbone.") + name] = value
    options = {"head": "simcc", "input_size": (HEIGHT, WIDTH), **SMALL["pose_resnet18"]}
    converted = convert_state_dict("pose_resnet18", {"state_dict": theirs}, **options)
    assert all(converted[name] is value for name, value in weights.items())


def test_an_unknown_head_and_a_model_without_heads_are_refused():
    with pytest.raises(UserError, match="head: expected heatmaps or simcc, got 'integral'"):
        create_model("pose_resnet18", head="integral")
    with pytest.raises(UserError, match=r"model hourglass2: options .* do not fit"):
        ModelCard("hourglass2", (64, 64), DOTS, head="simcc").create()


def rows_at(joints: Tensor) -> Tensor:
    """Logits whose softmax is SimCC's label."""
    labels = pyposeops.simcc_label(
        joints, torch.ones(joints.shape[:2]), (HEIGHT, WIDTH), split_ratio=SPLIT_RATIO, sigma=SIGMA_BINS
    )
    return torch.cat([labels.x, labels.y], dim=-1).clamp_min(1e-30).log()


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    monkeypatch.setitem(zoo._INFOS, "made_up", ModelInfo())
    skeleton = Skeleton.from_names("s", ("left_eye", "right_eye", "nose"))
    return ModelCard("made_up", (HEIGHT, WIDTH), skeleton, head="simcc")


@pytest.mark.parametrize("flip_test", [False, True])
@pytest.mark.parametrize("plain", [False, True])
def test_joints_come_back_and_mirror(card: ModelCard, flip_test: bool, plain: bool):
    joints = torch.tensor([[[10.5, 21.0], [25.0, 20.5], [18.0, 40.0]]])

    own = rows_at(joints)
    mirrored = rows_at(torch.stack([WIDTH - 1 - joints[..., 0], joints[..., 1]], dim=-1)[:, [1, 0, 2]])

    def network(crops: Tensor) -> Tensor:
        return mirrored if crops[0, 0, 0, -1] == 1 else own  # a marker that the flip carries to the right

    crops = torch.zeros(1, 3, HEIGHT, WIDTH)
    crops[..., 0, 0] = 1
    affines = torch.tensor([[[2.0, 0.0, 5.0], [0.0, 2.0, -3.0]]])
    estimator = PoseEstimator(network, card, device=torch.device("cpu"), flip_test=flip_test)
    found = estimator.from_crops(crops, affines)
    torch.testing.assert_close(found.keypoints * 2 + torch.tensor([5.0, -3.0]), joints)
    assert ((found.scores > 0) & (found.scores < 1)).all()
    if plain:
        with plain_operators():
            torch.testing.assert_close(estimator.from_crops(crops, affines).keypoints, found.keypoints)


def test_the_loss_is_smallest_at_the_labels(card: ModelCard):
    joints = torch.tensor([[[10.5, 21.0], [25.0, 20.5], [torch.nan, 1.0]]])
    batch = Batch(
        torch.zeros(1, 3, HEIGHT, WIDTH),
        joints,
        torch.tensor([[2.0, 1.0, 0.0]]),
        torch.zeros(1, 2, 3),
        torch.arange(1),
    )
    objective = Objective(LossSettings(), card)
    here, beside = (float(objective([rows_at(joints.nan_to_num() + d)], batch)) for d in (0, 3))
    assert abs(here) < 0.01 * beside  # labels sum to 1 but for what lies off the crop
    with pytest.raises(UserError, match="head=simcc has a loss of its own"):
        Objective(LossSettings(kind="heatmaps"), card)


def test_a_handful_of_people_is_learned_by_heart_and_comes_back(tmp_path: Path):
    settings = tiny_settings(
        tmp_path,
        head="simcc",
        options={**TINY_OPTIONS, "deconv_channels": [16, 16, 16]},
        input_size=(64, 64),
        augmentation=STILL,
        epochs=60,
        batch_size=8,
        lr=1e-2,
        schedule="cosine",
        warmup_steps=10,
    )
    result = train_on(settings, Dots(8), Dots(8))
    assert result.history[-1]["PCK@0.5"] > 0.9
    network, card = load_model(tmp_path / BEST)
    assert card.head == "simcc" and network(torch.zeros(1, 3, 64, 64)).shape == (1, 4, 2 * 64 + 2 * 64)
