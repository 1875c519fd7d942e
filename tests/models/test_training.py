"""A run learns, can be stopped anywhere, and goes on as if it had not been."""

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from python_models.checkpoints import read_checkpoint
from python_models.data import GeneratedPeople, PersonRecord
from python_models.errors import UserError
from python_models.interrupt import StopRequest
from python_models.train import SETTINGS_FILE, TrainResult, train_on
from python_models.training_state import BEST, LAST
from tests.models.tiny import STILL, TINY_OPTIONS, Dots, tiny_settings

TIMES = {"seconds", "images_per_second"}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower on many threads, and tests may share the machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class StopsItself(Dots):
    """Sends this process a signal when the image with a given count of loads is read."""

    def __init__(self, count: int, at_load: int, *, number: int = signal.SIGINT, seed: int = 0) -> None:
        super().__init__(count, seed)
        self.loads, self.at_load, self.number = 0, at_load, number

    def load_image(self, record: PersonRecord) -> Any:
        self.loads += 1
        if self.loads == self.at_load:
            signal.raise_signal(self.number)
        return super().load_image(record)


def curve(result: TrainResult) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name not in TIMES} for row in result.history]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(folder / LAST)["raw_state_dict"]


def assert_same_run(resumed: TrainResult, whole: TrainResult) -> None:
    assert curve(resumed) == curve(whole)
    expected = weights(whole.folder)
    assert all(torch.equal(value, expected[name]) for name, value in weights(resumed.folder).items())
    expected = read_checkpoint(whole.folder / LAST)["state_dict"]
    got = read_checkpoint(resumed.folder / LAST)["state_dict"]
    assert all(torch.equal(value, expected[name]) for name, value in got.items())


CHANGES: dict[str, Any] = {
    "ema_decay": 0.9,
    "schedule": "cosine",
    "warmup_steps": 3,
    "optimizer": "adamw",
    "epochs": 3,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """The uninterrupted run that the others are held against: three epochs of five steps."""
    folder = tmp_path_factory.mktemp("whole")
    torch.set_num_threads(1)
    return train_on(tiny_settings(folder, **CHANGES), Dots(20), Dots(6, seed=1))


def test_a_run_leaves_its_settings_curve_and_checkpoints(whole: TrainResult):
    names = {path.name for path in whole.folder.iterdir()}
    assert names == {"settings.json", "history.csv", "last.pt", "best.pt", "tensorboard"}
    rows = (whole.folder / "history.csv").read_text().splitlines()
    assert len(rows) == 4 and {"epoch", "train_loss", "PCK@0.2"} <= set(rows[0].split(","))
    assert not whole.stopped and [row["epoch"] for row in whole.history] == [1, 2, 3]


@pytest.mark.parametrize("at_load", [1, 27, 33, 40])
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, whole: TrainResult, at_load: int):
    settings = tiny_settings(tmp_path, **CHANGES)
    stopped = train_on(settings, StopsItself(20, at_load), Dots(6, seed=1))
    assert stopped.stopped
    position = read_checkpoint(tmp_path / LAST)["position"]
    assert position["epoch"] * 5 + position["step"] == -(-at_load // 4)
    resumed = train_on(tiny_settings(tmp_path, resume=str(tmp_path), **CHANGES), Dots(20), Dots(6, seed=1))
    assert_same_run(resumed, whole)


def test_a_stop_during_scoring_goes_on_bit_for_bit(tmp_path: Path, whole: TrainResult):
    stopped = train_on(tiny_settings(tmp_path, **CHANGES), Dots(20), StopsItself(6, at_load=8, seed=1))
    assert stopped.stopped and len(stopped.history) == 1
    resumed = train_on(tiny_settings(tmp_path, resume=str(tmp_path), **CHANGES), Dots(20), Dots(6, seed=1))
    assert_same_run(resumed, whole)


def test_worker_processes_change_nothing(tmp_path: Path, whole: TrainResult):
    assert_same_run(train_on(tiny_settings(tmp_path, workers=2, **CHANGES), Dots(20), Dots(6, seed=1)), whole)


def test_sigterm_stops_like_ctrl_c(tmp_path: Path):
    assert train_on(tiny_settings(tmp_path), StopsItself(20, 3, number=signal.SIGTERM), None).stopped
    assert (tmp_path / LAST).is_file()


def test_a_second_ctrl_c_does_not_wait():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), StopRequest():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_handful_of_people_is_learned_by_heart(tmp_path: Path):
    settings = tiny_settings(
        tmp_path,
        options={**TINY_OPTIONS, "deconv_channels": [16, 16, 16]},
        input_size=(64, 64),
        augmentation=STILL,
        epochs=40,
        batch_size=8,
        lr=1e-2,
        schedule="cosine",
        warmup_steps=10,
    )
    result = train_on(settings, Dots(8), Dots(8))
    assert result.history[-1]["train_loss"] < 0.2 * result.history[0]["train_loss"]
    assert result.history[-1]["PCK@0.5"] > 0.9


