"""COCO's keypoint evaluation beside pycocotools and faster-coco-eval: of arrays, of dictionaries, of files."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.alternatives import coco
from benchmarks.cases import Alternative, Case, Inputs, Tolerance, Traffic
from benchmarks.metrics.coco_people import People
from pyposeops.evaluate.coco import CocoSettings, load
from pyposeops.evaluate.people import read_results_file, read_truth_file
from pyposeops.evaluate.reading import without_collection
from pyposeops.metrics import COCOeval

OP = "COCOeval"
IMAGES = 5000  # as COCO val2017 has
CURVES_BYTES = 8 * (2 * 10 * 101 * 3 + 10 * 3)
FIGURES_BYTES = 8 * 10
LAST_BIT = Tolerance(absolute=1e-15)

people = lru_cache(maxsize=1)(People)


def cases(images: int = IMAGES) -> list[Case]:
    return [arrays_to_curves(images), dictionaries_to_figures(images), files_to_figures(images)]


def arrays_to_curves(images: int) -> Case:
    """evaluate and accumulate; the others have read and indexed everything before."""
    found = people(images)
    theirs = _theirs(their_curves, lambda package, *_: loaded(package, images))
    traffic = Traffic(found.array_bytes, CURVES_BYTES)
    return _case("arrays to curves", images, found.arrays(), our_curves, curves_of, traffic, theirs)


def dictionaries_to_figures(images: int) -> Case:
    """From lists of dictionaries to the ten numbers."""
    found = people(images)
    theirs = _theirs(figures_of_dictionaries, lambda *_: found.copies())
    inputs = found.dataset, found.results
    traffic = Traffic(found.array_bytes, FIGURES_BYTES)
    return _case("dictionaries to ten numbers", images, inputs, our_figures, coco.figures, traffic, theirs)


def files_to_figures(images: int) -> Case:
    """From two JSON files to the ten numbers."""
    found = people(images)
    theirs = _theirs(figures_of_files, lambda _, *files: files)
    traffic = Traffic(found.file_bytes, FIGURES_BYTES)
    return _case(
        "files to ten numbers", images, found.files, our_figures_of_files, coco.figures, traffic, theirs
    )


def _theirs(run: Callable[..., Any], prepare: Callable[..., Inputs]) -> dict[str, Alternative]:
    """Both packages; `run` and `prepare` take the package's name and the inputs."""
    return {
        package.replace("_", "-"): Alternative(
            partial(run, package),
            prepare=partial(prepare, package),
            tolerance=None if package == "pycocotools" else LAST_BIT,  # it adds no epsilon to the denominator
            requires=package,
        )
        for package in coco.CLASSES
    }


def _case(
    name: str,
    images: int,
    inputs: Inputs,
    ours: Any,
    wanted: Any,
    traffic: Traffic,
    theirs: dict[str, Alternative],
) -> Case:
    return Case(
        op=OP,
        name=name,
        shape=people(images).shape,
        dtype=torch.float64,
        make_inputs=lambda _: inputs,
        ours=ours,
        reference=lambda *_: wanted(published(images)),
        traffic=traffic,
        alternatives=theirs,
        tolerance=Tolerance(absolute=0.0),
    )


# ---- ours, as strict as the others


def our_curves(truths: Any, results: Any) -> tuple[np.ndarray, ...]:
    return curves_of(_ran(COCOeval(truths, results, strict=True)))


def our_figures(truth: Any, results: Any) -> np.ndarray:
    return np.array([*_ran(COCOeval(truth, results, strict=True)).figures().values()])


def our_figures_of_files(truth: str, results: str) -> np.ndarray:
    """As the command `pyposeops evaluate` does it."""
    with without_collection():
        files = read_truth_file(Path(truth)), read_results_file(Path(results))
        return np.array([*_ran(load(*files, CocoSettings(strict=True))).figures().values()])


def _ran(evaluation: COCOeval) -> COCOeval:
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation


# ---- theirs


def curves_of(evaluation: Any) -> tuple[np.ndarray, ...]:
    return tuple(evaluation.eval[name] for name in ("precision", "scores", "recall"))


def their_curves(package: str, truth: Any, results: Any) -> tuple[np.ndarray, ...]:
    return curves_of(coco.evaluate(package, truth, results))


def figures_of_dictionaries(package: str, truth: Any, results: Any) -> np.ndarray:
    return coco.figures(coco.evaluate(package, *coco.load_dictionaries(package, truth, results)))


def figures_of_files(package: str, truth: str, results: str) -> np.ndarray:
    return coco.figures(coco.evaluate(package, *coco.load_files(package, truth, results)))


@lru_cache(maxsize=2)
def loaded(package: str, images: int) -> tuple[Any, Any]:
    return coco.load_files(package, *people(images).files)


@lru_cache(maxsize=1)
def published(images: int) -> Any:
    """pycocotools' evaluation, which is the definition."""
    return coco.evaluate("pycocotools", *loaded("pycocotools", images))
