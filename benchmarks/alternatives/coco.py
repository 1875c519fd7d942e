"""pycocotools and faster-coco-eval, which have the same interface, each as its users call it."""

from __future__ import annotations

import contextlib
import importlib
import io
from typing import Any, NamedTuple

CLASSES = {
    "pycocotools": ("pycocotools.coco", "COCO", "pycocotools.cocoeval", "COCOeval"),
    "faster_coco_eval": ("faster_coco_eval", "COCO", "faster_coco_eval", "COCOeval_faster"),
}


class Package(NamedTuple):
    """COCO and COCOeval of a package."""

    dataset: Any
    evaluation: Any


def package(name: str) -> Package:
    coco, dataset, cocoeval, evaluation = CLASSES[name]
    return Package(
        getattr(importlib.import_module(coco), dataset),
        getattr(importlib.import_module(cocoeval), evaluation),
    )


def load_files(name: str, truth: str, results: str) -> tuple[Any, Any]:
    """COCO objects of a ground truth and of results."""
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = package(name).dataset(truth)
        return dataset, dataset.loadRes(results)


def load_dictionaries(name: str, truth: dict[str, Any], results: list[dict[str, Any]]) -> tuple[Any, Any]:
    """The same of what was read before; both packages write in the dictionaries."""
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = package(name).dataset()
        dataset.dataset = truth
        dataset.createIndex()
        return dataset, dataset.loadRes(results)


def evaluate(name: str, truth: Any, results: Any) -> Any:
    """A COCOeval with its curves."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = package(name).evaluation(truth, results, "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def figures(evaluation: Any) -> Any:
    """The ten numbers of one that has its curves."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.summarize()
    return evaluation.stats[:10]
