"""``python -m benchmarks.crowds``: train what is compared on generated crowds, measure it, write the page of it."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import environment, trainings
from benchmarks.crowds import page
from benchmarks.crowds.measure import IMAGES_PER_PART, PARTS, Scenes, measure
from benchmarks.crowds.runs import RUNS, generate_arguments, train_arguments
from benchmarks.crowds.scenes import TABLES
from python_models.errors import UserError
from python_models.files import save_json

RESULT = Path(__file__).resolve().parents[1] / "results" / "crowds-cpu.json"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "crowds.md"


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crowds", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, purpose in (
        ("train", "draw the people, train what is missing, go on with what was stopped"),
        ("measure", "score"),
    ):
        command = commands.add_parser(name, help=purpose)
        command.add_argument("--runs", type=Path, default=Path("runs/crowds"), metavar="FOLDER")
    command.add_argument("--json", type=Path, default=RESULT, metavar="FILE")
    commands.add_parser("page", help=f"write docs/{PAGE.name} from the results")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    parser = build_parser()
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "train":
            return train(chosen.runs)
        if chosen.command == "measure":
            save_json(chosen.json, results(chosen.runs))
            print(f"written: {chosen.json}")
        else:
            PAGE.write_text(page.text(json.loads(RESULT.read_text())))
            print(f"written: {PAGE}")
    except (OSError, UserError) as error:
        parser.error(str(error))
    return 0


def train(folder: Path) -> int:
    """The exit code of the first command that fails, else 0."""
    people = folder / "people"
    if not people.exists():
        code = subprocess.run([sys.executable, "-m", "python_models", *generate_arguments(people)]).returncode
        if code:
            return code
    return trainings.train({folder / name: train_arguments(name, people, folder / name) for name in RUNS})


def results(folder: Path) -> dict[str, Any]:
    unfinished = [name for name in RUNS if not trainings.finished(folder / name)]
    if unfinished:
        raise UserError(f"{folder}: not trained to the end: {', '.join(unfinished)}")
    scenes = Scenes(folder)
    shown = Path("runs/crowds")
    return {
        "meta": environment.describe(torch.device("cpu")),
        "images": PARTS * IMAGES_PER_PART,
        "parts": PARTS,
        "tables": [measure(table, scenes) for table in TABLES],
        "generate": generate_arguments(shown / "people"),
        "commands": {name: train_arguments(name, shown / "people", shown / name) for name in RUNS},
    }


if __name__ == "__main__":
    sys.exit(main())
