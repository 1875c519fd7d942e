"""The command ``pyposeops evaluate``."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

import numpy as np

from pyposeops._info import build_info
from pyposeops.evaluate.coco import CocoSettings, score_coco
from pyposeops.evaluate.errors import InputError
from pyposeops.evaluate.joints import score_joints
from pyposeops.evaluate.options import add_options, checked_settings
from pyposeops.evaluate.people import read_results_file, read_truth_file
from pyposeops.evaluate.progress import Progress
from pyposeops.evaluate.reading import without_collection
from pyposeops.evaluate.report import Report
from pyposeops.evaluate.writing import save_figure, save_json

EXIT_BAD_INPUT = 2
STEPS = 7  # at most: two files, up to four of a metric, the curves


def add_command(commands: Any) -> None:
    """Adds ``evaluate`` to the subcommands of the parser."""
    command = commands.add_parser(
        "evaluate",
        help="score a file of results",
        description="Score COCO results against a COCO keypoint file.",
        epilog="Exits with 0, or with 2 and one line on standard error where a file or an option is wrong.",
    )
    add_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the figures; 0, or 2 with one line on standard error where a file or an option is wrong."""
    try:
        report = _evaluate(options)
    except InputError as error:
        print(f"pyposeops evaluate: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    try:
        print("\n".join(report.lines), flush=True)
    except (
        BrokenPipeError
    ):  # whoever reads has read enough, as `head` does; nothing is left to flush at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _evaluate(options: argparse.Namespace) -> Report:
    """Reads, scores and writes."""
    settings = checked_settings(options)
    # Joints at 1e300 pixels are far away, no matter for warnings.
    with without_collection(), np.errstate(over="ignore", invalid="ignore"), Progress(STEPS) as step:
        step(f"reading {options.truth}")
        truth = read_truth_file(options.truth)
        step(f"reading {options.results}")
        results = read_results_file(options.results)
        if isinstance(settings, CocoSettings):
            report = score_coco(truth, results, settings, step)
        else:
            report = score_joints(truth, results, settings, step)
        if options.plot is not None:
            step("drawing the figure")
            save_figure(options.plot, report.draw())
    if options.json is not None:
        files = {"ground_truth": str(options.truth), "results": str(options.results)}
        made_by = {"metric": options.metric, **files, "pyposeops": build_info()["version"]}
        save_json(options.json, {**made_by, **report.as_json()})
    return report
