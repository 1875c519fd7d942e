"""The classes for torchmetrics: the figures of the functions, from any batches on any number of processes."""

from __future__ import annotations

import doctest
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pyposeops import metrics
from pyposeops.metrics import (
    LSP_JOINTS,
    MPII_JOINTS,
    distance_curve,
    mean_stick_lengths,
    pck,
    pckh,
    pcp,
    pdj,
)
from tests.conftest import REPOSITORY

pytest.importorskip("torchmetrics")
from tests.metrics import joint_metrics_worker as worker

NAMES = ("PCK", "PCKh", "PDJ", "PCP", "DistanceCurve")


def functions() -> dict[str, tuple[torch.Tensor, ...]]:
    """The functions on all people at once."""
    pred, target, labelled, sizes = worker.data().values()
    lsp = (pred[:, :14], target[:, :14], labelled[:, :14])
    named = {"joint_names": MPII_JOINTS}
    lengths = mean_stick_lengths(lsp[1])
    return {
        "PCK": pck(pred, target, labelled, normalizer=sizes, threshold=[0.1, 0.2]),
        "PCKh": pckh(pred, target, labelled, sizes),
        "PDJ": pdj(pred, target, labelled, average="labels", **named),
        "PCP": pcp(*lsp, rule="mean_length", mean_lengths=lengths),
        "DistanceCurve": distance_curve(pred, target, labelled, normalizer="joints_box", **named),
    }


def assert_same_bits(got: Any, want: Any) -> None:
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_example_of_the_docstring_runs(name):
    scope = {"torch": torch, **vars(metrics), **{name: getattr(metrics, name) for name in NAMES}}
    tests = doctest.DocTestFinder(recurse=False).find(scope[name], name, globs=scope)
    assert any(test.examples for test in tests)
    for test in tests:
        assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test).failed == 0


def test_figures_of_batches_are_those_of_the_functions():
    got, want = worker.figures(), functions()
    assert got.keys() == want.keys() == set(NAMES)
    for name in NAMES:
        assert_same_bits(got[name], want[name])


