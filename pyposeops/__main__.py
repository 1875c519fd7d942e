"""The command ``pyposeops``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from pyposeops._info import build_info
from pyposeops.evaluate.command import add_command as add_evaluate


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="pyposeops", description="Operators for 2D human pose estimation.")
    commands = parser.add_subparsers(dest="command", required=True)
    info = commands.add_parser("info", help="version, instruction set, threads, CUDA, torch")
    info.add_argument("--json", action="store_true", help="print JSON")
    info.set_defaults(run=_info)
    add_evaluate(commands)
    options = parser.parse_args(arguments)
    exit_code: int = options.run(options)
    return exit_code


def _info(options: argparse.Namespace) -> int:
    facts = build_info()
    if options.json:
        print(json.dumps(facts))
    else:
        for name, value in facts.items():
            print(f"{name:20}{value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
