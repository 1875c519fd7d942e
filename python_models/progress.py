"""One look for all progress bars."""

import sys
from typing import Any

from tqdm import tqdm

# Where standard error is no terminal, a bar that moves rarely keeps a log file readable.
_SECONDS_BETWEEN_BARS = {True: 0.1, False: 10.0}


def progress_bar(
    total: int,
    title: str,
    *,
    done: int = 0,
    unit: str = "step",
    active: bool = True,
    leave: bool = True,
    delay: float = 0.0,
) -> "tqdm[Any]":
    """A progress bar on standard error, after `delay` seconds; without `leave` it goes when it is done."""
    interval = _SECONDS_BETWEEN_BARS[sys.stderr.isatty()]
    return tqdm(
        total=total,
        initial=done,
        desc=title,
        unit=unit,
        disable=not active,
        leave=leave,
        mininterval=interval,
        delay=delay,
        unit_scale=unit == "B",
        dynamic_ncols=True,
    )
