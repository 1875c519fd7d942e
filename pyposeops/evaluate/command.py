"""The command ``pyposeops evaluate``."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

from pyposeops._info import build_info
from pyposeops.evaluate.coco import METRICS, CocoSettings, score, sigma_sets
from pyposeops.evaluate.errors import InputError
from pyposeops.evaluate.people import read_results_file, read_truth_file
from pyposeops.evaluate.progress import Progress
from pyposeops.evaluate.writing import check_output, save_json

EXIT_BAD_INPUT = 2


def add_command(commands: Any) -> None:
    """Adds ``evaluate`` to the subcommands of the parser."""
    command = commands.add_parser(
        "evaluate",
        help="score a file of results",
        description="Score COCO results against a COCO keypoint file.",
        epilog="Exits with 0, or with 2 and one line on standard error where a file or an option is wrong.",
    )
    command.add_argument("truth", type=Path, metavar="GT.json", help="annotated people, a COCO keypoint file")
    command.add_argument("results", type=Path, metavar="RESULTS.json", help="found people, COCO results")
    command.add_argument("--metric", choices=tuple(METRICS), default="coco", help="default: coco")
    command.add_argument("--json", type=Path, metavar="OUT.json", help="write the figures")
    command.add_argument(
        "--sigmas",
        type=_sigmas,
        metavar="SET",
        help=f"{', '.join(sigma_sets())}, or one number per joint with commas between; default: the metric's",
    )
    command.add_argument(
        "--max-dets", type=_positive, default=20, metavar="N", help="results that count per image; default 20"
    )
    command.add_argument(
        "--area",
        choices=("annotated", "box"),
        help="a person's area: as annotated (default of coco), or 0.53 of the box (default of crowdpose)",
    )
    command.add_argument(
        "--strict", action="store_true", help="repeat pycocotools to the bit, with what is odd in it"
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the figures; 0, or 2 with one line on standard error where a file or an option is wrong."""
    try:
        _evaluate(options)
    except InputError as error:
        print(f"pyposeops evaluate: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return 0


def _evaluate(options: argparse.Namespace) -> None:
    if options.json is not None:
        check_output("--json", options.json, (options.truth, options.results))
    settings = CocoSettings(
        metric=options.metric,
        sigmas=options.sigmas,
        max_dets=options.max_dets,
        use_area=None if options.area is None else options.area == "annotated",
        strict=options.strict,
    )
    with Progress(6) as step:
        step(f"reading {options.truth}")
        truth = read_truth_file(options.truth)
        step(f"reading {options.results}")
        results = read_results_file(options.results)
        report, _ = score(truth, results, settings, step)
    print("\n".join(report.lines))
    if options.json is not None:
        files = {"ground_truth": str(options.truth), "results": str(options.results)}
        made_by = {"metric": options.metric, **files, "pyposeops": build_info()["version"]}
        save_json(options.json, {**made_by, **report.as_json()})


def _sigmas(text: str) -> tuple[float, ...]:
    """A named set, or numbers with commas between."""
    known = sigma_sets()
    if text in known:
        return known[text]
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected {', '.join(known)} or one number per joint with commas between, got {text!r}"
        ) from None
    if not all(0 < number < math.inf for number in numbers):
        raise argparse.ArgumentTypeError(f"expected numbers above 0, got {text!r}")
    return numbers


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected an integer above 0, got {text!r}")
    return int(text)
