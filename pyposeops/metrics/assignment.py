"""Who belongs to whom: the cheapest one-to-one assignment, as tracking and its figures need it in every frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyposeops import _core


def linear_assignment(costs: ArrayLike) -> NDArray[np.int64]:
    """The cheapest assignment of rows to columns: as many pairs as are allowed, of those the smallest sum of costs.

    Args:
        costs: (R, C) numbers, taken as float64; NaN or infinite where a pair is not allowed.

    Returns:
        (R,) the column of each row, -1 for a row without a partner. The same costs give the same pairs; which of
        several assignments of equal cost is given is not specified.

    Raises:
        ValueError: costs of other than two axes.

    Example:
        >>> linear_assignment([[1.0, 2.0], [1.5, float("nan")]]).tolist()
        [1, 0]

    Source: Jonker and Volgenant, A Shortest Augmenting Path Algorithm for Dense and Sparse Linear Assignment
    Problems, Computing 1987.
    """
    partners: NDArray[np.int64] = _core.assign(np.asarray(costs, np.float64))
    return partners
