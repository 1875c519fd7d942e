"""Miniature data sets in the layout of the published files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

Array = NDArray[np.float64]


def write_images(paths: Iterable[Path], size: tuple[int, int] = (60, 50)) -> None:
    """The same small noise image at each path, (height, width)."""
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    _, encoded = cv2.imencode(".png", pixels)
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded.tobytes())  # OpenCV looks at the content, not at the suffix


def write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def sports_joints(count: int, seed: int = 0) -> Array:
    """Joints and flags of `count` people, (count, 14, 3), MATLAB's pixels."""
    rng = np.random.default_rng(seed)
    places = rng.uniform((5, 5), (45, 55), (count, 14, 2))
    return np.concatenate([places, rng.integers(0, 2, (count, 14, 1))], axis=2)


def write_lsp(folder: Path, joints: Array) -> Path:
    """(N, 14, 3) in the layout of LSP: (3, 14, N), names of four digits."""
    write_images(folder / "images" / f"im{index + 1:04d}.jpg" for index in range(len(joints)))
    savemat(folder / "joints.mat", {"joints": joints.transpose(2, 1, 0)})
    return folder


def write_lspet(folder: Path, joints: Array) -> Path:
    """(N, 14, 3) in the layout of LSP-extended: (14, 3, N), names of five digits."""
    write_images(folder / "images" / f"im{index + 1:05d}.jpg" for index in range(len(joints)))
    savemat(folder / "joints.mat", {"joints": joints.transpose(1, 2, 0)}, do_compression=True)
    return folder
