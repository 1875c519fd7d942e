"""Writing files so that a reader, or a run that dies half-way, never meets half a file."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from pyposeops.evaluate.errors import InputError


def write_atomically(path: str | Path, write: Callable[[IO[bytes]], Any]) -> Path:
    """Call `write` on a temporary file beside `path`, flush it to the disk and rename it to `path`."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return path


def save_json(path: str | Path, content: Any) -> Path:
    """Indented JSON, atomically; NaN, which JSON does not have, becomes null."""
    text = json.dumps(_nan_to_none(content), indent=1, allow_nan=False) + "\n"
    return write_atomically(path, lambda file: file.write(text.encode()))


def save_figure(path: Path, figure: Any) -> Path:
    """A figure of matplotlib in the format that the file's name ends with, atomically."""
    return write_atomically(path, lambda file: figure.savefig(file, format=path.suffix[1:].lower()))


def _nan_to_none(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _nan_to_none(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_nan_to_none(value) for value in content]
    return None if isinstance(content, float) and math.isnan(content) else content


def check_output(option: str, path: Path, inputs: tuple[Path, ...]) -> None:
    """InputError where a file cannot be written or would take the place of an input, before any work is done."""
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"{option} {path}: expected an existing folder, got {folder}")
    if path.is_dir():
        raise InputError(f"{option} {path}: expected a file, got a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{option} {path}: no permission to write in {folder}")
    for source in inputs:
        if path.exists() and source.exists() and path.samefile(source):
            raise InputError(f"{option} {path}: would overwrite what is to be read")
