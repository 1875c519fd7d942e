"""The cheapest assignment, against trying all and against scipy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pyposeops.metrics.assignment import linear_assignment
from tests.property_tests import given, settings, st


def cheapest(costs: np.ndarray) -> tuple[int, float]:
    """Most pairs and their smallest sum, by trying all."""
    best = (0, 0.0)
    rows, columns = costs.shape
    for size in range(1, min(rows, columns) + 1):
        for chosen in itertools.combinations(range(rows), size):
            for partners in itertools.permutations(range(columns), size):
                values = costs[list(chosen), list(partners)]
                if np.isfinite(values).all():
                    best = max(best, (size, -float(values.sum())))
    return best[0], -best[1]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**31))
def test_assignment_is_the_cheapest_of_the_largest(seed: int):
    rng = np.random.default_rng(seed)
    costs = rng.choice([0.0, 0.25, 0.5, 1.0, 3.0, -2.0, np.nan, np.inf], rng.integers(0, 5, 2))
    partner = linear_assignment(costs)
    chosen = np.flatnonzero(partner >= 0)
    pairs = partner[chosen]
    assert len(set(pairs.tolist())) == len(pairs)
    values = costs[chosen, pairs]
    size, total = cheapest(costs)
    assert len(chosen) == size and np.isfinite(values).all()
    assert float(values.sum()) == pytest.approx(total, abs=1e-9)


def test_assignment_agrees_with_scipy_on_large_problems():
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(1)
    for shape in ((60, 60), (40, 75), (75, 40), (1, 9)):
        costs = rng.random(shape)
        partner = linear_assignment(costs)
        chosen = np.flatnonzero(partner >= 0)
        rows, columns = optimize.linear_sum_assignment(costs)
        assert costs[chosen, partner[chosen]].sum() == pytest.approx(costs[rows, columns].sum())


@pytest.mark.parametrize("unit", [1e308, 1e-308, 5e-324])
def test_costs_of_any_size_are_taken(unit: float):
    assert linear_assignment([[unit, -unit], [-unit, unit]]).tolist() == [1, 0]
    assert sorted(linear_assignment(np.full((3, 3), unit)).tolist()) == [0, 1, 2]
    assert linear_assignment([[-unit, unit], [unit, unit]]).tolist() == [0, 1]


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (2, 0)])
def test_nobody_has_no_partner(shape: tuple[int, int]):
    assert linear_assignment(np.zeros(shape)).tolist() == [-1] * shape[0]


def test_other_than_two_axes_are_refused():
    with pytest.raises(ValueError, match=r"costs: expected \(rows, columns\), got 1 axes"):
        linear_assignment([1.0, 2.0])
