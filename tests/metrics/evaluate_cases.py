"""What the tests of `pyposeops evaluate` share: small files, and how the command is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyposeops.__main__ import main

MISSING = object()


def write(folder: Path, truth: Any, results: Any) -> tuple[str, str]:
    """Values as JSON, strings as they are."""
    paths = folder / "gt.json", folder / "results.json"
    for path, content in zip(paths, (truth, results), strict=True):
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(paths[0]), str(paths[1])


def printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["evaluate", *arguments]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a wrong file leaves on standard error."""
    capsys.readouterr()
    assert main(["evaluate", *arguments]) == 2
    streams = capsys.readouterr()
    lines = streams.err.strip().splitlines()
    assert len(lines) == 1 and not streams.out, streams
    return lines[0].removeprefix("pyposeops evaluate: ")


def strayed(truth: Any, scale: float = 0.1, swapped: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Every annotated person as a result, the joints off by some of the person's size; two joints exchanged."""
    rng = np.random.default_rng(0)
    names = truth["categories"][0]["keypoints"]
    order = [swapped[1 - swapped.index(name)] if name in swapped else name for name in names]
    results = []
    for person in truth["annotations"]:
        joints = np.reshape(person["keypoints"], (-1, 3)).astype(float)
        joints[:, :2] += rng.normal(size=(len(joints), 2)) * scale * np.sqrt(person["area"])
        joints = joints[[names.index(name) for name in order]]
        found = {"image_id": person["image_id"], "category_id": 1, "score": float(rng.random())}
        results.append({**found, "keypoints": joints.ravel().tolist()})
    return results


def person(**changes: Any) -> dict[str, Any]:
    joints = [float(v) for k in range(17) for v in (3 * k, 5 * k, 2)]
    whole = {"id": 1, "image_id": 1, "category_id": 1, "area": 5000.0, "bbox": [0, 0, 50, 100], "iscrowd": 0}
    return without_missing({**whole, "num_keypoints": 17, "keypoints": joints, **changes})


def found(**changes: Any) -> dict[str, Any]:
    return without_missing(
        {"image_id": 1, "category_id": 1, "keypoints": person()["keypoints"], "score": 0.5, **changes}
    )


def ground_truth(*people: Any, **changes: Any) -> dict[str, Any]:
    whole = {"images": [{"id": 1}], "annotations": list(people), "categories": [{"id": 1}]}
    return without_missing({**whole, **changes})


def without_missing(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value is not MISSING}
