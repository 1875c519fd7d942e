"""Running trainings whose results are compared: what is missing is trained, what was stopped goes on."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from python_models.training_state import LAST


def train(commands: Mapping[Path, Sequence[str]]) -> int:
    """The exit code of the first training that fails, else 0; by folder, the arguments of `python_models`."""
    for out, fresh in commands.items():
        if finished(out):
            print(f"{out.name}: there already, in {out}")
            continue
        arguments = ["train", "--resume", str(out)] if (out / LAST).exists() else list(fresh)
        print(f"{out.name}: python -m python_models {' '.join(arguments)}", flush=True)
        code = subprocess.run([sys.executable, "-m", "python_models", *arguments]).returncode
        if code:
            return code
    return 0


def finished(run: Path) -> bool:
    """Whether the last of its epochs stands in its history."""
    settings, history = run / "settings.json", run / "history.csv"
    if not (settings.exists() and history.exists()):
        return False
    with history.open(newline="") as file:
        epochs = [int(row["epoch"]) for row in csv.DictReader(file)]
    wanted = json.loads(settings.read_text())
    return max(epochs, default=0) >= (sum(wanted.get("phase_epochs") or ()) or wanted["epochs"])
