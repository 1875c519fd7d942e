"""Times contenders in rounds, so that whatever disturbs the machine disturbs all of them alike."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import torch

Run: TypeAlias = Callable[[], object]

MIN_ROUNDS, MAX_ROUNDS = 3, 60
MIN_QUIET = 7  # undisturbed slices wanted of every contender on the CPU
SLICE_S = 0.004  # one contender's share of a round on the CPU: long against a thread pool's wake-up
QUIET = 0.02  # a slice is undisturbed when its threads waited for a core less than this share of the time
PATIENCE = 2  # how many times the budget may be spent waiting for undisturbed slices
GRAPH_LAUNCHES = 20


@dataclass
class Samples:
    """Milliseconds per call, one value per slice; ``disturbed`` ones count only where others are too few."""

    quiet: list[float] = field(default_factory=list)
    disturbed: list[float] = field(default_factory=list)

    @property
    def used(self) -> list[float]:
        return sorted(self.quiet if len(self.quiet) >= MIN_QUIET else self.quiet + self.disturbed)

    @property
    def median(self) -> float:
        return statistics.median(self.used)

    @property
    def spread(self) -> tuple[float, float, float]:
        """Minimum, lower and upper quartile."""
        used = self.used
        last = len(used) - 1
        return used[0], used[round(last / 4)], used[round(last * 3 / 4)]


def time_all(contenders: Mapping[str, Run], device: torch.device, *, budget_s: float) -> dict[str, Samples]:
    """Times every contender on ``device``, interleaved, in about ``budget_s`` seconds altogether."""
    time_rounds = _time_on_cuda if device.type == "cuda" else _time_on_cpu
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        return time_rounds(contenders, budget_s)
    finally:
        if was_collecting:
            gc.enable()


def seconds_per_call(run: Run, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


# ---- CPU


def _time_on_cpu(contenders: Mapping[str, Run], budget_s: float) -> dict[str, Samples]:
    calls = {}
    for name, run in contenders.items():
        run()
        calls[name] = max(1, math.ceil(SLICE_S / min(seconds_per_call(run, 1) for _ in range(2))))
    samples = {name: Samples() for name in contenders}
    start = time.perf_counter()
    for count in range(1, MAX_ROUNDS + 1):
        for name, run in contenders.items():
            _time_slice(run, calls[name], samples[name])
        spent_s = time.perf_counter() - start
        settled = all(len(found.quiet) >= MIN_QUIET for found in samples.values())
        if count >= MIN_ROUNDS and spent_s > (budget_s if settled else PATIENCE * budget_s):
            break
    return samples


def _time_slice(run: Run, calls: int, samples: Samples) -> None:
    if calls > 1:
        run()  # the contender before may have left other threads spinning and the caches full
    waited_s = _waited_for_a_core_s()
    call_s = seconds_per_call(run, calls)
    waited_s = _waited_for_a_core_s() - waited_s
    fitting = samples.quiet if waited_s <= QUIET * call_s * calls else samples.disturbed
    fitting.append(call_s * 1e3)


def _waited_for_a_core_s() -> float:
    """Seconds that threads of this process were ready to run and had no core; 0 where that is not told."""
    waited_ns = 0
    for thread in Path("/proc/self/task").glob("*/schedstat"):
        try:
            waited_ns += int(thread.read_text().split()[1])
        except OSError:  # the thread has ended
            continue
    return waited_ns * 1e-9


def time_call(run: Callable[[], Any], samples: Samples) -> Any:
    """Times a single call, garbage collection left as it is for users; hands out what the call returned."""
    kept = []
    gc.collect()
    _time_slice(lambda: kept.append(run()), 1, samples)
    return kept[0]


# ---- CUDA


def _time_on_cuda(contenders: Mapping[str, Run], budget_s: float) -> dict[str, Samples]:
    """Device events around one call, after a write through more memory than the L2 cache holds.

    That write also keeps the device busy while the host prepares the call, so a short kernel's time holds no
    launch latency; a contender that prepares longer than that (many small kernels, host code) shows its gaps.
    """
    flush = torch.empty(_flush_bytes(), dtype=torch.uint8, device="cuda")
    round_s = sum(_cold_seconds(run, flush) for run in contenders.values())
    samples = {name: Samples() for name in contenders}
    for _ in range(max(MIN_ROUNDS, min(MAX_ROUNDS, int(budget_s / round_s)))):
        events = {}
        for name, run in contenders.items():
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            flush.zero_()
            start.record()
            run()
            end.record()
            events[name] = start, end
        torch.cuda.synchronize()
        for name, (start, end) in events.items():
            samples[name].quiet.append(start.elapsed_time(end))
    return samples


def _flush_bytes() -> int:
    l2_bytes = int(torch.cuda.get_device_properties(torch.cuda.current_device()).L2_cache_size)
    return max(4 * l2_bytes, 1 << 28)


def _cold_seconds(run: Run, flush: torch.Tensor) -> float:
    """Wall time of a flush and a call, after two of them to warm up."""

    def flush_and_run() -> None:
        flush.zero_()
        run()
        torch.cuda.synchronize()

    seconds_per_call(flush_and_run, 2)
    return seconds_per_call(flush_and_run, 1)


def time_in_graph(run: Run) -> Samples:
    """Milliseconds per call inside a CUDA graph of many calls: no launch gaps, L2 as warm as it comes."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        run()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(GRAPH_LAUNCHES):
            run()
    graph.replay()
    samples = Samples()
    for _ in range(MAX_ROUNDS):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        samples.quiet.append(start.elapsed_time(end) / GRAPH_LAUNCHES)
    return samples


# ---- overhead


def time_overhead(with_op: Run, allocation: Run, *, calls: int, rounds: int) -> tuple[Samples, Samples]:
    """Milliseconds per call of a tiny operator and of the allocation of its outputs, interleaved."""
    op, outputs = Samples(), Samples()
    for _ in range(rounds):
        _time_slice(with_op, calls, op)
        _time_slice(allocation, calls, outputs)
    return op, outputs
