"""A progress bar for evaluations that take long."""

from __future__ import annotations

from types import TracebackType
from typing import Any

SHOWN_AFTER_S = 2.0


class Progress:
    """Steps of the work on standard error, from two seconds on, where that is a terminal and tqdm is installed.

    Use as a context, and call with the name of each step before it begins.
    """

    def __init__(self, steps: int) -> None:
        self._bar: Any = None
        self._begun = False
        try:
            from tqdm import tqdm
        except ImportError:
            return
        self._bar = tqdm(
            total=steps,
            delay=SHOWN_AFTER_S,
            disable=None,  # where standard error is no terminal
            leave=False,
            miniters=1,
            mininterval=0,
            bar_format="{desc}: {percentage:3.0f}% |{bar}| {elapsed}",
        )

    def __call__(self, step: str) -> None:
        if self._bar is None:
            return
        self._bar.set_description_str(step, refresh=False)
        self._bar.update(int(self._begun))
        self._begun = True

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
