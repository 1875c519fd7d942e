"""Writing files so that a reader, or a run that dies half-way, never meets half a file."""

import shutil
from pathlib import Path
from typing import Any

import torch

from pyposeops.evaluate.writing import save_figure, save_json, write_atomically
from python_models.errors import UserError

__all__ = [
    "check_output_file",
    "check_output_folder",
    "copy_atomically",
    "save_checkpoint",
    "save_figure",
    "save_json",
    "write_atomically",
]


def save_checkpoint(path: str | Path, content: dict[str, Any]) -> Path:
    """`torch.save`, atomically."""
    return write_atomically(path, lambda file: torch.save(content, file))


def check_output_file(option: str, path: str | Path) -> Path:
    """The path of a file that can be written; raises UserError for a folder, before any work is done."""
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{option} {path}: expected a file, got a folder")
    return path


def check_output_folder(option: str, path: str | Path) -> Path:
    """The path of a folder that can be written to; raises UserError for a file, before any work is done."""
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise UserError(f"{option} {path}: expected a folder, got a file")
    return path


def copy_atomically(source: Path, path: Path) -> Path:
    """A copy of a file under another name."""
    with source.open("rb") as content:
        return write_atomically(path, lambda file: shutil.copyfileobj(content, file))
