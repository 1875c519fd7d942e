"""Tompson et al.'s three phases: what learns in each, from what; stopping in each; what the fine network gains."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from python_models.__main__ import main
from python_models.checkpoints import read_checkpoint
from python_models.data import Batch, export_coco
from python_models.errors import UserError
from python_models.evaluate import predict_dataset, predict_stages, score_predictions
from python_models.model_card import load_model
from python_models.objectives import LossSettings
from python_models.outputs import crop_joints
from python_models.phases import accuracy_of, phases_of
from python_models.runtime import start_fabric
from python_models.tompson_cascade import TompsonCascade, cascade_losses
from python_models.tompson_phases import noisy_centres
from python_models.train import TrainResult, card_of, train_on
from python_models.training_state import BEST, BEST_OF_PHASE, LAST
from tests.models.test_training import StopsItself, assert_same_run
from tests.models.tiny import STILL, Dots, tiny_settings

OPTIONS = {"width": 8, "wide": 8, "hidden": 8, "levels": 2, "fine_channels": 8, "window_px": 16}
CASCADE: dict[str, Any] = {
    "model": "tompson_cascade",
    "options": OPTIONS,
    "phase_epochs": (2, 1, 1),
    "ema_decay": 0.9,
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """Three phases in four epochs of five steps, not interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    return train_on(tiny_settings(folder, **CASCADE), Dots(20), Dots(6, seed=1))


@pytest.mark.parametrize(("at_load", "phase"), [(22, 0), (40, 0), (41, 1), (59, 1), (61, 2), (75, 2)])
def test_a_run_stopped_in_any_phase_goes_on_bit_for_bit(
    tmp_path: Path, whole: TrainResult, at_load: int, phase: int
):
    settings = tiny_settings(tmp_path, **CASCADE)
    assert train_on(settings, StopsItself(20, at_load), Dots(6, seed=1)).stopped
    assert read_checkpoint(tmp_path / LAST)["position"]["phase"] == phase
    resumed = train_on(replace(settings, resume=str(tmp_path)), Dots(20), Dots(6, seed=1))
    assert_same_run(resumed, whole)
    for best in (BEST, *(BEST_OF_PHASE.format(number) for number in (1, 2))):
        got, expected = (read_checkpoint(folder / best)["state_dict"] for folder in (tmp_path, whole.folder))
        assert all(torch.equal(value, expected[name]) for name, value in got.items())


@pytest.mark.parametrize("phase", [1, 2])
def test_each_phase_leaves_the_weights_of_its_best_epoch(whole: TrainResult, phase: int):
    network, card = load_model(whole.folder / BEST_OF_PHASE.format(phase))
    assert card.trained_stages == (1 if phase == 1 else None)
    people, fabric = Dots(6, seed=1), start_fabric("cpu", 1, "32-true")
    found = predict_dataset(network, card, people, fabric, batch_size=4, workers=0)
    best = max(row["PCK@0.2"] for row in whole.history if row["phase"] == phase)
    assert score_predictions(people, found)["PCK@0.2"] == pytest.approx(best, abs=1e-9)
    assert not (whole.folder / BEST_OF_PHASE.format(3)).exists()  # best.pt is that of the last one


def test_only_the_part_of_a_phase_learns(tmp_path: Path, whole: TrainResult):
    def state(at_load: int) -> dict[str, Tensor]:
        folder = tmp_path / str(at_load)
        train_on(tiny_settings(folder, **{**CASCADE, "ema_decay": None}), StopsItself(20, at_load), None)
        return read_checkpoint(folder / LAST)["raw_state_dict"]

    def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
        return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}

    start, coarse, fine, both = (state(at_load) for at_load in (1, 40, 60, 80))
    assert changed(start, coarse) == {"coarse"}
    assert changed(coarse, fine) == {"fine"}
    assert changed(fine, both) == {"coarse", "fine"}
    assert [row["phase"] for row in whole.history] == [1, 1, 2, 3]


def small_case(people: int = 3) -> tuple[TompsonCascade, Any, Batch]:
    settings = tiny_settings("", **CASCADE)
    data = Dots(people)
    card = card_of(settings, data)
    torch.manual_seed(0)
    network = card.create().eval()
    torch.nn.init.normal_(network.fine.score.weight)
    batch = card.batch_preparer(data, torch.device("cpu"))([data[index] for index in range(people)])
    return network, phases_of(network, card, settings), batch


