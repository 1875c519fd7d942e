"""docs/claims.md, written from the results files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from benchmarks.claims.claims import THRESHOLDS
from benchmarks.shell import shell

HEADER = """# What the literature claims, tried

Written by `python -m benchmarks.claims page` from the files `benchmarks/results/claims-*.json`. Each table sets
networks side by side that saw the same people in the same number of epochs with the same schedule, but for stages
and phases of one run, which come after each other; they differ in what the claim is about. The data are the people
of LSP-extended (Johnson and Everingham, CVPR 2011). PCK counts the labelled joints of unseen people that are off by
no more than so many torso diagonals; the column in bold decides. The interval is that of the step from the row
above, from 2,000 drawings of the people with replacement (95 %).

**Borne out**: every step's interval lies above zero. **Not borne out**: one lies below. **Undecided**: neither. One
training stands behind each row, so the intervals leave out what another seed would change.

To do it again, with the folder of the data in place of LSPET:

    python -m benchmarks.claims train --data LSPET --budget {budget}
    python -m benchmarks.claims measure --data LSPET --budget {budget}

The first command goes on where it was stopped; what it runs for each row stands at the end.
"""


def text(files: Sequence[dict[str, Any]]) -> str:
    parts = [HEADER.format(budget="|".join(content["budget"] for content in files) or "cpu")]
    for content in files:
        parts += [_machine(content), *(_claim(claim) for claim in content["claims"]), _commands(content)]
    return "\n".join(parts)


def _machine(content: dict[str, Any]) -> str:
    meta, people = content["meta"], content["people"]
    hardware = meta["hardware"]["gpu"] or f"{meta['hardware']['cpu']}, {meta['hardware']['cores']} cores"
    counts = f"trained on {people['trained on']:,} people, scored on {people['scored']:,}"
    size, epochs = (_setting(content, name) for name in ("input_size", "epochs"))
    lines = [
        f"## Budget `{content['budget']}`: {epochs} epochs of crops of {size[0]} x {size[1]} pixels",
        "",
        f"{hardware}; torch {meta['versions']['torch']}; {counts}; commit {meta['commit']}.",
    ]
    if content["budget"] == "cpu":
        lines.append(
            "The networks are narrowed and the crops small, so that each training takes minutes on one core: the\n"
            "figures are far below those of the papers, and only the order of the rows is of interest."
        )
    return "\n".join([*lines, ""])


def _setting(content: dict[str, Any], name: str) -> Any:
    """The largest value among the runs."""
    return max(
        json.loads(arguments[arguments.index(f"--{name}") + 1]) for arguments in content["commands"].values()
    )


def _claim(claim: dict[str, Any]) -> str:
    titles = [f"PCK@{threshold}" for threshold in THRESHOLDS]
    decides = f"PCK@{claim['threshold']}"
    shown = [f"**{title}**" if title == decides else title for title in titles]
    rows = [
        f"### {claim['title']}",
        "",
        f"{claim['source']}. **{claim['verdict'].capitalize()}.** {claim['remark']}".rstrip(),
        "",
        f"| | run | {' | '.join(shown)} | step |",
        f"|---|---|{'---|' * len(shown)}---|",
    ]
    steps = ["", *(f"{low:+.3f} to {high:+.3f}" for low, high in claim["intervals"])]
    steps += [""] * (len(claim["subjects"]) - len(steps))
    for subject, step in zip(claim["subjects"], steps, strict=True):
        figures = " | ".join(f"{subject[title]:.3f}" for title in titles)
        rows.append(f"| {subject['label']} | `{subject['run']}` | {figures} | {step} |")
    return "\n".join([*rows, ""])


def _commands(content: dict[str, Any]) -> str:
    shared = _shared(list(content["commands"].values()))
    lines = ["### Commands", "", "Every run has these options, and those of its row:", ""]
    lines += [f"    python -m python_models train {shell(shared)}", ""]
    lines += ["| run | options |", "|---|---|"]
    for name, arguments in content["commands"].items():
        own = [part for pair in _pairs(arguments) if pair not in _pairs(shared) for part in pair]
        lines.append(f"| `{name}` | `{shell(own)}` |")
    return "\n".join([*lines, ""])


def _pairs(arguments: Sequence[str]) -> list[tuple[str, str]]:
    options = arguments[1:] if arguments[0] == "train" else arguments
    return list(zip(options[::2], options[1::2], strict=True))


def _shared(commands: Sequence[Sequence[str]]) -> list[str]:
    first, *rest = commands
    return [part for pair in _pairs(first) if all(pair in _pairs(other) for other in rest) for part in pair]
