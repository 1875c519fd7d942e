"""docs/crowds.md, written from the results file."""

from __future__ import annotations

from typing import Any

from benchmarks.shell import shell

HEADER = """# Several people, compared on generated crowds

Written by `python -m benchmarks.crowds page` from `benchmarks/results/crowds-cpu.json`. Small networks, each trained
for minutes on generated crowds, find the people of {images} other images; the figures are OKS-AP. Boxes are made from
the true ones: each side moved by a normal draw (standard deviation in units of the width or height), one to three
boxes for each person unless they are the true ones, with a score that is their overlap with the true box, disturbed
by 0.05.

The gain is an interval, by the t distribution over {parts} parts of the images (95 %). **Borne
out**: it lies above zero. **Not borne out**: below. **Undecided**: neither. One training stands behind each network,
so the intervals leave out what another seed would change.

    python -m benchmarks.crowds train
    python -m benchmarks.crowds measure

The first command goes on where it was stopped.
"""


def text(content: dict[str, Any]) -> str:
    meta = content["meta"]
    machine = (
        f"{meta['hardware']['cpu']}, {meta['hardware']['cores']} cores; torch {meta['versions']['torch']}"
    )
    parts = [HEADER.format(**content), f"{machine}; commit {meta['commit']}.", ""]
    parts += [_table(table) for table in content["tables"]]
    return "\n".join([*parts, _commands(content)])


def _table(table: dict[str, Any]) -> str:
    labels = [own["label"] for own in table["columns"]]
    lines = [
        f"## {table['title']}",
        "",
        f"{table['source']}.",
        "",
        f"| | run | method | {' | '.join(labels)} |",
        f"|---|---|---|{'--:|' * len(labels)}",
    ]
    for row in table["rows"]:
        figures = " | ".join(f"{own:.3f}" for own in row["AP"])
        lines.append(f"| {row['label']} | `{row['run']}` | `{row['method']}` | {figures} |")
    indices = " | ".join(f"{own['crowd index']:.2f}" for own in table["columns"])
    lines += [f"| *crowd index of the images* | | | {indices} |", "", "| claim | | gain |", "|---|---|---|"]
    for comparison in table["comparisons"]:
        low, high = comparison["interval"]
        where = labels[comparison["column"]]
        if comparison["beside"] is not None:
            where += f", beyond that at {labels[comparison['beside']]}"
        gain = f"{low:+.3f} to {high:+.3f} ({where})"
        lines.append(f"| {comparison['claim']} | **{comparison['verdict']}** | {gain} |")
    return "\n".join([*lines, ""])


def _commands(content: dict[str, Any]) -> str:
    lines = ["## Commands", "", f"    python -m python_models {shell(content['generate'])}", ""]
    for arguments in content["commands"].values():
        lines += [f"    python -m python_models {shell(arguments)}", ""]
    return "\n".join(lines)
