"""Draws a results file: how near every contender comes to the machine's copy bandwidth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.runner import Row
from benchmarks.table import gigabytes_per_s

OURS_COLOUR, ROOF_COLOUR = "#c0392b", "#2c3e50"
COLOURS = ("#2980b9", "#e67e22", "#27ae60", "#8e44ad", "#16a085", "#7f8c8d", "#f1c40f", "#a04000")


def load(file: Path) -> tuple[dict[str, Any], list[Row]]:
    """``meta`` and rows of a results file; ValueError when it is not one."""
    try:
        content = json.loads(file.read_text())
        return content["meta"], [_row(row) for row in content["rows"]]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: expected a benchmark result with meta and rows, got {error!r}") from error


def save(file: Path, meta: dict[str, Any], rows: list[Row]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"meta": meta, "rows": [row.as_json() for row in rows]}
    file.write_text(json.dumps(content, indent=1) + "\n")


def _row(values: dict[str, Any]) -> Row:
    return Row(**{**values, "shape": tuple(values["shape"])})


def draw(meta: dict[str, Any], rows: list[Row], png: Path) -> None:
    """One line per case, bandwidth to the right; the bar is the copy (the roof), the dots are contenders."""
    from matplotlib.figure import Figure

    drawn = [row for row in rows if row.overhead_us is None]
    figure = Figure(figsize=(11, 1.6 + 0.32 * len(drawn)), layout="constrained")
    axes = figure.add_subplot()
    _draw_bandwidths(axes, drawn)
    axes.set_xscale("log")
    axes.set_xlabel("bytes that must move / time, GB/s (further right is faster)")
    axes.set_yticks(range(len(drawn)), [_label(row) for row in drawn])
    axes.invert_yaxis()
    axes.grid(axis="x", which="both", alpha=0.25)
    axes.set_title(_machine(meta), fontsize=10)
    figure.legend(loc="outside lower center", ncols=5, frameon=False)
    png.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(png, dpi=130)


def _draw_bandwidths(axes: Any, rows: list[Row]) -> None:
    def points(times: list[tuple[int, float | None]]) -> tuple[list[float], list[int]]:
        known = [(gigabytes_per_s(rows[y], ms), y) for y, ms in times if ms is not None]
        return [x for x, _ in known], [y for _, y in known]

    names = sorted({name for row in rows for name in row.alternatives})
    for index, name in enumerate(names):
        x, y = points([(y, row.alternatives.get(name)) for y, row in enumerate(rows)])
        axes.scatter(x, y, s=28, color=COLOURS[index % len(COLOURS)], alpha=0.8, label=name)
    x, y = points([(y, row.copy_ms) for y, row in enumerate(rows)])
    axes.scatter(x, y, s=260, marker="|", linewidths=3, color=ROOF_COLOUR, label="copy of the same bytes")
    x, y = points([(y, row.ours_ms) for y, row in enumerate(rows)])
    axes.scatter(x, y, s=60, marker="D", color=OURS_COLOUR, label="pyposeops")


def _label(row: Row) -> str:
    return f"{row.op} {row.case}\n{'x'.join(map(str, row.shape))} {row.dtype}"


def _machine(meta: dict[str, Any]) -> str:
    hardware, versions = meta["hardware"], meta["versions"]
    name = hardware["gpu"] if meta["device"] == "cuda" else f"{hardware['cpu']}, {meta['threads']} threads"
    commit = (meta["commit"] or "unknown")[:10]
    return f"{name}; torch {versions['torch']}; commit {commit}; {meta['date'][:10]}"
