"""The trainings that are compared, each as options of `python -m python_models train`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# One crowding for all trainings: what is in between those that are scored.
PEOPLE = {"data": "crowds:0.5", "train_count": 1600, "val_count": 100}
_NARROW = {"width": 32, "deconv_channels": [64, 64, 64]}
_ALL: dict[str, Any] = {
    "optimizer": "adamw",
    "schedule": "cosine",
    "warmup_steps": 100,
    "devices": 1,
    "workers": 0,
}
_PERSON: dict[str, Any] = {
    "model": "pose_resnet18",
    "options": _NARROW,
    "input_size": [96, 64],
    "encoding": "unbiased",
    "sigma_px": 1.0,
    "lr": 2e-3,
    "batch_size": 32,
    "epochs": 16,
    "augmentation.scale": 0.25,
    "augmentation.rotation_deg": 30.0,
    "augmentation.half_body_probability": 0.0,
}
_IMAGE: dict[str, Any] = {
    "model": "lightweight_openpose",
    "options": {"width": 16},
    "input_size": [128, 192],
    "sigma_px": 0.7,
    "lr": 2e-3,
    "batch_size": 8,
    "epochs": 18,
    "augmentation.scale": 0.2,
    "augmentation.rotation_deg": 15.0,
    "augmentation.translation": 0.05,
}

RUNS: dict[str, dict[str, Any]] = {
    "person": _PERSON,
    "person-candidates": {**_PERSON, "loss.interference_weight": 0.5},
    "person-noisy": {**_PERSON, "augmentation.proposals": "published"},
    "person-stn": {
        **_PERSON,
        "augmentation.proposals": "published",
        "stn_width": 32,
        "phase_epochs": [10, 6],
    },
    "image": _IMAGE,
}


def generate_arguments(folder: Path) -> list[str]:
    """Of `python -m python_models`, to make the people that all runs see."""
    return ["generate", "--out", str(folder), *_options(PEOPLE)]


def train_arguments(name: str, people: Path, out: Path) -> list[str]:
    """Of `python -m python_models`."""
    return ["train", "--data", str(people), "--out", str(out), *_options({**_ALL, **RUNS[name]})]


def _options(values: dict[str, Any]) -> list[str]:
    return [
        part
        for name, value in values.items()
        for part in (f"--{name}", value if isinstance(value, str) else json.dumps(value))
    ]
