"""What an evaluation found: lines to print and numbers to keep."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Numbers = Mapping[str, float]


@dataclass(frozen=True)
class Report:
    """
    Args:
        lines: to print.
        figures: name -> number of the whole.
        per_joint: name of a joint, or of a limb where limbs are scored -> name -> number.
        settings: what the numbers depend on.
        counts: of what was read.
        draw: makes the curves as a figure of matplotlib.
    """

    lines: Sequence[str]
    figures: Numbers
    per_joint: Mapping[str, Numbers]
    settings: Mapping[str, Any]
    counts: Mapping[str, int]
    draw: Callable[[], Any]

    def as_json(self) -> dict[str, Any]:
        return {
            "settings": dict(self.settings),
            "counts": dict(self.counts),
            "figures": dict(self.figures),
            "per_joint": {name: dict(numbers) for name, numbers in self.per_joint.items()},
        }


def table(rows: Mapping[str, Numbers], columns: Sequence[str], heading: str) -> list[str]:
    """Numbers to three places under the names of their columns; a dash for NaN and for one that is missing."""
    first = max(len(name) for name in (heading, *rows))
    widths = [max(len(column), 6) for column in columns]
    lines = [_line(heading, first, columns, widths)]
    for name, numbers in rows.items():
        cells = [_cell(numbers.get(column, math.nan)) for column in columns]
        lines.append(_line(name, first, cells, widths))
    return lines


def _line(name: str, first: int, cells: Sequence[str], widths: Sequence[int]) -> str:
    row = "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
    return f" {name:<{first}}{row}"


def _cell(number: float) -> str:
    if math.isnan(number):
        return "-"
    return str(number) if isinstance(number, int) else f"{number:.3f}"
