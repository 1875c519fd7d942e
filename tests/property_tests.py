"""hypothesis, or stand-ins that skip the property tests where it is not installed (a machine for `make gpu` only)."""

from __future__ import annotations

from typing import Any

import pytest

try:
    from hypothesis import assume, given, settings
    from hypothesis import strategies as st
except ImportError:

    class _AnyStrategy:
        def __getattr__(self, name: str) -> Any:
            return lambda *args, **kwargs: None

    st = _AnyStrategy()

    def given(*args: Any, **kwargs: Any) -> Any:
        def skip(function: Any) -> Any:
            def test() -> None:
                pytest.skip("hypothesis is not installed")

            test.__name__ = function.__name__
            return test

        return skip

    def assume(condition: Any) -> bool:
        return bool(condition)

    def settings(*args: Any, **kwargs: Any) -> Any:
        return lambda function: function


__all__ = ["assume", "given", "settings", "st"]
