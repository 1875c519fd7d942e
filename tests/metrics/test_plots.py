"""What is drawn: lines with the numbers of the evaluation, each with its name and figure, in ranges from 0 to 1."""

from __future__ import annotations

import contextlib
import doctest
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pyposeops import metrics
from pyposeops.metrics import FLIC_JOINTS, LSP_JOINTS, COCOeval, pdj
from tests.conftest import REPOSITORY
from tests.metrics.generated_results import Options, generate
from tests.metrics.test_pck import people

pytest.importorskip("matplotlib")
plot_accuracy_curves = metrics.plot_accuracy_curves
plot_precision_recall = metrics.plot_precision_recall


def labels(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts][1:]


def curves(figure: Any, points: int) -> list[Any]:
    """The lines that show data; the others lead to a label or stand beside it."""
    return [line for line in figure.axes[0].lines if len(line.get_xdata()) == points]


@pytest.fixture(scope="module")
def evaluation() -> COCOeval:
    scored = COCOeval(*generate(Options(images=40)))
    with contextlib.redirect_stdout(io.StringIO()):
        scored.evaluate()
        scored.accumulate()
    return scored


@pytest.mark.parametrize("function", [plot_accuracy_curves, plot_precision_recall])
def test_example_of_the_docstring_runs(function):
    scope = {"torch": torch, **vars(metrics), function.__name__: function}
    tests = doctest.DocTestFinder(recurse=False).find(function, function.__name__, globs=scope)
    assert any(test.examples for test in tests)
    for test in tests:
        assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test).failed == 0


def test_sides_are_averaged_and_each_line_says_its_area():
    curve = pdj(*people(30, 10))
    figure = plot_accuracy_curves(curve, FLIC_JOINTS, x_label="part of the torso", title="PDJ")
    axes, lines = figure.axes[0], curves(figure, 51)
    assert axes.get_xlim() == (0, 0.5) and axes.get_ylim() == (0, 1)
    assert (axes.get_xlabel(), axes.get_title()) == ("part of the torso", "PDJ") and axes.get_ylabel()
    wrists = [FLIC_JOINTS.index("left_wrist"), FLIC_JOINTS.index("right_wrist")]
    wanted = curve.per_joint[:, wrists].mean(1)
    assert any(np.allclose(line.get_ydata(), wanted) for line in lines)
    assert any(np.array_equal(line.get_ydata(), curve.mean) for line in lines)
    assert len(lines) == len(labels(figure)) == 7  # six joints and the mean
    assert f"wrist  {curve.auc_per_joint[wrists].mean():.2f}" in labels(figure)
    assert f"mean  {curve.auc:.2f}" in labels(figure)


def test_sides_on_their_own_share_a_colour_and_differ_in_style():
    figure = plot_accuracy_curves(pdj(*people(30, 10)), FLIC_JOINTS, sides=True)
    curve = pdj(*people(30, 10))
    found = {}
    for line in curves(figure, 51):
        for joint, name in enumerate(FLIC_JOINTS):
            if np.array_equal(line.get_ydata(), curve.per_joint[:, joint]):
                found[name] = line
    assert found.keys() == set(FLIC_JOINTS)
    left, right = found["left_elbow"], found["right_elbow"]
    assert left.get_color() == right.get_color() and left.get_linestyle() != right.get_linestyle()
    assert len({found[name].get_color() for name in FLIC_JOINTS}) == 6


def test_labels_keep_apart_and_inside():
    truth = np.zeros((1, 14, 2))
    truth[0, [LSP_JOINTS.index("left_shoulder"), LSP_JOINTS.index("right_hip")]] = [[30, 0], [0, 40]]
    for shift in (0.0, 1000.0):  # all curves end at 1, or at 0
        figure = plot_accuracy_curves(pdj(truth + shift, truth, joint_names=LSP_JOINTS), LSP_JOINTS)
        heights = sorted(text.get_position()[1] for text in figure.axes[0].texts[1:])
        assert len(heights) == 9 and np.diff(heights).min() > 0.05
        assert heights[0] >= 0 and heights[-1] <= 1


