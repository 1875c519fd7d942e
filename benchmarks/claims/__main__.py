"""``python -m benchmarks.claims``: train what the claims compare, measure it, write the page of it."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import environment, trainings
from benchmarks.claims import measure, page
from benchmarks.claims.claims import CLAIMS, Claim, Subject
from benchmarks.claims.runs import BUDGETS, RUNS, Budget
from python_models.errors import UserError
from python_models.files import save_json
from python_models.sources import open_evaluation_data, open_training_data

RESULTS = Path(__file__).resolve().parents[1] / "results"
Measured = tuple[str, str, int | None]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "claims.md"


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claims", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, purpose in (
        ("train", "train what is missing, go on with what was stopped"),
        ("measure", "score"),
    ):
        command = commands.add_parser(name, help=purpose)
        command.add_argument("--data", required=True, help="as for python_models train")
        command.add_argument("--budget", choices=list(BUDGETS), default="cpu")
        command.add_argument("--runs", type=Path, default=Path("runs/claims"), metavar="FOLDER")
        command.add_argument("--only", nargs="+", choices=list(RUNS), metavar="RUN", help=", ".join(RUNS))
    command.add_argument(
        "--json", type=Path, metavar="FILE", help="default: benchmarks/results/claims-BUDGET.json"
    )
    commands.add_parser("page", help=f"write docs/{PAGE.name} from the results")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    parser = build_parser()
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "train":
            return train(chosen.budget, chosen.data, chosen.runs / chosen.budget, chosen.only or list(RUNS))
        if chosen.command == "measure":
            target = chosen.json or RESULTS / f"claims-{chosen.budget}.json"
            save_json(target, results(chosen.budget, chosen.data, chosen.runs / chosen.budget, chosen.only))
            print(f"written: {target}")
        else:
            PAGE.write_text(
                page.text([json.loads(file.read_text()) for file in sorted(RESULTS.glob("claims-*"))])
            )
            print(f"written: {PAGE}")
    except (OSError, UserError) as error:
        parser.error(str(error))
    return 0


def train(budget: Budget, data: str, folder: Path, names: Sequence[str]) -> int:
    """The exit code of the first training that fails, else 0."""
    return trainings.train(
        {folder / name: RUNS[name].arguments(budget, data, folder / name) for name in names}
    )


def results(budget: Budget, data: str, folder: Path, only: Sequence[str] | None) -> dict[str, Any]:
    """Of all claims whose trainings are there."""
    claims = [
        claim
        for claim in CLAIMS
        if all(_there(subject, folder, only) for subject in (*claim.subjects, *claim.beside))
    ]
    measured: dict[Measured, measure.Distances] = {}
    for subject in [subject for claim in claims for subject in (*claim.subjects, *claim.beside)]:
        if (key := key_of(subject)) not in measured:
            measured[key] = measure.measure(subject, folder / subject.run, data)
            print(*key, measure.figures(measured[key]), flush=True)
    return {
        "meta": environment.describe(torch.device("cuda" if torch.cuda.is_available() else "cpu")),
        "budget": budget,
        "people": people(data),
        "claims": [_as_json(claim, measured) for claim in claims],
        "commands": {
            name: RUNS[name].arguments(budget, "LSPET", Path("runs/claims") / budget / name)
            for name in _with_starts(subject.run for claim in claims for subject in claim.subjects)
        },
    }


def _with_starts(names: Iterable[str]) -> list[str]:
    """Each once, after the run that it goes on from."""
    return list(
        dict.fromkeys(run for name in names for run in (RUNS[name].goes_on_from, name) if run is not None)
    )


def people(data: str) -> dict[str, int]:
    return {
        "trained on": len(open_training_data(data, images=None, count=0)),
        "scored": len(open_evaluation_data(data, images=None, count=0)),
    }


def _there(subject: Subject, folder: Path, only: Sequence[str] | None) -> bool:
    return trainings.finished(folder / subject.run) and (only is None or subject.run in only)


def key_of(subject: Subject) -> Measured:
    """What a subject is but for its label."""
    return subject.run, subject.refine, subject.stage


def _figures(subject: Subject, measured: dict[Measured, measure.Distances]) -> dict[str, float]:
    return measure.figures(measured[key_of(subject)])


def _as_json(claim: Claim, measured: dict[Measured, measure.Distances]) -> dict[str, Any]:
    found = [measured[key_of(subject)] for subject in claim.subjects]
    steps = [measure.interval(worse, better, claim.threshold) for worse, better in itertools.pairwise(found)]
    return {
        "title": claim.title,
        "source": claim.source,
        "threshold": claim.threshold,
        "subjects": [
            {
                "label": subject.label,
                "run": subject.run,
                "refine": subject.refine,
                **_figures(subject, measured),
            }
            for subject in (*claim.subjects, *claim.beside)
        ],
        "intervals": steps,
        "verdict": measure.verdict(steps),
        "remark": claim.remark,
    }


if __name__ == "__main__":
    sys.exit(main())
