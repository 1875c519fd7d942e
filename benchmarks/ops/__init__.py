"""One file per operator, ``bench_<op>.py``; each offers ``cases()`` and ``overhead()``."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from benchmarks.cases import Case, Overhead

PREFIX = "bench_"


def names() -> list[str]:
    """The operators that have a benchmark file."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name.removeprefix(PREFIX) for name in found if name.startswith(PREFIX))


def cases_of(op: str) -> list[Case]:
    return list(_module(op).cases())


def overhead_of(op: str) -> Overhead:
    overhead: Overhead = _module(op).overhead()
    return overhead


def _module(op: str) -> ModuleType:
    if op not in names():
        raise ValueError(f"op: expected one of {', '.join(names())}, got {op!r}")
    return importlib.import_module(f"{__name__}.{PREFIX}{op}")
