"""The options of ``pyposeops evaluate``, and the settings that they make."""

from __future__ import annotations

import argparse
import importlib
import math
from pathlib import Path

from pyposeops.evaluate import coco, joints
from pyposeops.evaluate.coco import CocoSettings, sigma_sets
from pyposeops.evaluate.errors import InputError
from pyposeops.evaluate.joint_scores import UNITS, JointSettings
from pyposeops.evaluate.writing import check_output

METRICS = (*coco.METRICS, *joints.METRICS)
PLOT_FORMATS = (".png", ".pdf", ".svg")
# Option -> the metrics it belongs to.
_BELONGS = {
    "sigmas": tuple(coco.METRICS),
    "area": tuple(coco.METRICS),
    "strict": tuple(coco.METRICS),
    "size": ("pck",),
    "rule": ("pcp",),
    "threshold": ("pck", "pckh", "pcp"),
}


def add_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("truth", type=Path, metavar="GT.json", help="annotated people, a COCO keypoint file")
    command.add_argument("results", type=Path, metavar="RESULTS.json", help="found people, COCO results")
    command.add_argument("--metric", choices=METRICS, default="coco", help="default: coco")
    command.add_argument("--json", type=Path, metavar="OUT.json", help="write the figures")
    command.add_argument(
        "--plot",
        type=Path,
        metavar="OUT.png",
        help="draw precision over recall, or the share of joints found",
    )
    command.add_argument(
        "--max-dets", type=_positive, default=20, metavar="N", help="results that count per image; default 20"
    )
    average_precision = command.add_argument_group("coco and crowdpose")
    average_precision.add_argument(
        "--sigmas",
        type=_sigmas,
        metavar="SET",
        help=f"{', '.join(sigma_sets())}, or one number per joint with commas between; default: the metric's",
    )
    average_precision.add_argument(
        "--area",
        choices=("annotated", "box"),
        help="a person's area: as annotated (default of coco), or 0.53 of the box (default of crowdpose)",
    )
    average_precision.add_argument(
        "--strict",
        action="store_true",
        default=None,
        help="repeat pycocotools to the bit, with what is odd in it",
    )
    parts_found = command.add_argument_group("pck, pckh and pcp")
    parts_found.add_argument(
        "--threshold",
        type=_part,
        metavar="PART",
        help="of the person's or limb's size; default 0.2 for pck, 0.5 for pckh and pcp",
    )
    parts_found.add_argument("--size", choices=tuple(UNITS), help="what pck measures in; default torso")
    parts_found.add_argument(
        "--rule",
        choices=("strict", "relaxed", "mean_length"),
        help="pcp: both ends of a limb (default), their mean, or both ends against the limb's mean length",
    )


def checked_settings(options: argparse.Namespace) -> CocoSettings | JointSettings:
    """Settings of the metric; InputError for an option of another one, or an output that cannot be written."""
    given = {name: getattr(options, name) for name in _BELONGS if getattr(options, name) is not None}
    for name in given:
        if options.metric not in _BELONGS[name]:
            metrics = " or ".join(_BELONGS[name])
            raise InputError(f"--{name}: expected --metric {metrics} with it, got {options.metric}")
    _check_outputs(options)
    if options.metric in joints.METRICS:
        return JointSettings(metric=options.metric, max_dets=options.max_dets, **given)
    if "area" in given:
        given["use_area"] = given.pop("area") == "annotated"
    return CocoSettings(metric=options.metric, max_dets=options.max_dets, **given)


def _check_outputs(options: argparse.Namespace) -> None:
    inputs = (options.truth, options.results)
    if options.json is not None:
        check_output("--json", options.json, inputs)
    if options.plot is None:
        return
    check_output("--plot", options.plot, inputs)
    if options.plot.suffix.lower() not in PLOT_FORMATS:
        raise InputError(f"--plot {options.plot}: expected a name that ends with {' or '.join(PLOT_FORMATS)}")
    if options.json is not None and options.plot.resolve() == options.json.resolve():
        raise InputError(f"--plot {options.plot}: expected another file than --json")
    try:
        importlib.import_module("pyposeops.metrics.plots")
    except ModuleNotFoundError as error:
        raise InputError(f"--plot needs {error.name}: pip install 'pyposeops[metrics]'") from error


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


def _part(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number from 0 on, got {text!r}")
    return number
