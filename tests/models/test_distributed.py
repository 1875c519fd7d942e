"""Two gloo processes on the CPU train as one."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from python_models.evaluate import predict_dataset, score_predictions
from python_models.model_card import load_model
from python_models.runtime import start_fabric
from tests.conftest import REPOSITORY
from tests.models.distributed_worker import save_gradients
from tests.models.tiny import Dots


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    worker = ["-m", "tests.models.distributed_worker", str(folder)]
    done = subprocess.run([*launcher, *worker], cwd=REPOSITORY, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return folder


def test_gradients_are_those_of_the_joined_batch(two_processes: Path):
    save_gradients(two_processes, 1)
    one, two = (torch.load(two_processes / f"gradients{count}.pt") for count in (1, 2))
    assert one.keys() == two.keys()
    for name, gradient in one.items():
        assert gradient.abs().max() > 0, name
        # A mean over 8 people is split into two means over 4: only rounding differs.
        torch.testing.assert_close(two[name], gradient, rtol=1e-4, atol=1e-6 * float(gradient.abs().max()))


def test_people_scored_by_two_processes_count_once(two_processes: Path):
    network, card = load_model(two_processes / "run" / "last.pt")
    people = Dots(7, seed=1)
    fabric = start_fabric("cpu", 1, "32-true")
    predictions = predict_dataset(network, card, people, fabric, batch_size=4, workers=0)
    scores = score_predictions(people, predictions)
    header, *rows = (two_processes / "run" / "history.csv").read_text().splitlines()
    last = dict(zip(header.split(","), map(float, rows[-1].split(",")), strict=True))
    assert len(rows) == 2 and scores["people"] == 7
    for name in ("PCK@0.2", "PCK@0.5"):
        assert last[name] == pytest.approx(scores[name])
