"""PoseTrack's figures sequence by sequence, on one process and on two."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("torchmetrics")

from pyposeops.metrics import MOTA, PoseTrackAP, TrackResults, TrackTruths, posetrack_ap, posetrack_mota
from tests.conftest import REPOSITORY
from tests.metrics.tracks import random_tracks, results, truths

# What a metric without people says is wanted here.
pytestmark = pytest.mark.filterwarnings("ignore:The ``compute`` method of metric")
FUNCTIONS = {MOTA: posetrack_mota, PoseTrackAP: posetrack_ap}


def sequences(count: int) -> list[tuple[TrackTruths, TrackResults]]:
    found = []
    for number in range(count):
        true, seen = random_tracks(number, frames=4 + number)
        scores = np.random.default_rng(number).integers(0, 4, (len(seen.frames), 1)) / 4.0
        found.append(
            (
                TrackTruths(
                    np.full(len(true.frames), number),
                    true.frames,
                    true.tracks,
                    true.keypoints,
                    true.head_sizes,
                ),
                TrackResults(
                    np.full(len(seen.frames), number), seen.frames, seen.tracks, seen.keypoints, scores
                ),
            )
        )
    return found


def joined(parts: list[tuple[TrackTruths, TrackResults]]) -> tuple[TrackTruths, TrackResults]:
    true, seen = zip(*parts, strict=True)
    fields = ("sequences", "frames", "tracks", "keypoints", "head_sizes")
    return (
        TrackTruths(*(np.concatenate([getattr(t, name) for t in true]) for name in fields)),
        TrackResults(*(np.concatenate([getattr(s, name) for s in seen]) for name in (*fields[:4], "scores"))),
    )


def assert_same(got: Any, want: Any) -> None:
    for one, other in zip(got, want, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("compat", [None, "poseval"])
def test_sequences_in_any_order_give_the_figures_of_all(kind: Any, compat: Any):
    metric = kind(joints=1, compat=compat)
    parts = sequences(6)
    for place in (3, 0, 5, 2, 0, 4, 1):  # the first one comes twice
        metric.update(*parts[place])
    assert_same(metric.compute(), FUNCTIONS[kind](*joined(parts), compat=compat))


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_several_sequences_at_once_merge_reset_and_copy(kind: Any):
    parts = sequences(5)
    first, second = kind(joints=1), kind(joints=1)
    first.update(*joined(parts[2:]))
    second.update(*joined(parts[:2]))
    first.merge_state(second)
    want = FUNCTIONS[kind](*joined(parts))
    assert_same(first.compute(), want)
    assert_same(copy.deepcopy(first).compute(), want)
    first.reset()
    assert np.isnan(first.compute().mean)


def main(folder: Path) -> None:
    """On each of two processes; the second one has fewer sequences."""
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    parts = sequences(5)
    figures = {}
    for kind in FUNCTIONS:
        shared, lonely = kind(joints=1), kind(joints=1)
        for part in ([*parts[0::2], parts[1]], parts[1::2])[rank]:
            shared.update(*part)
        if rank == 1:
            lonely.update(*joined(parts))
        figures[kind.__name__] = [tuple(metric.compute()) for metric in (shared, lonely)]
    torch.save(figures, folder / f"figures{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_give_the_bits_of_one(tmp_path: Path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    worker = ["-m", "tests.metrics.test_posetrack_metrics", str(tmp_path)]
    done = subprocess.run([*launcher, *worker], cwd=REPOSITORY, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    for rank in range(2):
        figures = torch.load(tmp_path / f"figures{rank}.pt", weights_only=False)
        for kind, function in FUNCTIONS.items():
            want = function(*joined(sequences(5)))
            for got in figures[kind.__name__]:
                assert_same(got, want)


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_a_sequence_in_parts_is_refused(kind: Any):
    true, seen = sequences(1)[0]
    metric = kind(joints=1)
    for chosen in (true.frames < 2, true.frames >= 2):
        columns = (getattr(true, name)[chosen] for name in ("sequences", "frames", "tracks", "keypoints"))
        metric.update(TrackTruths(*columns, true.head_sizes[chosen]), seen)
    with pytest.raises(ValueError, match="truths: expected whole sequences, got 0 again with other counts"):
        metric.compute()


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="joints: expected at least 1, got 0"):
        MOTA(joints=0)
    metric = MOTA()
    with pytest.raises(ValueError, match="truths: expected 15 joints, got 1"):
        metric.update(truths([(1, 0, 0, 0.0)]), results([]))
    with pytest.raises(ValueError, match="comparison: expected one of"):
        MOTA(joints=1, comparison="=").update(truths([(1, 0, 0, 0.0)]), results([]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