def test_joints_that_never_count_have_no_line():
    pred, truth = people(5, 10)
    labelled = np.ones((5, 10))
    labelled[:, FLIC_JOINTS.index("nose")] = 0
    labelled[:, FLIC_JOINTS.index("left_wrist")] = 0
    texts = labels(plot_accuracy_curves(pdj(pred, truth, labelled), FLIC_JOINTS))
    assert not any("nose" in text for text in texts) and any("wrist" in text for text in texts)
    nobody = plot_accuracy_curves(pdj(pred, truth, np.zeros((5, 10))), FLIC_JOINTS)
    assert labels(nobody) == []


def test_many_joints_are_drawn_without_names():
    names = ("left_shoulder", "right_hip", *(f"point_{index}" for index in range(60)))
    figure = plot_accuracy_curves(pdj(*people(5, 62), joint_names=names), names)
    assert len(curves(figure, 51)) == 63 and len(labels(figure)) == 1


def test_tensors_are_drawn_as_arrays_are():
    pred, truth = people(30, 10)
    arrays = plot_accuracy_curves(pdj(pred, truth), FLIC_JOINTS)
    tensors = plot_accuracy_curves(pdj(torch.from_numpy(pred), torch.from_numpy(truth)), FLIC_JOINTS)
    assert labels(arrays) == labels(tensors)


def test_precision_over_recall_is_that_of_the_evaluation(evaluation: COCOeval):
    figure = plot_precision_recall(evaluation, thresholds=[0.5, 0.9], title="people")
    axes, lines = figure.axes[0], curves(figure, 101)
    assert axes.get_xlim() == axes.get_ylim() == (0, 1)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("recall", "precision")
    precision = evaluation.eval["precision"][:, :, 0, 0, -1]
    for line, row in zip(lines, (0, 8), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), precision[row])
    assert labels(figure) == [
        f"OKS {name}  {precision[row].mean():.2f}" for name, row in (("0.50", 0), ("0.90", 8))
    ]


def test_area_and_category_choose_among_the_curves(evaluation: COCOeval):
    large = plot_precision_recall(evaluation, thresholds=[0.5], area="large", category=1)
    wanted = evaluation.eval["precision"][0, :, 0, 2, -1]
    np.testing.assert_array_equal(curves(large, 101)[0].get_ydata(), wanted)


def test_no_people_give_no_line():
    empty = COCOeval([], [])
    empty.evaluate()
    empty.accumulate()
    assert curves(plot_precision_recall(empty), 101) == []


def test_bad_choices_are_refused_by_name(evaluation: COCOeval):
    with pytest.raises(ValueError, match=r"thresholds: expected some of 0.50, .*, got 0.3"):
        plot_precision_recall(evaluation, thresholds=[0.3])
    with pytest.raises(ValueError, match="area: expected one of all, medium, large, got 'small'"):
        plot_precision_recall(evaluation, area="small")
    with pytest.raises(ValueError, match=r"category: expected one of \[1\], got 7"):
        plot_precision_recall(evaluation, category=7)
    with pytest.raises(RuntimeError, match=r"accumulate\(\) first"):
        plot_precision_recall(COCOeval([], []))
    with pytest.raises(ValueError, match="joint_names: expected 10"):
        plot_accuracy_curves(pdj(*people(3, 10)), LSP_JOINTS)


def test_figures_are_written_without_a_screen_and_without_pyplot(tmp_path: Path):
    code = f"""
import sys
import numpy as np
from pyposeops.metrics import FLIC_JOINTS, pdj, plot_accuracy_curves
truth = np.random.default_rng(0).uniform(0, 100, (4, 10, 2))
plot_accuracy_curves(pdj(truth, truth), FLIC_JOINTS).savefig({str(tmp_path / "curves.png")!r})
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True, timeout=120)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
