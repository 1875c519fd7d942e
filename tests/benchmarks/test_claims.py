"""The trainings that docs/claims.md compares: their commands, their figures, and the page itself."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.claims import measure, page
from benchmarks.claims.__main__ import PAGE, RESULTS, main
from benchmarks.claims.claims import CLAIMS, THRESHOLDS
from benchmarks.claims.measure import Distances
from benchmarks.claims.runs import BUDGETS, RUNS
from benchmarks.trainings import finished
from python_models.__main__ import build_parser, normalise
from python_models.settings import TrainSettings
from python_models.zoo import create_model


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("name", RUNS)
def test_a_run_is_a_training_of_an_existing_network(name: str, budget):
    parser = build_parser()
    arguments = normalise(RUNS[name].arguments(budget, "people", Path("out")))
    options = parser.instantiate(parser.parse_args(arguments))["train"]
    options.pop("config", None)
    settings = TrainSettings(**options.as_dict())
    assert settings.data == "people" and settings.out == "out" and settings.batch_size == 32
    if (start := RUNS[name].goes_on_from) is not None:
        assert settings.pretrained == str(Path(start) / "last.pt")
        assert list(RUNS).index(start) < list(RUNS).index(name)
    with torch.device("meta"):
        create_model(settings.model, num_joints=14, **settings.options)


def test_claims_compare_known_runs_by_a_figure_that_is_shown():
    for claim in CLAIMS:
        assert len(claim.subjects) >= 2 and claim.threshold in THRESHOLDS
        assert {subject.run for subject in claim.subjects} <= set(RUNS)
        assert len({(subject.run, subject.refine, subject.stage) for subject in claim.subjects}) == len(
            claim.subjects
        )


def test_accuracy_counts_labelled_joints_of_all_people_alike():
    found = Distances(np.array([[0.05, 0.3], [0.2, np.nan], [np.nan, np.nan]]))
    assert measure.accuracy(found, 0.2) == pytest.approx(2 / 3)
    assert measure.figures(found)["PCK@0.05"] == pytest.approx(1 / 3)


def test_the_interval_holds_the_difference_and_narrows_with_the_people():
    generator = np.random.default_rng(0)
    worse = Distances(generator.uniform(0, 1, (4000, 4)))
    better = Distances(worse.distances - 0.1)  # PCK@0.5: 0.5 and 0.6
    low, high = measure.interval(worse, better, 0.5)
    assert low < 0.1 < high and high - low < 0.02
    few = measure.interval(Distances(worse.distances[:100]), Distances(better.distances[:100]), 0.5)
    assert few[1] - few[0] > 3 * (high - low)
    assert measure.interval(worse, worse, 0.5) == (0.0, 0.0)


def test_the_verdict_follows_the_weakest_step():
    up, level, down = (0.01, 0.02), (-0.01, 0.02), (-0.03, -0.01)
    assert measure.verdict([up, up]) == "borne out"
    assert measure.verdict([up, level]) == "undecided"
    assert measure.verdict([up, level, down]) == "not borne out"


def test_a_run_is_finished_when_its_last_epoch_stands_in_the_history(tmp_path):
    assert not finished(tmp_path)
    (tmp_path / "settings.json").write_text(json.dumps({"epochs": 2}))
    (tmp_path / "history.csv").write_text("epoch,train_loss\n1,0.5\n")
    assert not finished(tmp_path)
    (tmp_path / "history.csv").write_text("epoch,train_loss\n1,0.5\n2,0.4\n")
    assert finished(tmp_path)
    (tmp_path / "settings.json").write_text(json.dumps({"epochs": 1, "phase_epochs": [2, 1]}))
    assert not finished(tmp_path)


def test_the_page_is_that_of_the_results():
    files = [json.loads(file.read_text()) for file in sorted(RESULTS.glob("claims-*"))]
    assert PAGE.read_text() == page.text(files)


def test_wrong_data_are_told_in_a_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["measure", "--data", str(tmp_path / "none"), "--runs", str(tmp_path)])
    assert "none" in capsys.readouterr().err
