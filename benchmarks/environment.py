"""What a number depends on beside the code: hardware, versions, commit, threads."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import pyposeops

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "torch",
    "numpy",
    "opencv-python",
    "opencv-python-headless",
    "kornia",
    "torchvision",
    "pycocotools",
    "faster-coco-eval",
    "orjson",
)


def describe(device: torch.device) -> dict[str, Any]:
    """The ``meta`` part of a results file."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "device": device.type,
        "threads": torch.get_num_threads(),
        "hardware": {
            "cpu": _cpu_name(),
            "cores": os.cpu_count(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        "versions": {"python": platform.python_version(), "cuda": torch.version.cuda, **_packages()},
        "build": pyposeops.build_info(),
    }


def _packages() -> dict[str, str]:
    installed = {}
    for name in PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


def _cpu_name() -> str:
    """The CPU's marketing name where the system tells it, else its architecture."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    """The commit measured, with ``+changes`` when the working tree differs; None outside a repository."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
