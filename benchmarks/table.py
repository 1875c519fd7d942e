"""Results as text: one block per case while running, one Markdown table in a report."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.runner import OURS, Row

COLUMNS = (
    "op",
    "case",
    "shape",
    "dtype",
    "ours ms",
    "best alternative",
    "times faster",
    "GB/s",
    "times copy",
)


def best_alternative(row: Row) -> tuple[str, float] | None:
    """Name and milliseconds of the fastest alternative, or None when the row has none."""
    return min(row.alternatives.items(), key=lambda item: item[1], default=None)


def gigabytes_per_s(row: Row, ms: float) -> float:
    """The bytes the operator must move over the time a contender took: what that time is worth."""
    return (row.bytes_read + row.bytes_written) / ms * 1e-6


def block(row: Row) -> str:
    """All contenders of a row, each with its bandwidth and its ratio to ours."""
    lines = [f"{row.op} | {row.case} | {row.shape} {row.dtype} | {row.device}"]
    if row.overhead_us is not None:
        lines.append(f"    {row.overhead_us:.2f} us over the allocation of its outputs")
        return "\n".join(lines)
    copy = f"   {row.ours_ms / row.copy_ms:6.2f} times the copy" if row.copy_ms else ""
    lines.append(_contender(row, OURS, row.ours_ms) + copy)
    best = best_alternative(row)
    for name, ms in row.alternatives.items():
        mark = "   <- best alternative" if best and name == best[0] else ""
        lines.append(_contender(row, name, ms) + f"   {ms / row.ours_ms:6.2f} times ours{mark}")
    further = {"copy": row.copy_ms, "ours in a graph": row.graph_ms}
    lines.extend(_contender(row, name, ms) for name, ms in further.items() if ms is not None)
    if row.undisturbed < 0.5:
        lines.append(f"    the machine was busy: only {row.undisturbed:.0%} of the slices had their cores")
    lines.extend(f"    note on {name}: {note}" for name, note in row.notes.items())
    return "\n".join(lines)


def _contender(row: Row, name: str, ms: float) -> str:
    return f"    {name:<20}{ms:10.4f} ms {gigabytes_per_s(row, ms):9.2f} GB/s"


def markdown(rows: Iterable[Row]) -> str:
    """One line per row: ours, the best alternative, bandwidth, ratio to the copy."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---|---|---|---|--:|---|--:|--:|--:|"]
    lines.extend(f"| {' | '.join(_cells(row))} |" for row in rows)
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    what = row.op, row.case, "x".join(map(str, row.shape)), row.dtype, f"{row.ours_ms:.4f}"
    if row.overhead_us is not None:
        return *what, f"overhead {row.overhead_us:.2f} us", "", "", ""
    best = best_alternative(row)
    name, times = (f"{best[0]} {best[1]:.3f} ms", f"{best[1] / row.ours_ms:.1f}") if best else ("", "")
    copy = f"{row.ours_ms / row.copy_ms:.2f}" if row.copy_ms else ""
    return *what, name, times, f"{gigabytes_per_s(row, row.ours_ms):.1f}", copy
