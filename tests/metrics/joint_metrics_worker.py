"""One of several gloo processes; test_joint_metrics.py compares what the first one leaves with one process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyposeops.metrics import LSP_JOINTS, MPII_JOINTS, PCK, PCP, PDJ, DistanceCurve, PCKh, mean_stick_lengths

PEOPLE = 37
BATCHES = ((0, 5), (5, 6), (6, 20), (20, 20), (20, 37))  # of uneven size, one without people


def data() -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(7)
    target = rng.uniform(0, 100, (PEOPLE, 16, 2))
    tables = {
        "pred": target + rng.normal(0, 15, target.shape),
        "target": target,
        "labelled": rng.random((PEOPLE, 16)) < 0.8,
        "sizes": rng.uniform(10, 60, PEOPLE),
    }
    return {name: torch.from_numpy(table) for name, table in tables.items()}


def metrics() -> dict[str, Any]:
    lengths = mean_stick_lengths(data()["target"][:, :14])
    return {
        "PCK": PCK(MPII_JOINTS, normalizer="given", threshold=[0.1, 0.2]),
        "PCKh": PCKh(),
        "PDJ": PDJ(MPII_JOINTS, average="labels"),
        "PCP": PCP(LSP_JOINTS, rule="mean_length", mean_lengths=lengths),
        "DistanceCurve": DistanceCurve(MPII_JOINTS, normalizer="joints_box"),
    }


def update(name: str, metric: Any, first: int, last: int) -> None:
    pred, target, labelled, sizes = (table[first:last] for table in data().values())
    if name == "PCK":
        metric.update(pred, target, labelled, sizes=sizes)
    elif name == "PCKh":
        metric.update(pred, target, labelled, sizes)
    elif name == "PCP":
        metric.update(pred[:, :14], target[:, :14], labelled[:, :14])
    else:
        metric.update(pred, target, labelled)


def figures(rank: int = 0, world_size: int = 1) -> dict[str, tuple[torch.Tensor, ...]]:
    """What every metric makes of this process's batches, together with those of the others."""
    found = {}
    for name, metric in metrics().items():
        for batch in BATCHES[rank::world_size]:
            update(name, metric, *batch)
        found[name] = tuple(metric.compute())
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    computed = figures(rank, torch.distributed.get_world_size())
    if rank == 0:
        torch.save(computed, Path(sys.argv[1]))
    torch.distributed.destroy_process_group()
