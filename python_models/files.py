"""Writing files so that a reader, or a run that dies half-way, never meets half a file."""

import shutil
from pathlib import Path
from typing import Any

import torch

from pyposeops.evaluate.writing import save_json, write_atomically

__all__ = ["copy_atomically", "save_checkpoint", "save_json", "write_atomically"]


def save_checkpoint(path: str | Path, content: dict[str, Any]) -> Path:
    """`torch.save`, atomically."""
    return write_atomically(path, lambda file: torch.save(content, file))


def copy_atomically(source: Path, path: Path) -> Path:
    """A copy of a file under another name."""
    with source.open("rb") as content:
        return write_atomically(path, lambda file: shutil.copyfileobj(content, file))
