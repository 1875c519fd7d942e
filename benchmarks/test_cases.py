"""The cases of ``python -m benchmarks`` through the pytest-benchmark fixture, one test per contender."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
import torch

from benchmarks import ops
from benchmarks.cases import Case, Inputs
from benchmarks.runner import OURS, checked_alternative, checked_ours, usable
from benchmarks.timing import Run


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = metafunc.config.getoption("--bench-op") or ops.names()
    if "contender" in metafunc.fixturenames:
        cases = [case for op in chosen for case in ops.cases_of(op)]
        pairs = [pair for case in cases for pair in _contenders(case, metafunc.config)]
        ids = [f"{case.title} | {contender}" for case, contender in pairs]
        metafunc.parametrize(("case", "contender"), pairs, ids=ids)
    if "op" in metafunc.fixturenames:
        metafunc.parametrize("op", chosen)


def _contenders(case: Case, config: pytest.Config) -> list[tuple[Case, str]]:
    device, quick = torch.device(config.getoption("--bench-device")), config.getoption("--bench-quick")
    if quick and not case.quick:
        return []
    alternatives = (
        name
        for name, alternative in case.alternatives.items()
        if usable(alternative, device) and not (quick and alternative.slow_start)
    )
    return [(case, name) for name in (OURS, *alternatives)]


def test_speed(benchmark: Any, case: Case, contender: str, pytestconfig: pytest.Config) -> None:
    device = torch.device(pytestconfig.getoption("--bench-device"))
    inputs, expected = _inputs_and_definition(case, device)
    if contender == OURS:
        run = checked_ours(case, inputs, expected)
    else:
        run = checked_alternative(contender, case, inputs, expected)
    benchmark.group = f"{case.title} | {device.type}"
    benchmark.extra_info.update(bytes_read=case.traffic.read, bytes_written=case.traffic.written)
    benchmark(_finished(run, device))


def test_overhead(benchmark: Any, op: str) -> None:
    overhead = ops.overhead_of(op)
    inputs = overhead.make_inputs(torch.device("cpu"))
    benchmark.group = "tiny call, allocation of the outputs included"
    benchmark(overhead.ours, *inputs)


@lru_cache(maxsize=1)
def _inputs_and_definition(case: Case, device: torch.device) -> tuple[Inputs, Any]:
    """Kept for the contenders of one case, which follow each other."""
    inputs = case.make_inputs(device)
    return inputs, case.reference(*inputs)


def _finished(run: Run, device: torch.device) -> Run:
    """The call with everything it launched; on CUDA wall time, launch and synchronisation included."""
    if device.type == "cpu":
        return run

    def run_and_wait() -> None:
        run()
        torch.cuda.synchronize()

    return run_and_wait
