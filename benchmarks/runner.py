"""Runs one case: checks every contender against the definition, then times those that passed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch

from benchmarks.cases import Alternative, Case, Inputs, Overhead, dtype_name
from benchmarks.checks import ResultDiffersError, check_result, tensors_of
from benchmarks.timing import Run, Samples, time_all, time_call, time_in_graph, time_overhead
from benchmarks.yardstick import copy_of

OURS, COPY = "pyposeops", "copy"
SHORT_MS, CALLS_OF_SHORT = 500, 5  # of what takes seconds: a call below that is repeated in each round


@dataclass(frozen=True)
class Effort:
    """How long a run may take: seconds of timing per case, whether compilers start, calls for overheads."""

    case_s: float
    slow_starts: bool
    overhead_calls: int
    overhead_rounds: int


FULL = Effort(case_s=3.0, slow_starts=True, overhead_calls=2000, overhead_rounds=25)
QUICK = Effort(case_s=1.0, slow_starts=False, overhead_calls=500, overhead_rounds=9)


@dataclass(frozen=True)
class Row:
    """One line of the results, as it stands in the JSON.

    Times are medians in milliseconds; ``spread`` holds minimum, lower and upper quartile by contender.
    ``copy_ms`` moves ``bytes_read`` and ``bytes_written``; ``graph_ms`` is our call inside a CUDA graph.
    ``overhead_us`` is a tiny call less the allocation of its outputs; such a row has no copy. ``undisturbed``
    is the share of CPU slices during which no thread waited for a core.
    """

    op: str
    case: str
    shape: tuple[int, ...]
    dtype: str
    device: str
    ours_ms: float
    alternatives: dict[str, float] = field(default_factory=dict)
    copy_ms: float | None = None
    graph_ms: float | None = None
    overhead_us: float | None = None
    bytes_read: int = 0
    bytes_written: int = 0
    spread: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    undisturbed: float = 1.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def usable(alternative: Alternative, device: torch.device) -> bool:
    """Whether the alternative's module is installed and it runs on this kind of device."""
    installed = alternative.requires is None or importlib.util.find_spec(alternative.requires) is not None
    return installed and device.type in alternative.devices


def checked_ours(case: Case, inputs: Inputs, expected: Any) -> Run:
    """Our call on the inputs; raises ResultDiffersError when it is not what the definition says."""
    check_result(f"{case.title}: pyposeops", case.ours(*inputs), expected, case.tolerance)
    return partial(case.ours, *inputs)


def checked_alternative(name: str, case: Case, inputs: Inputs, expected: Any) -> Run:
    """The alternative on its prepared inputs; raises ResultDiffersError like ``checked_ours``."""
    alternative = case.alternatives[name]
    prepared = alternative.prepare(*inputs)
    result, wanted = alternative.comparable(alternative.run(*prepared), expected)
    check_result(f"{case.title}: {name}", result, wanted, alternative.tolerance or case.tolerance)
    return partial(alternative.run, *prepared)


def run_case(case: Case, device: torch.device, effort: Effort) -> Row:
    inputs = case.make_inputs(device)
    expected = case.reference(*inputs)
    contenders: dict[str, Run] = {OURS: checked_ours(case, inputs, expected)}
    notes: dict[str, str] = {}
    for name, alternative in case.alternatives.items():
        if not usable(alternative, device) or (alternative.slow_start and not effort.slow_starts):
            continue
        run, note = _attempt(name, case, inputs, expected)
        if run is not None:
            contenders[name] = run
        if note:
            notes[name] = note
    del expected
    contenders[COPY] = copy_of(case.traffic, device)
    samples = time_all(contenders, device, budget_s=effort.case_s)
    graph_ms = time_in_graph(contenders[OURS]).median if device.type == "cuda" else None
    return _row(case, device, samples, notes, graph_ms)


