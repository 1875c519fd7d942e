"""Options of ``pytest benchmarks``."""

from __future__ import annotations

import pytest

from benchmarks import memory, ops


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("pyposeops benchmarks")
    group.addoption("--bench-device", choices=("cpu", "cuda"), default="cpu")
    group.addoption("--bench-op", choices=ops.names(), action="append", help="only this one; repeatable")
    group.addoption("--bench-quick", action="store_true", help="few cases, nothing that compiles")


def pytest_configure() -> None:
    memory.keep_freed_memory()