def test_best_checkpoint_is_that_of_the_best_epoch(whole: TrainResult):
    best = read_checkpoint(whole.folder / BEST)
    assert best.keys() == {"card", "state_dict"}
    scores = [row["PCK@0.2"] for row in whole.history]
    is_last = scores.index(max(scores)) == len(scores) - 1
    last = read_checkpoint(whole.folder / LAST)["state_dict"]
    same = all(torch.equal(value, last[name]) for name, value in best["state_dict"].items())
    assert same == is_last


def test_resuming_with_another_model_is_refused(tmp_path: Path, whole: TrainResult):
    changed = tiny_settings(tmp_path, resume=str(whole.folder), **{**CHANGES, "sigma_px": 2.0})
    with pytest.raises(UserError, match="made with other settings of the model"):
        train_on(changed, Dots(20), None)


def test_a_run_from_python_goes_on_from_its_settings_file(tmp_path: Path):
    options = {**TINY_OPTIONS, "deconv_channels": (8, 8, 8)}  # JSON makes a list of it
    train_on(tiny_settings(tmp_path, options=options, epochs=1), Dots(8), None)
    read = json.loads((tmp_path / SETTINGS_FILE).read_text())["options"]
    resumed = train_on(tiny_settings(tmp_path, options=read, resume=str(tmp_path)), Dots(8), None)
    assert len(resumed.history) == 2


@pytest.mark.parametrize(
    ("name", "value"), [("momentum", -1.0), ("ema_decay", 2.0), ("weight_decay", float("nan"))]
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, name: str, value: float):
    with pytest.raises(UserError, match=f"{name}: expected"):
        tiny_settings(tmp_path, **{name: value})


def test_validation_people_must_have_the_same_joints(tmp_path: Path):
    with pytest.raises(UserError, match=r"joints do not match: the model has 4 .*, the data 17"):
        train_on(tiny_settings(tmp_path), Dots(8), GeneratedPeople(1, 2))


def test_an_input_size_that_does_not_divide_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"input_size \(40, 32\): pose_resnet18 wants multiples of 32"):
        train_on(tiny_settings(tmp_path, input_size=(40, 32)), Dots(8), None)


def test_half_precision_trains_on_a_cpu(tmp_path: Path):
    result = train_on(tiny_settings(tmp_path, precision="bf16-mixed", epochs=1), Dots(8), Dots(4, seed=1))
    assert 0 < result.history[0]["train_loss"] < 1
    assert all(value.dtype != torch.bfloat16 for value in weights(tmp_path).values())


def test_what_the_machine_lacks_is_said(tmp_path: Path):
    with pytest.raises(UserError, match="16-mixed: needs a CUDA device"):
        train_on(tiny_settings(tmp_path, precision="16-mixed"), Dots(8), None)
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="sees no CUDA device"):
            train_on(tiny_settings(tmp_path, accelerator="cuda"), Dots(8), None)


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_training_runs_and_resumes_on_a_gpu(tmp_path: Path, precision: str):
    settings = tiny_settings(tmp_path, accelerator="cuda", devices=1, precision=precision, ema_decay=0.9)
    assert train_on(settings, StopsItself(20, at_load=27), Dots(6, seed=1)).stopped
    result = train_on(replace(settings, resume=str(tmp_path)), Dots(20), Dots(6, seed=1))
    assert [row["epoch"] for row in result.history] == [1, 2]
    assert all(torch.isfinite(value).all() for value in weights(tmp_path).values())
