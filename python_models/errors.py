"""The error a person can act on: the command line prints its one sentence and exits with 2, without a traceback."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Wrong input from outside (a path, a file's content, a name); its message is one clear sentence."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not among `known`, with the names that look like it."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(known)}."
    return UserError(f"{kind} {name!r} is not known; {hint}")


def require_positive(**counts: int) -> None:
    """Raise UserError where a count is less than 1; called as `require_positive(stacks=stacks)`."""
    for name, count in counts.items():
        if count < 1:
            raise UserError(f"{name}: expected 1 or more, got {count}")
