"""Commands as they are typed."""

from collections.abc import Sequence


def shell(arguments: Sequence[str]) -> str:
    """Arguments with quotes where a shell needs them."""
    return " ".join(f"'{part}'" if set(part) & set(' {[*"') else part for part in arguments)