def run_slow_case(case: Case, rounds: int) -> Row:
    """A case whose contenders take seconds: on the CPU, in turns, every call on inputs prepared anew, untimed.

    The first call of each is checked and counts like the others; there is no copy to compare with.
    """
    device = torch.device("cpu")
    inputs = case.make_inputs(device)
    expected = case.reference(*inputs)
    contenders = {OURS: Alternative(case.ours)}
    contenders.update((name, found) for name, found in case.alternatives.items() if usable(found, device))
    samples = {name: Samples() for name in contenders}
    notes = {name: found.note for name, found in contenders.items() if found.note}
    for _ in range(rounds):
        for name, contender in list(contenders.items()):
            result = time_call(partial(contender.run, *contender.prepare(*inputs)), samples[name])
            try:
                check_result(f"{case.title}: {name}", result, expected, contender.tolerance or case.tolerance)
            except ResultDiffersError as error:
                if name == OURS:
                    raise
                notes[name] = f"left out, not the same result: {error}"
                del contenders[name], samples[name]
                continue
            for _ in range(CALLS_OF_SHORT - 1 if samples[name].median < SHORT_MS else 0):
                time_call(partial(contender.run, *contender.prepare(*inputs)), samples[name])
    return _row(case, device, samples, notes, None)


def _attempt(name: str, case: Case, inputs: Inputs, expected: Any) -> tuple[Run | None, str]:
    """The alternative ready to be timed, or None; with what a reader must know about it."""
    alternative = case.alternatives[name]
    try:
        return checked_alternative(name, case, inputs, expected), alternative.note
    except ResultDiffersError as error:
        return None, f"left out, not the same result: {error}"
    except Exception as error:  # compilers and other projects fail in their own ways; the reader is told
        first_line = (str(error).strip() or "no message").splitlines()[0]
        return None, f"left out, it failed: {type(error).__name__}: {first_line}"


def _row(
    case: Case,
    device: torch.device,
    samples: dict[str, Samples],
    notes: dict[str, str],
    graph_ms: float | None,
) -> Row:
    medians = {name: found.median for name, found in samples.items()}
    return Row(
        op=case.op,
        case=case.name,
        shape=case.shape,
        dtype=dtype_name(case.dtype),
        device=device.type,
        ours_ms=medians[OURS],
        alternatives={name: medians[name] for name in case.alternatives if name in medians},
        copy_ms=medians.get(COPY),
        graph_ms=graph_ms,
        bytes_read=case.traffic.read,
        bytes_written=case.traffic.written,
        spread={name: found.spread for name, found in samples.items()},
        notes=notes,
        undisturbed=_undisturbed(samples.values()),
    )


def _undisturbed(samples: Collection[Samples]) -> float:
    quiet = [len(found.quiet) for found in samples]
    return sum(quiet) / sum(len(found.quiet) + len(found.disturbed) for found in samples)


def run_overhead(overhead: Overhead, effort: Effort) -> Row:
    """A tiny call, less the allocation of its outputs from Python."""
    inputs = overhead.make_inputs(torch.device("cpu"))
    outputs = tensors_of(overhead.ours(*inputs))
    source = next(value for value in inputs if isinstance(value, torch.Tensor))
    ours, allocation = time_overhead(
        partial(overhead.ours, *inputs),
        _allocation(source, outputs),
        calls=effort.overhead_calls,
        rounds=effort.overhead_rounds,
    )
    return Row(
        op=overhead.op,
        case="overhead",
        shape=tuple(outputs[0].shape),
        dtype=dtype_name(outputs[0].dtype),
        device="cpu",
        ours_ms=ours.median,
        overhead_us=(ours.median - allocation.median) * 1e3,
        spread={OURS: ours.spread, "allocation of the outputs": allocation.spread},
        undisturbed=_undisturbed((ours, allocation)),
    )


def _allocation(source: torch.Tensor, outputs: list[torch.Tensor]) -> Callable[[], object]:
    """What an operator written in Python pays for its outputs alone."""
    wanted = [(tuple(output.shape), output.dtype) for output in outputs]
    if len(wanted) == 1:
        shape, dtype = wanted[0]
        return lambda: source.new_empty(shape, dtype=dtype)
    return lambda: [source.new_empty(shape, dtype=dtype) for shape, dtype in wanted]
