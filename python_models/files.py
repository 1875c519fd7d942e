"""Writing files so that a reader, or a run that dies half-way, never meets half a file."""

from pathlib import Path
from typing import Any

import torch

from pyposeops.evaluate.writing import save_json, write_atomically

__all__ = ["save_checkpoint", "save_json", "write_atomically"]


def save_checkpoint(path: str | Path, content: dict[str, Any]) -> Path:
    """`torch.save`, atomically."""
    return write_atomically(path, lambda file: torch.save(content, file))
