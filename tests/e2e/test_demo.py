"""The demonstration, with people and settings small enough for a test."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from python_models import demo as module
from python_models.__main__ import main
from python_models.data import GeneratedPeople
from python_models.in_memory import InMemory
from tests.models.tiny import TINY_OPTIONS


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(
        module.GENERATED_SETTINGS, options=TINY_OPTIONS, input_size=(64, 64), epochs=2, batch_size=4
    )
    monkeypatch.setattr(module, "GENERATED_SETTINGS", settings)
    monkeypatch.setattr(module, "GENERATED_COUNTS", {"train": 8, "val": 3, "test": 5})


def test_demo_leaves_figures_and_pictures(small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["demo", "--out", str(tmp_path)]) == 0
    figures = json.loads((tmp_path / "metrics.json").read_text())
    assert 0 <= figures["PCK@0.2"] <= 1 and figures["people"] == 5
    for name in ("predictions.png", "training.png"):
        assert min(cv2.imread(str(tmp_path / name)).shape[:2]) > 200
    assert "left_wrist" in capsys.readouterr().out


def test_a_slow_machine_trains_fewer_epochs(small: None):
    people = GeneratedPeople(1, 4)
    assert module.affordable_epochs(module.GENERATED_SETTINGS, people, minutes=1e-9) == 1
    assert module.affordable_epochs(module.GENERATED_SETTINGS, people, minutes=60.0) == 2


def test_images_in_memory_are_those_of_the_data_set():
    people = GeneratedPeople(3, 5)
    kept = InMemory(people, "drawing")
    for index in range(5):
        assert (kept[index].image == people[index].image).all()
    assert kept.to_coco() == people.to_coco()
