"""``python -m benchmarks``: run the benchmarks, or draw a results file."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks import environment, memory, metrics, ops, report, table
from benchmarks.checks import ResultDiffersError
from benchmarks.runner import FULL, QUICK, Effort, Row, run_case, run_overhead, run_slow_case

SLOW_ROUNDS = 3
QUICK_IMAGES = 300


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--op", nargs="+", choices=ops.names(), metavar="NAME", help=", ".join(ops.names()))
    parser.add_argument("--metrics", action="store_true", help="whole evaluations in place of operators; CPU")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write meta and rows")
    parser.add_argument("--quick", action="store_true", help="few cases, short timing, nothing that compiles")
    parser.add_argument("--seconds", type=float, help="of timing per case, default 3 (1 with --quick)")
    parser.add_argument("--threads", type=int, help="CPU threads of torch and OpenCV")
    commands = parser.add_subparsers(dest="command")
    drawing = commands.add_parser("report", help="print the table of a results file and draw its plot")
    drawing.add_argument("file", type=Path)
    drawing.add_argument("--out", type=Path, metavar="PNG", help="default: beside the file")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs or reports; 0, or 1 when an operator does not compute its definition, or 2 for a wrong request."""
    parser = build_parser()
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "report":
            _report(chosen.file, chosen.out or chosen.file.with_suffix(".png"))
        else:
            _run(chosen)
    except ResultDiffersError as error:
        print(f"wrong result: {error}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return 0


def _run(chosen: argparse.Namespace) -> None:
    device = torch.device(chosen.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: expected a usable CUDA device, got none")
    if chosen.threads:
        _use_threads(chosen.threads)
    memory.keep_freed_memory()
    rows = []
    effort = QUICK if chosen.quick else FULL
    if chosen.seconds:
        effort = replace(effort, case_s=chosen.seconds)
    for row in _metric_rows(chosen) if chosen.metrics else _all_rows(chosen, device, effort):
        print(table.block(row), flush=True)
        rows.append(row)
    print(table.markdown(rows))
    if chosen.json:
        report.save(chosen.json, environment.describe(device), rows)


def _metric_rows(chosen: argparse.Namespace) -> Iterator[Row]:
    if chosen.op or chosen.device != "cpu":
        raise ValueError("--metrics: expected neither --op nor another device than cpu")
    for case in metrics.cases(QUICK_IMAGES if chosen.quick else None):
        yield run_slow_case(case, SLOW_ROUNDS)


def _all_rows(chosen: argparse.Namespace, device: torch.device, effort: Effort) -> Iterator[Row]:
    for op in chosen.op or ops.names():
        yield from _rows(op, device, effort, chosen.quick)


def _rows(op: str, device: torch.device, effort: Effort, quick: bool) -> Iterator[Row]:
    for case in ops.cases_of(op):
        if case.quick or not quick:
            yield run_case(case, device, effort)
    if device.type == "cpu":
        yield run_overhead(ops.overhead_of(op), effort)


def _use_threads(count: int) -> None:
    torch.set_num_threads(count)
    if importlib.util.find_spec("cv2"):
        importlib.import_module("cv2").setNumThreads(count)


def _report(file: Path, png: Path) -> None:
    meta, rows = report.load(file)
    print(table.markdown(rows))
    report.draw(meta, rows, png)
    print(f"plot: {png}")


if __name__ == "__main__":
    sys.exit(main())
