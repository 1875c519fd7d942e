"""What a ground truth and a results file must look like before anybody is matched."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyposeops.evaluate.errors import InputError
from pyposeops.evaluate.reading import read_json


@dataclass(frozen=True)
class TruthFile:
    """A COCO keypoint file: its content, and the names of its joints, or their numbers where it has no names."""

    path: Path
    content: Mapping[str, Any]

    @property
    def annotations(self) -> Sequence[Any]:
        annotations: Sequence[Any] = self.content["annotations"]
        return annotations

    @property
    def joints(self) -> int | None:
        """How many joints everybody has; None where people differ or have none, which is then told entry by entry."""
        people = (person for person in self.annotations if isinstance(person, dict))
        lists = (person.get("keypoints") for person in people)
        lengths = {len(keypoints) for keypoints in lists if isinstance(keypoints, list)}
        length = lengths.pop() if len(lengths) == 1 else 0
        return length // 3 if length and length % 3 == 0 else None

    def joint_names(self, count: int) -> list[str]:
        for category in self.content.get("categories") or []:
            names = category.get("keypoints")
            if isinstance(names, list) and len(names) == len(set(map(str, names))) == count:
                return [str(name) for name in names]
        return [f"joint {index}" for index in range(count)]


@dataclass(frozen=True)
class ResultsFile:
    """A COCO results file: a list of entries, one per person found."""

    path: Path
    entries: Sequence[Any]


def read_truth_file(path: Path) -> TruthFile:
    """InputError, naming file, entry and field, unless it has annotations, and sound images and categories if any."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: expected an object with images, annotations and categories, got {_kind(content)}"
        )
    if not isinstance(content.get("annotations"), list):
        got = _kind(content["annotations"]) if "annotations" in content else "none"
        raise InputError(f"{path}: annotations: expected a list, got {got}")
    for field in ("images", "categories"):
        _check_ids(path, field, content.get(field))
    return TruthFile(path, content)


def read_results_file(path: Path) -> ResultsFile:
    content = read_json(path)
    if not isinstance(content, list):
        raise InputError(f"{path}: expected a list of results, got {_kind(content)}")
    return ResultsFile(path, content)


def named(error: Exception, truth: Path, results: Path) -> InputError:
    """The error of an evaluation with the file in place of the argument: `results.json: entry 17: score: ...`."""
    message = str(error)
    if message.startswith("results"):
        return InputError(f"{results}: {re.sub(r'^results(?:.(?P<row>[0-9]+).)?', _entry, message)}")
    return InputError(f"{truth}: {message}")


def _entry(match: re.Match[str]) -> str:
    return "results" if match["row"] is None else f"entry {match['row']}"


def _check_ids(path: Path, field: str, entries: Any) -> None:
    """Entries, where there are any, are objects with an integer id."""
    if entries is None:
        return
    if not isinstance(entries, list):
        raise InputError(f"{path}: {field}: expected a list, got {_kind(entries)}")
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise InputError(f"{path}: {field}[{index}]: expected an object, got {_kind(entry)}")
        identity = entry.get("id")
        if type(identity) is not int or not -(2**63) <= identity < 2**63:
            raise InputError(
                f"{path}: {field}[{index}]: id: expected an integer of 64 bits, got {identity!r}"
            )


def _kind(value: Any) -> str:
    """A value's kind in the words of JSON."""
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
