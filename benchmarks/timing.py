"""Times contenders in rounds, so that whatever disturbs the machine disturbs all of them alike."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch

Run: TypeAlias = Callable[[], object]

MIN_ROUNDS, MAX_ROUNDS = 3, 60
SLICE_S = 0.004  # one contender's share of a round on the CPU: long against a thread pool's wake-up
GRAPH_LAUNCHES = 20


@dataclass(frozen=True)
class Samples:
    """Milliseconds per call, one value per round."""

    ms: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.ms)

    @property
    def spread(self) -> tuple[float, float, float]:
        """Minimum, lower and upper quartile."""
        ordered = sorted(self.ms)
        last = len(ordered) - 1
        return ordered[0], ordered[round(last / 4)], ordered[round(last * 3 / 4)]


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


def _rounds(round_s: float, budget_s: float) -> int:
    return max(MIN_ROUNDS, min(MAX_ROUNDS, int(budget_s / round_s)))


def seconds_per_call(run: Run, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def _time_on_cpu(contenders: Mapping[str, Run], budget_s: float) -> dict[str, Samples]:
    calls = {}
    round_s = 0.0
    for name, run in contenders.items():
        run()
        one_s = min(seconds_per_call(run, 1) for _ in range(2))
        calls[name] = max(1, math.ceil(SLICE_S / one_s))
        round_s += calls[name] * one_s
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(_rounds(round_s, budget_s)):
        for name, run in contenders.items():
            if calls[name] > 1:
                run()  # the contender before may have left other threads spinning and the caches full
            samples[name].append(seconds_per_call(run, calls[name]) * 1e3)
    return {name: Samples(tuple(ms)) for name, ms in samples.items()}


def _time_on_cuda(contenders: Mapping[str, Run], budget_s: float) -> dict[str, Samples]:
    """Device events around one call, after a write through more memory than the L2 cache holds.

    That write also keeps the device busy while the host prepares the call, so a short kernel's time holds no
    launch latency; a contender that prepares longer than that (many small kernels, host code) shows its gaps.
    """
    flush = torch.empty(_flush_bytes(), dtype=torch.uint8, device="cuda")
    round_s = sum(_cold_seconds(run, flush) for run in contenders.values())
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(_rounds(round_s, budget_s)):
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
            samples[name].append(start.elapsed_time(end))
    return {name: Samples(tuple(ms)) for name, ms in samples.items()}


def _flush_bytes() -> int:
    l2_bytes = int(torch.cuda.get_device_properties(torch.cuda.current_device()).L2_cache_size)
    return max(4 * l2_bytes, 1 << 28)


def _cold_seconds(run: Run, flush: torch.Tensor) -> float:
    """Wall time of a flush and a call, after two calls to warm up."""

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
    ms = []
    for _ in range(MAX_ROUNDS):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        ms.append(start.elapsed_time(end) / GRAPH_LAUNCHES)
    return Samples(tuple(ms))


def time_overhead(with_op: Run, allocation: Run, *, calls: int, rounds: int) -> tuple[Samples, Samples]:
    """Milliseconds per call of a tiny operator and of the allocation of its outputs, interleaved."""
    pairs = [(seconds_per_call(with_op, calls), seconds_per_call(allocation, calls)) for _ in range(rounds)]
    op_s, allocation_s = zip(*pairs, strict=True)
    return Samples(tuple(s * 1e3 for s in op_s)), Samples(tuple(s * 1e3 for s in allocation_s))