def test_two_processes_give_the_bits_of_one(tmp_path: Path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, "-m", "tests.metrics.joint_metrics_worker", str(tmp_path / "two.pt")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    two, one = torch.load(tmp_path / "two.pt"), worker.figures()
    for name in NAMES:
        assert_same_bits(two[name], one[name])


@pytest.mark.parametrize("name", NAMES)
def test_merged_metrics_are_one(name):
    first, second, whole = (worker.metrics()[name] for _ in range(3))
    worker.update(name, first, 20, 37)
    worker.update(name, second, 0, 20)
    first.merge_state(second)
    worker.update(name, whole, 0, 37)
    assert_same_bits(first.compute(), whole.compute())


@pytest.mark.parametrize("name", NAMES)
def test_reset_and_forward(name):
    metric = worker.metrics()[name]
    worker.update(name, metric, 0, 5)
    metric.reset()
    assert metric.counted.sum() == 0 and metric.counted.dtype == torch.int64
    worker.update(name, metric, 5, 37)
    other = worker.metrics()[name]
    worker.update(name, other, 5, 37)
    assert_same_bits(metric.compute(), other.compute())


def test_forward_gives_the_figures_of_the_batch_and_keeps_all():
    metric = metrics.PDJ(MPII_JOINTS)
    pred, target, labelled, _ = worker.data().values()
    of_batch = metric(pred[:9], target[:9], labelled[:9])
    assert_same_bits(of_batch, pdj(pred[:9], target[:9], labelled[:9], joint_names=MPII_JOINTS))
    metric(pred[9:], target[9:], labelled[9:])
    assert_same_bits(metric.compute(), pdj(pred, target, labelled, joint_names=MPII_JOINTS))


@pytest.mark.parametrize("name", NAMES)
def test_pickled_and_saved_metrics_go_on(name):
    metric = worker.metrics()[name]
    worker.update(name, metric, 0, 20)
    copy = pickle.loads(pickle.dumps(metric))
    metric.persistent(True)
    loaded = worker.metrics()[name]
    loaded.load_state_dict(metric.state_dict())
    whole = worker.metrics()[name]
    worker.update(name, whole, 0, 37)
    for other in (copy, loaded):
        worker.update(name, other, 20, 37)
        assert_same_bits(other.compute(), whole.compute())


def test_one_threshold_gives_one_number():
    metric = metrics.PCK(("nose", "neck"), normalizer="box")
    truth = torch.zeros(1, 2, 2)
    metric.update(truth, truth, boxes=torch.tensor([[0.0, 0.0, 5.0, 9.0]]))
    assert metric.compute().mean.shape == () and metric.compute().per_joint.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("message", "make"),
    [
        ("joint_names: expected 'left_shoulder'", lambda: metrics.PCK(("nose",))),
        ("normalizer: expected one of", lambda: metrics.PCK(("nose",), normalizer="leg")),
        ("threshold: expected finite", lambda: metrics.PCK(LSP_JOINTS, threshold=-1)),
        ("comparison: expected one of", lambda: metrics.PCK(LSP_JOINTS, comparison="=")),
        ("average: expected one of", lambda: metrics.PCK(LSP_JOINTS, average="parts")),
        ("average: expected one of", lambda: metrics.PCKh(average="sticks")),
        ("joint_names: expected 'head_top'", lambda: metrics.PCKh(tuple("abc"))),
        ("target_origin", lambda: metrics.PCKh(target_origin=3)),
        ("limit: expected", lambda: metrics.PDJ(auc_limit=2.0)),
        ("thresholds: expected two or more", lambda: metrics.PDJ(thresholds=[0.3, 0.1])),
        ("reference_px", lambda: metrics.DistanceCurve(LSP_JOINTS, reference_px=-1)),
        ("rule: expected one of", lambda: metrics.PCP(rule="loose")),
        ("mean_lengths: expected", lambda: metrics.PCP(rule="mean_length")),
        ("mean_lengths: expected none", lambda: metrics.PCP(mean_lengths=torch.ones(10))),
    ],
)  # fmt: skip
def test_wrong_options_are_refused_when_the_metric_is_made(message, make):
    with pytest.raises(ValueError, match=message):
        make()


def test_sizes_are_wanted_where_they_are_given_and_nowhere_else():
    truth = torch.zeros(2, 14, 2)
    with pytest.raises(ValueError, match=r"sizes: expected \(N,\)"):
        metrics.PCK(LSP_JOINTS, normalizer="given").update(truth, truth)
    with pytest.raises(ValueError, match="sizes: expected none"):
        metrics.PCK(LSP_JOINTS).update(truth, truth, sizes=torch.ones(2))
    with pytest.raises(ValueError, match="joint_names: expected 3"):
        metrics.PCK(LSP_JOINTS).update(truth[:, :3], truth[:, :3])


def test_without_torchmetrics_the_error_names_the_extra():
    code = """
import sys
sys.modules["torchmetrics"] = None
import pyposeops.metrics
try:
    pyposeops.metrics.PCK
except ModuleNotFoundError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "PCK needs torchmetrics: pip install 'pyposeops[metrics]'", done.stderr


def test_unknown_names_are_no_attributes():
    assert not hasattr(metrics, "PCQ") and "PCK" in dir(metrics)


@pytest.mark.cuda
def test_cuda_counts_without_waiting_and_as_the_cpu():
    pred, target, labelled, _ = (table.cuda() for table in worker.data().values())
    metric = metrics.PDJ(MPII_JOINTS).cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        metric.update(pred, target, labelled)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    want = pdj(*list(worker.data().values())[:3], joint_names=MPII_JOINTS)
    for a, b in zip(metric.compute(), want, strict=True):
        torch.testing.assert_close(a.cpu(), b, rtol=1e-15, atol=0)
