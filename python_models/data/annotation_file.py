"""Finding and reading a JSON file so that every fault is told in one sentence: file, entry, field."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from python_models.errors import UserError

ANNOTATION_FILE = "annotations.json"


class AnnotationError(UserError):
    """Annotations that cannot be used; the message names the file, the entry and the field."""


def has_split(path: str | Path, split: str) -> bool:
    """Tell whether `path` is a folder with annotations of its own for `split`."""
    return (Path(path) / split / ANNOTATION_FILE).is_file()


def find_annotations(path: str | Path, split: str | None = None) -> Path:
    """Return the annotation file that `path` stands for.

    path: the JSON file; a folder with `annotations.json`; or a folder that holds one such folder per split
    (`train/`, `val/`), of which `split` names one.
    """
    path = Path(path)
    if path.is_file():
        return path
    if not path.is_dir():
        raise AnnotationError(f"{path}: no such file or folder")
    if split is not None and has_split(path, split):
        return path / split / ANNOTATION_FILE
    splits = sorted(found.parent.name for found in path.glob(f"*/{ANNOTATION_FILE}"))
    if splits:
        problem = f"no split {split!r} there" if split else "split not chosen"
        raise AnnotationError(f"{path}: {problem}; it holds {', '.join(splits)}")
    if not (path / ANNOTATION_FILE).is_file():
        raise AnnotationError(f"{path}: holds neither {ANNOTATION_FILE} nor folders (train/, val/) with one")
    return path / ANNOTATION_FILE


class JsonFile:
    """The content of one JSON file, with reads that fail in words.

    Attributes: path; content: an object or a list, whichever `kind` asks for, entries not yet checked.
    """

    def __init__(self, path: Path, kind: type[dict[str, Any]] | type[list[Any]]) -> None:
        self.path = path
        try:
            content = json.loads(path.read_bytes())
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise AnnotationError(f"{path}: not valid JSON: {error}") from None
        if not isinstance(content, kind):
            wanted = "object" if kind is dict else "list"
            raise AnnotationError(f"{path}: expected a JSON {wanted}, got a {type(content).__name__}")
        self.content: Any = content

    def fault(self, where: str, what: str) -> AnnotationError:
        """Return the error that says what is wrong with an entry."""
        return AnnotationError(f"{self.path}: {where}: {what}")

    def field(self, entry: Any, name: str, where: str) -> Any:
        """Return a field that must be there."""
        if not isinstance(entry, Mapping):
            raise self.fault(where, f"expected an object, got {entry!r}")
        if name not in entry:
            raise self.fault(where, f"field {name!r} is missing")
        return entry[name]

    def identity(self, entry: Any, where: str, taken: Mapping[int, Any] | set[int]) -> int:
        """Return the entry's `id`, which must be a whole number that no earlier entry has."""
        value = self.field(entry, "id", where)
        if not isinstance(value, int):
            raise self.fault(where, f"field 'id': expected a whole number, got {value!r}")
        if value in taken:
            raise self.fault(where, f"field 'id': {value} is used twice")
        return value

    def reference(self, entry: Any, name: str, known: Mapping[int, Any], where: str) -> int:
        """Return a field that must be the id of one of the `known` images."""
        value = self.field(entry, name, where)
        if not isinstance(value, int) or value not in known:
            raise self.fault(where, f"field {name!r}: no image has id {value!r}")
        return value

    def numbers(self, entry: Any, name: str, count: int, where: str, reason: str = "") -> np.ndarray:
        """Return a field of exactly `count` finite numbers as float32; `reason` explains the count."""
        values = self.field(entry, name, where)
        if not isinstance(values, Sequence) or isinstance(values, str):
            raise self.fault(where, f"field {name!r}: expected {count} numbers, got {values!r}")
        if len(values) != count:
            raise self.fault(where, f"field {name!r}: expected {count} numbers{reason}, got {len(values)}")
        try:
            array = np.asarray(values, dtype=np.float32)
        except (TypeError, ValueError, OverflowError):
            raise self.fault(where, f"field {name!r}: expected numbers, got {values!r}") from None
        if not np.isfinite(array).all():
            raise self.fault(where, f"field {name!r}: holds a value that is not finite")
        return array

    def optional_number(self, entry: Mapping[str, Any], name: str, where: str) -> float | None:
        """Return a field that may be absent or null and otherwise must be a finite number."""
        value = entry.get(name)
        if value is None:
            return None
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not abs(value) <= sys.float_info.max
        ):
            raise self.fault(where, f"field {name!r}: expected a number, got {value!r}")
        return float(value)

    def array(self, entry: Any, name: str, shape: tuple[int, ...], where: str) -> np.ndarray:
        """Return a field of finite numbers, nested as `shape` says, as float32."""
        values = self.field(entry, name, where)
        try:
            array = np.asarray(values, dtype=np.float32)
        except (TypeError, ValueError, OverflowError):
            raise self.fault(
                where, f"field {name!r}: expected numbers, shape {shape}, got {values!r}"
            ) from None
        if array.shape != shape:
            raise self.fault(where, f"field {name!r}: expected shape {shape}, got {array.shape}")
        if not np.isfinite(array).all():
            raise self.fault(where, f"field {name!r}: holds a value that is not finite")
        return array


class AnnotationFile(JsonFile):
    """The content of one COCO file.

    Attributes: images, annotations, categories: the lists of the file, entries not yet checked.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, dict)
        self.images, self.annotations, self.categories = (
            self._top_level(field) for field in ("images", "annotations", "categories")
        )

    def _top_level(self, field: str) -> list[Any]:
        if field not in self.content:
            raise AnnotationError(f"{self.path}: field {field!r} is missing")
        entries = self.content[field]
        if not isinstance(entries, list):
            raise AnnotationError(f"{self.path}: field {field!r}: expected a list")
        return entries