def test_the_phases_minimise_the_losses_of_the_paper():
    network, phases, batch = small_case()
    batch.visibility[0, 1] = 0
    batch.keypoints[0, 1] = torch.nan
    generator = torch.Generator().manual_seed(5)
    steps = [phase.step(phase.part, batch, generator.manual_seed(5)) for phase in phases]
    noise = torch.randn(3, 4, 2, generator=generator.manual_seed(5)) * 16 * 20 / 36
    labels = batch.keypoints, batch.visibility
    options = {"input_size": (32, 32), "sigma": 1.0}  # of tiny_settings
    displaced = cascade_losses(network.maps(batch.crops, batch.keypoints + noise), *labels, **options)
    own = cascade_losses(network.maps(batch.crops), *labels, **options)
    torch.testing.assert_close(steps[0].loss, own.coarse)
    torch.testing.assert_close(steps[1].loss, displaced.fine)
    torch.testing.assert_close(steps[2].loss, own.coarse + 0.1 * own.fine)
    assert all(step.loss.isfinite() for step in steps)


def test_figures_of_a_phase_are_those_of_its_maps():
    network, phases, batch = small_case()
    card = phases[0].step.__self__.card
    coarse, fine = network(batch.crops)
    for phase, maps in ((phases[0], coarse), (phases[2], fine)):
        step = phase.step(phase.part, batch, torch.Generator())
        torch.testing.assert_close(step.accuracy(), accuracy_of(crop_joints(maps, card).coords, batch, card))


def test_the_fixed_network_gets_no_gradient():
    network, phases, batch = small_case()
    phases[1].step(phases[1].part, batch, torch.Generator()).loss.backward()
    assert all(parameter.grad is None for parameter in network.coarse.parameters())
    assert all(parameter.grad is not None for parameter in network.fine.parameters())


def test_windows_are_displaced_as_asked():
    generator = torch.Generator().manual_seed(0)
    moved = noisy_centres(torch.full((1000, 3, 2), 7.0), 20.0, generator) / 20
    assert abs(float(moved.std()) - 1) < 0.05
    assert abs(float(moved.mean()) - 7 / 20) < 0.05


def test_the_fine_network_finds_what_pooling_lost(tmp_path: Path):
    settings = tiny_settings(
        tmp_path,
        model="tompson_cascade",
        options={**OPTIONS, "pooling": 8, "dropout": 0.0, "wide": 16, "hidden": 16},
        input_size=(64, 64),
        augmentation=STILL,
        phase_epochs=(14, 8, 3),
        batch_size=8,
        lr=3e-3,
        schedule="cosine",
    )
    train_on(settings, Dots(48), None)
    unseen = Dots(48, seed=1)
    network, card = load_model(tmp_path / LAST)
    fabric = start_fabric("cpu", 1, "32-true")
    found = predict_stages(network, card, unseen, fabric, batch_size=16, workers=0, every_stage=True)
    truth = torch.tensor([record.keypoints.tolist() for record in unseen.records])
    errors = [float((torch.from_numpy(own.keypoints) - truth).norm(dim=-1).median()) for own in found]
    assert errors[1] < 0.6 * errors[0], errors


def test_an_unfinished_run_is_used_as_far_as_it_is_trained(tmp_path: Path):
    train_on(tiny_settings(tmp_path, **CASCADE), StopsItself(20, 30), Dots(6, seed=1))
    network, card = load_model(tmp_path / BEST)
    assert card.trained_stages == 1
    fabric = start_fabric("cpu", 1, "32-true")
    assert len(predict_stages(network, card, Dots(3), fabric, batch_size=3, workers=0, every_stage=True)) == 1


def test_losses_of_other_networks_are_refused(tmp_path: Path):
    settings = tiny_settings(tmp_path, **CASCADE, loss=LossSettings(kind="heatmaps"))
    with pytest.raises(UserError, match="loss: tompson_cascade has losses of its own"):
        train_on(settings, Dots(4), None)


def test_the_commands_run_the_cascade(tmp_path: Path, whole: TrainResult, capsys: pytest.CaptureFixture[str]):
    folder, out = tmp_path / "people", tmp_path / "metrics.json"
    export_coco(Dots(4, seed=2), folder)
    common = ["--weights", str(whole.folder / BEST), "--accelerator", "cpu"]
    scored = ["evaluate", *common, "--data", str(folder), "--out", str(out), "--workers", "0"]
    assert main([*scored, "--every-stage", "true"]) == 0
    assert "stage 2" in capsys.readouterr().out
    coarse, cascade = json.loads(out.read_text())["stages"]
    assert coarse.keys() == cascade.keys() >= {"PDJ@0.05", "PCP@0.5"}
    assert main([*scored, "--pdj-thresholds", "[0.3]"]) == 0
    assert json.loads(out.read_text())["stages"][0].keys() == {"PDJ@0.3", "PCP@0.5"}
    assert main(["predict", *common, "--images", str(folder), "--out", str(tmp_path / "found")]) == 0
    assert len(json.loads((tmp_path / "found" / "predictions.json").read_text())) == 4
