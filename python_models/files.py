"""Writing files so that a reader, or a run that dies half-way, never meets half a file."""

import json
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch


def write_atomically(path: str | Path, write: Callable[[BinaryIO], Any]) -> Path:
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


def save_checkpoint(path: str | Path, content: dict[str, Any]) -> Path:
    """`torch.save`, atomically."""
    return write_atomically(path, lambda file: torch.save(content, file))


def save_json(path: str | Path, content: Any) -> Path:
    """Indented JSON, atomically; NaN, which JSON does not have, becomes null."""
    text = json.dumps(_nan_to_none(content), indent=1, allow_nan=False) + "\n"
    return write_atomically(path, lambda file: file.write(text.encode()))


def _nan_to_none(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _nan_to_none(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_nan_to_none(value) for value in content]
    return None if isinstance(content, float) and math.isnan(content) else content
