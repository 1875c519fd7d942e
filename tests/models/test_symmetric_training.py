"""Training behind the symmetric transformer: what learns when and is shown what, and stopping in each phase."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import pyposeops
from python_models.__main__ import main
from python_models.checkpoints import read_checkpoint
from python_models.data import Augmentation, Batch, export_coco
from python_models.errors import UserError
from python_models.model_card import ModelCard, load_model
from python_models.objectives import Objective
from python_models.phases import phases_of
from python_models.settings import TrainSettings
from python_models.symmetric_stn import SymmetricPoseNetwork
from python_models.train import TrainResult, card_of, train_on
from python_models.training_state import BEST, LAST
from tests.models.test_training import StopsItself, assert_same_run
from tests.models.tiny import DOTS, STILL, TINY_OPTIONS, Dots, tiny_settings

MENDED: dict[str, Any] = {"stn_width": 4, "phase_epochs": (1, 2), "ema_decay": 0.9}
HALVES = Augmentation(half_body_probability=1.0, half_body_joints=0, rotation_probability=1.0)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """Two phases in three epochs of five steps, not interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    return train_on(tiny_settings(folder, **MENDED), Dots(20), Dots(6, seed=1))


@pytest.mark.parametrize(("at_load", "phase"), [(9, 0), (20, 0), (31, 1), (55, 1)])
def test_a_run_stopped_in_any_phase_goes_on_bit_for_bit(
    tmp_path: Path, whole: TrainResult, at_load: int, phase: int
):
    settings = tiny_settings(tmp_path, **MENDED)
    assert train_on(settings, StopsItself(20, at_load), Dots(6, seed=1)).stopped
    assert read_checkpoint(tmp_path / LAST)["position"]["phase"] == phase
    resumed = train_on(replace(settings, resume=str(tmp_path)), Dots(20), Dots(6, seed=1))
    assert_same_run(resumed, whole)


def test_first_the_network_learns_then_both_and_never_the_parallel_branch(tmp_path: Path):
    def state(at_load: int) -> dict[str, Tensor]:
        folder = tmp_path / str(at_load)
        train_on(tiny_settings(folder, **{**MENDED, "ema_decay": None}), StopsItself(20, at_load), None)
        return read_checkpoint(folder / LAST)["raw_state_dict"]

    def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
        return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}

    start, alone, early, late = (state(at_load) for at_load in (1, 20, 24, 60))
    assert changed(start, alone) == {"pose"}
    assert changed(alone, early) == {"pose", "localisation", "parallel"}
    assert changed(early, late) == {"pose", "localisation"}
    learned = {name: value for name, value in alone.items() if name.startswith("pose.")}
    assert all(torch.equal(late["parallel" + name[4:]], value) for name, value in learned.items())


def case(
    people: int = 6, augmentation: Augmentation | None = None
) -> tuple[TrainSettings, ModelCard, SymmetricPoseNetwork, Batch]:
    settings, data = tiny_settings("", **MENDED), Dots(people)
    card = card_of(settings, data)
    torch.manual_seed(0)
    network = card.create()
    prepare = card.batch_preparer(data, torch.device("cpu"), augmentation=augmentation)
    batch = prepare([data[index] for index in range(people)], torch.Generator().manual_seed(1))
    return settings, card, network, batch


def test_the_losses_of_both_branches_add_up():
    settings, card, network, batch = case(augmentation=Augmentation(half_body_probability=0.0))
    with torch.no_grad():
        network.localisation.theta.bias += torch.tensor([0.1, 0.0, 0.2, 0.0, -0.1, 0.1])
    _, phase = phases_of(network, card, settings)
    network.eval()
    step = phase.step(phase.part, batch, torch.Generator())
    theta = network.localisation(batch.crops)
    seen = pyposeops.spatial_transformer(batch.crops, theta)
    objective = Objective(settings.loss, replace(card, stn_width=0))
    own = objective([network(batch.crops)], batch)
    other = objective([network.parallel(seen)], batch._replace(keypoints=batch.centred))
    torch.testing.assert_close(step.loss, own + other)
    assert 0 <= step.accuracy() <= 1


def test_centred_joints_are_those_of_the_true_box():
    """Turned like the crop, but neither larger nor smaller than the box says."""
    turned = Augmentation(
        scale=0.3, rotation_probability=1.0, half_body_probability=0.0, flip_probability=0.0
    )
    *_, batch = case(40, turned)
    truth = torch.from_numpy(np.stack([record.keypoints for record in Dots(40).records]))
    box_centre = torch.tensor([20.0, 24.0])  # of 4 to 36 and 4 to 44, the crops' middle
    # Lengths are those of a crop of 32 pixels for a box of 40 times 1.25, whatever the scale that was drawn.
    expected = (truth - box_centre).norm(dim=-1).sort().values * 32 / 50
    torch.testing.assert_close((batch.centred - 16).norm(dim=-1).sort().values, expected, rtol=0, atol=1e-3)
    scale = torch.linalg.det(batch.affines[..., :2]).abs().sqrt() * 50 / 32
    assert scale.std() > 0.1
    middle = torch.tensor(16.0)
    torch.testing.assert_close(
        (batch.centred - middle) * scale[:, None, None] + middle, batch.keypoints, rtol=0, atol=1e-3
    )


def test_centred_joints_are_mirrored_with_the_crop():
    *_, plain = case(20)
    *_, mirrored = case(20, replace(STILL, flip_probability=1.0))
    torch.testing.assert_close(mirrored.centred, mirrored.keypoints)
    other = plain.keypoints[:, [1, 0, 3, 2]] * torch.tensor([-1.0, 1.0]) + torch.tensor([31.0, 0.0])
    torch.testing.assert_close(mirrored.centred, other, rtol=0, atol=1e-4)


def test_parts_of_people_are_not_to_be_centred():
    *_, batch = case(20, HALVES)
    torch.testing.assert_close(batch.centred, batch.keypoints)


def test_without_augmentation_every_crop_is_centred():
    *_, batch = case()
    torch.testing.assert_close(batch.centred, batch.keypoints)


def test_the_best_weights_are_used_like_any_network(
    tmp_path: Path, whole: TrainResult, capsys: pytest.CaptureFixture[str]
):
    network, card = load_model(whole.folder / BEST)
    assert isinstance(network, SymmetricPoseNetwork) and card.stn_width == 4
    folder, out = tmp_path / "people", tmp_path / "metrics.json"
    export_coco(Dots(4, seed=2), folder)
    common = ["--weights", str(whole.folder / BEST), "--accelerator", "cpu"]
    assert main(["evaluate", *common, "--data", str(folder), "--out", str(out), "--workers", "0"]) == 0
    assert 0 <= json.loads(out.read_text())["PCK@0.2"] <= 1
    found = ["predict", *common, "--method", "alphapose", "--images", str(folder)]
    assert main([*found, "--out", str(tmp_path / "found")]) == 0
    assert (tmp_path / "found" / "predictions.json").exists()
    capsys.readouterr()
    assert main(["export", "--weights", common[1], "--out", str(tmp_path / "pose.onnx")]) == 2
    assert "the graph cannot hold the spatial transformer" in capsys.readouterr().err


def test_other_kinds_of_networks_are_refused():
    for fields in (
        {"model": "deeppose_resnet18"},
        {"model": "pose_resnet18", "head": "integral"},
        {"model": "pose_resnet18", "stages": 2},
    ):
        with pytest.raises(UserError, match=r"stn_width: .* does not fit; expected one network of heat maps"):
            ModelCard(input_size=(32, 32), skeleton=DOTS, stn_width=4, options=TINY_OPTIONS, **fields)
