"""Whole evaluations, which take seconds: a file each, which offers ``cases()``."""

from __future__ import annotations

from benchmarks.cases import Case
from benchmarks.metrics import bench_coco


def cases(images: int | None = None) -> list[Case]:
    """All of them, on generated data sets of so many images; None: the size of the published ones."""
    return bench_coco.cases(images or bench_coco.IMAGES)
