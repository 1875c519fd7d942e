"""The subset partition heuristic against brute force, the exact solver, and people that are known."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from pyposeops.solvers import partition_cost, solve_partition, solve_partition_exactly
from tests.property_tests import given, settings, st

Problem = tuple[np.ndarray, np.ndarray]


def people_and_noise(people: int, seed: int, clarity: float = 2.0, joints: int = 14) -> Problem:
    """Detections of known people: each joint once, some twice, and false ones; noisy logits between them all."""
    rng = np.random.default_rng(seed)
    owners = [p for p in range(people) for _ in range(joints) for _ in range(1 + (rng.random() < 0.3))]
    owners += [-1 - i for i in range(int(0.2 * len(owners)))]
    owner = np.array(owners)
    count = len(owner)
    together = (owner[:, None] == owner) & (owner >= 0)
    pairwise = np.where(together, -clarity, clarity) + 1.5 * rng.normal(size=(count, count))
    unaries = np.where(owner >= 0, -1.5, 0.5) + rng.normal(size=count)
    order = rng.permutation(count)
    return unaries[order], np.triu(pairwise, 1)[np.ix_(order, order)] + np.tril(pairwise, -1).T[
        np.ix_(order, order)
    ].T


def all_partitions(count: int, classes: int):
    """Every labelling and grouping of a few detections."""
    for labels in itertools.product(range(-1, classes), repeat=count):
        chosen = [d for d in range(count) if labels[d] >= 0]
        for groups in itertools.product(range(len(chosen)), repeat=len(chosen)):
            if all(group <= max(groups[:i], default=-1) + 1 for i, group in enumerate(groups)):
                people = np.full(count, -1)
                people[chosen] = groups
                yield np.array(labels), people


def brute_force(problem: Problem) -> float:
    unaries = problem[0] if problem[0].ndim == 2 else problem[0][:, None]
    return min(partition_cost(*problem, *solution) for solution in all_partitions(*unaries.shape))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("form", ["one class", "classes", "costs by class"])
def test_small_problems_are_solved(seed: int, form: str):
    rng = np.random.default_rng(seed)
    count, classes = (6, 1) if form == "one class" else (4, 2)
    unaries = rng.normal(-0.5, 1.0, (count, classes))
    by_class = form == "costs by class"
    pairwise = rng.normal(0.0, 1.0, (count, count, classes, classes) if by_class else (count, count))
    best = brute_force((unaries, pairwise))
    exact = solve_partition_exactly(unaries, pairwise)
    assert exact.proven and exact.cost == pytest.approx(best, abs=1e-6) and exact.gap == 0.0
    assert partition_cost(unaries, pairwise, exact.labels, exact.people) == pytest.approx(
        exact.cost, abs=1e-6
    )
    found = solve_partition(unaries, pairwise)
    assert partition_cost(unaries, pairwise, found.labels, found.people) == pytest.approx(
        found.cost, abs=1e-9
    )
    # Of costs without any structure a local optimum may be off; of people's it is not, see below.
    assert best - 1e-9 <= found.cost <= 0.85 * best + 1e-9


@pytest.mark.parametrize(("people", "seed"), [(1, 0), (1, 1), (2, 2), (2, 3), (3, 4), (3, 5)])
def test_within_one_percent_of_the_optimum(people: int, seed: int):
    problem = people_and_noise(people, seed)
    exact = solve_partition_exactly(*problem, time_limit_s=30)
    assert exact.proven
    found = solve_partition(*problem)
    assert exact.cost - 1e-6 <= found.cost <= 0.99 * exact.cost


def test_clear_people_are_found():
    owner = np.array([0, 0, 1, 1, 1, 0, 2])
    pairwise = np.where(owner[:, None] == owner, -2.0, 3.0)
    found = solve_partition(np.full(7, -1.0), pairwise)
    assert found.people.tolist() == owner.tolist() and found.labels.tolist() == [0] * 7
    assert found.cost == pytest.approx(-7 - 2 * (3 + 3))


def test_a_false_detection_is_left_out_unless_it_belongs():
    pairwise = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert solve_partition([-1.0, 0.5, 0.5], pairwise).people.tolist() == [0, 0, -1]


def test_the_class_is_chosen_with_the_person():
    """By itself the second detection is rather of class 0, beside the first one it must be of class 1."""
    unaries = np.array([[-2.0, np.inf], [-1.0, -0.5]])
    pairwise = np.zeros((2, 2, 2, 2))
    pairwise[0, 1, 0] = [1.0, -3.0]
    found = solve_partition(unaries, pairwise)
    assert found.labels.tolist() == [0, 1] and found.people.tolist() == [0, 0] and found.cost == -5.5


def test_nothing_to_choose():
    assert solve_partition(np.zeros((0, 2)), np.zeros((0, 0))).cost == 0.0
    assert solve_partition_exactly(np.zeros((0, 2)), np.zeros((0, 0))).proven
    nobody = solve_partition([np.inf, 1.0], np.zeros((2, 2)))
    assert nobody.people.tolist() == [-1, -1] and nobody.cost == 0.0
    assert solve_partition_exactly([np.inf, 1.0], np.zeros((2, 2))).people.tolist() == [-1, -1]


def test_a_time_limit_gives_a_bound():
    problem = people_and_noise(5, seed=0, clarity=0.3)
    exact = solve_partition_exactly(*problem, time_limit_s=0.2)
    found = solve_partition(*problem)
    assert not exact.proven and exact.gap > 0 and exact.bound <= found.cost <= 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 25), st.integers(1, 3), st.integers(0, 10**6), st.sampled_from([1.0, 1e-6, 1e12]))
def test_no_move_of_one_detection_improves(count: int, classes: int, seed: int, scale: float):
    rng = np.random.default_rng(seed)
    unaries = scale * rng.normal(0, 1, (count, classes))
    pairwise = scale * rng.normal(0, 1, (count, count, classes, classes))
    found = solve_partition(unaries, pairwise)
    again = solve_partition(unaries, pairwise)
    assert (found.people == again.people).all() and (found.labels == again.labels).all()
    assert found.cost <= 0 and ((found.people == -1) == (found.labels == -1)).all()
    numbers = [p for p in dict.fromkeys(found.people.tolist()) if p >= 0]
    assert numbers == list(range(len(numbers)))
    slack = 1e-8 * scale * max(count, 1) + 1e-9
    assert found.cost == pytest.approx(
        partition_cost(unaries, pairwise, found.labels, found.people), abs=slack
    )
    for d in range(min(count, 4)):
        for person, label in itertools.product([-1, *numbers, len(numbers)], range(classes)):
            people, labels = found.people.copy(), found.labels.copy()
            people[d], labels[d] = person, -1 if person < 0 else label
            assert partition_cost(unaries, pairwise, labels, people) >= found.cost - slack


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unaries": np.zeros((2, 1, 1))}, "unaries"),
        ({"unaries": np.zeros((2, 0))}, "unaries"),
        ({"unaries": [0.0, np.nan]}, "unaries"),
        ({"unaries": [0.0, -np.inf]}, "unaries"),
        ({"pairwise": np.zeros((2, 3))}, "pairwise"),
        ({"pairwise": np.zeros((2, 2, 1, 2))}, "pairwise"),
        ({"pairwise": np.full((2, 2), np.nan)}, "pairwise"),
        ({"pairwise": np.full((2, 2), np.inf)}, "pairwise"),
    ],
)
@pytest.mark.parametrize("solve", [solve_partition, solve_partition_exactly])
def test_wrong_costs_are_named(solve: Any, changes: dict[str, Any], words: str):
    with pytest.raises(ValueError, match=words):
        solve(**{"unaries": [0.0, 0.0], "pairwise": np.zeros((2, 2)), **changes})


def test_wrong_limits_and_solutions_are_named():
    with pytest.raises(ValueError, match="time_limit_s"):
        solve_partition_exactly([0.0], [[0.0]], time_limit_s=0)
    with pytest.raises(ValueError, match="labels, people"):
        partition_cost([0.0], [[0.0]], [0, 0], [0, 0])
