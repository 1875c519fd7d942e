"""The comparison on generated crowds: its boxes, trainings and tables, and the page itself."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.crowds import page
from benchmarks.crowds.__main__ import PAGE, RESULT, main
from benchmarks.crowds.boxes import BoxNoise, noisy_boxes
from benchmarks.crowds.measure import PARTS, interval
from benchmarks.crowds.runs import RUNS, train_arguments
from benchmarks.crowds.scenes import TABLES
from python_models.__main__ import build_parser, normalise
from python_models.data import GeneratedCrowds, ImagePeople
from python_models.methods import METHODS, method_for
from python_models.settings import TrainSettings
from python_models.zoo import create_model


@pytest.fixture(scope="module")
def crowds() -> ImagePeople:
    return ImagePeople(GeneratedCrowds(2, 60, 0.3))


def true_boxes(crowds: ImagePeople) -> np.ndarray:
    return np.stack([record.box_xywh for record in crowds.dataset.records])


def test_without_noise_boxes_are_the_true_ones(crowds: ImagePeople):
    boxes = noisy_boxes(crowds, BoxNoise())
    found = np.concatenate([boxes[record.image_id].numpy() for record in crowds.records])
    np.testing.assert_allclose(found[:, :4], true_boxes(crowds), atol=1e-4)
    np.testing.assert_allclose(found[:, 4], 1, atol=1e-6)


def test_boxes_are_as_far_off_and_as_many_as_asked_for_and_the_same_each_time(crowds: ImagePeople):
    noise = BoxNoise(0.1, 3)
    first, second = noisy_boxes(crowds, noise), noisy_boxes(crowds, noise)
    assert all(torch.equal(first[key], second[key]) for key in first)
    people = sum(map(len, first.values())) / len(crowds.dataset.records)
    assert people == pytest.approx(2.0, abs=0.15)
    shifts = []
    for members, record in zip(crowds.members, crowds.records, strict=True):
        true = np.stack([crowds.dataset.records[member].box_xywh for member in members])
        for box in first[record.image_id].numpy():
            own = true[np.abs(box[:4] - true).sum(1).argmin()]
            shifts.append((box[:2] - own[:2]) / own[2:])
            assert 0.05 <= box[4] <= 1
    assert np.std(shifts) == pytest.approx(0.1, rel=0.25)  # some are nearer to a neighbour
    # Better boxes are mostly surer.
    boxes = np.concatenate([own.numpy() for own in first.values()])
    assert boxes[:, 4].std() > 0.05


@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_a_training_of_an_existing_network(name: str):
    parser = build_parser()
    arguments = normalise(train_arguments(name, Path("people"), Path("out")))
    options = parser.instantiate(parser.parse_args(arguments))["train"]
    options.pop("config", None)
    settings = TrainSettings(**options.as_dict())
    assert settings.data == "people" and settings.out == "out"
    with torch.device("meta"):
        create_model(settings.model, num_joints=17, **settings.options)


def test_tables_compare_known_runs_by_methods_that_fit_them():
    for table in TABLES:
        for row in table.rows:
            assert method_for(row.method, RUNS[row.run]["model"]) is METHODS[row.method]
        for own in table.comparisons:
            assert own.better != own.other and max(own.better, own.other) < len(table.rows)
            assert own.column != own.beside and max(own.column, own.beside or 0) < len(table.columns)
        assert len({(row.run, row.method) for row in table.rows}) == len(table.rows)


def test_the_interval_is_that_of_a_mean():
    differences = np.arange(PARTS, dtype=float)
    low, high = interval(differences)
    assert (low + high) / 2 == pytest.approx(differences.mean())
    error = differences.std(ddof=1) / np.sqrt(PARTS)
    assert (high - low) / 2 == pytest.approx(2.365 * error)


def test_the_page_is_that_of_the_results():
    assert PAGE.read_text() == page.text(json.loads(RESULT.read_text()))


def test_what_is_not_trained_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["measure", "--runs", str(tmp_path), "--json", str(tmp_path / "out.json")])
    assert "not trained to the end: person" in capsys.readouterr().err
