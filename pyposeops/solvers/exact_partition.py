"""The subset partition problem as an integer linear program, for small problems and as a measure of the heuristic."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyposeops.solvers.partition import NOBODY, Floats, checked_costs

_VIOLATION = 1e-6
_MOST_CUTS = 3000


class ExactPartition(NamedTuple):
    """What :func:`solve_partition_exactly` returns."""

    labels: NDArray[np.int64]
    """As of :func:`solve_partition`; of the best solution found."""
    people: NDArray[np.int64]
    """Likewise."""
    cost: float
    """Of that solution."""
    bound: float
    """No solution costs less."""
    proven: bool
    """Whether the solution is the optimum: cost and bound meet."""

    @property
    def gap(self) -> float:
        """(cost - bound) / |cost|; 0 for a proven optimum."""
        return 0.0 if self.proven else (self.cost - self.bound) / max(abs(self.cost), 1e-12)


def solve_partition_exactly(
    unaries: ArrayLike, pairwise: ArrayLike, *, time_limit_s: float = 60.0
) -> ExactPartition:
    """The optimum of the problem of :func:`solve_partition`, proven, or the best bound within a time limit.

    An integer linear program of DeepCut's variables: x_dc, detection d is a joint of class c; y_de, d and e belong to
    one person; and, where costs depend on classes, z_dcec' = x_dc x_ec' y_de. That y is transitive takes a constraint
    for every three detections; only violated ones are added, first to the linear relaxation, then to the integer
    program, which HiGHS solves through SciPy.

    Args:
        unaries, pairwise: as for :func:`solve_partition`. With costs by class the program grows with D^2 C^2: about
            a dozen detections of a few classes.
        time_limit_s: in seconds, above 0.

    Returns:
        The solution, its cost, a lower bound, and whether they meet. If the time ends before any solution is found,
        everybody is left out, at cost 0.

    Raises:
        ValueError: as for :func:`solve_partition`; a time limit that is not above 0.
        ImportError: SciPy is not installed.

    Example:
        >>> import numpy as np
        >>> found = solve_partition_exactly([-1.0, -0.5], np.array([[0.0, 2.0], [0.0, 0.0]]))
        >>> found.people.tolist(), found.cost, found.proven
        ([0, 1], -1.5, True)

    Source: Pishchulin et al., CVPR 2016, section 3.1, equations 3 to 8.
    """
    alpha, beta = checked_costs(unaries, pairwise)
    if not time_limit_s > 0:
        raise ValueError(f"time_limit_s: expected a number above 0, got {time_limit_s}")
    end = time.monotonic() + time_limit_s
    program = _program(alpha, beta)
    if program.size == 0:
        nobody = np.full(len(alpha), NOBODY)
        return ExactPartition(nobody, nobody.copy(), 0.0, 0.0, True)
    bound, best = -np.inf, np.zeros(program.size)
    for integral in (False, True):
        while (left := end - time.monotonic()) > 0:
            values, lower = program.solve(integral, left)
            bound = max(bound, lower)
            if values is None:
                break
            cuts = program.violated_triangles(values)
            if not cuts:
                if integral:
                    best = values.round()
                break
            program.add_triangles(cuts)
    labels, people = program.decode(best)
    cost = float(program.costs @ best)
    proven = cost - bound <= 1e-6 * max(1.0, abs(cost))
    return ExactPartition(labels, people, cost, min(bound, cost), proven)


@dataclass
class _Program:
    costs: Floats
    detections: int
    joints: dict[tuple[int, int], int]  # (d, c) -> variable x
    pairs: dict[tuple[int, int], int]  # d < e -> variable y
    rows: list[tuple[list[int], list[float], float]] = field(
        default_factory=list
    )  # columns, weights, at most

    @property
    def size(self) -> int:
        return len(self.costs)

    def at_most(self, limit: float, *terms: tuple[float, int]) -> None:
        self.rows.append(([column for _, column in terms], [weight for weight, _ in terms], limit))

    def solve(self, integral: bool, time_limit_s: float) -> tuple[Floats | None, float]:
        """Values and a lower bound; no values where none were found in time."""
        try:
            from scipy.optimize import Bounds, LinearConstraint, milp
            from scipy.sparse import csr_array
        except ImportError as error:
            raise ImportError("the exact solver needs SciPy: pip install 'pyposeops[metrics]'") from error

        constraints: Any = ()
        if self.rows:
            columns = [column for row, _, _ in self.rows for column in row]
            weights = [weight for _, row, _ in self.rows for weight in row]
            starts = np.cumsum([0, *(len(row) for row, _, _ in self.rows)])
            matrix = csr_array((weights, columns, starts), shape=(len(self.rows), self.size))
            constraints = LinearConstraint(matrix, ub=np.array([limit for _, _, limit in self.rows]))
        result = milp(
            self.costs,
            integrality=np.full(self.size, int(integral)),
            bounds=Bounds(0, 1),
            constraints=constraints,
            options={"time_limit": time_limit_s, "mip_rel_gap": 0.0},
        )
        if integral:
            bound = result.mip_dual_bound
            return result.x, -np.inf if bound is None else float(bound)
        return result.x, float(result.fun) if result.status == 0 else -np.inf

    def violated_triangles(self, values: Floats) -> list[tuple[int, int, int]]:
        """(a, b, c): y_ab and y_bc, but not y_ac; the most violated first."""
        y = np.zeros((self.detections, self.detections))
        for (d, e), column in self.pairs.items():
            y[d, e] = y[e, d] = values[column]
        found = []
        for b in range(self.detections):
            excess = np.triu(y[:, b, None] + y[b] - y - 1, 1)
            excess[b] = excess[:, b] = 0
            found += [
                (excess[a, c], int(a), b, int(c))
                for a, c in zip(*np.nonzero(excess > _VIOLATION), strict=True)
            ]
        found.sort(key=lambda triangle: -triangle[0])
        return [(a, b, c) for _, a, b, c in found[:_MOST_CUTS]]

    def add_triangles(self, triangles: list[tuple[int, int, int]]) -> None:
        for a, b, c in triangles:
            ab, bc, ac = (self.pairs[min(pair), max(pair)] for pair in ((a, b), (b, c), (a, c)))
            self.at_most(1, (1, ab), (1, bc), (-1, ac))

    def decode(self, values: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        labels = np.full(self.detections, NOBODY)
        people = np.full(self.detections, NOBODY)
        for (d, c), column in self.joints.items():
            if values[column] > 0.5:
                labels[d] = c
        count = 0
        for d in range(self.detections):
            if labels[d] == NOBODY or people[d] != NOBODY:
                continue
            people[d] = count
            for e in range(d + 1, self.detections):
                if labels[e] != NOBODY and values[self.pairs[d, e]] > 0.5:
                    people[e] = count
            count += 1
        return labels, people


def _program(alpha: Floats, beta: Floats) -> _Program:
    """Variables and all constraints but the triangles."""
    count, classes = alpha.shape
    allowed = [(d, c) for d in range(count) for c in range(classes) if np.isfinite(alpha[d, c])]
    joints = {key: index for index, key in enumerate(allowed)}
    of = [[joints[d, c] for c in range(classes) if (d, c) in joints] for d in range(count)]
    pairs = {pair: len(joints) + index for index, pair in enumerate(combinations(range(count), 2))}
    costs = [*(alpha[key] for key in allowed), *(0.0 for _ in pairs)]
    program = _Program(np.zeros(0), count, joints, pairs)
    for columns in of:
        if len(columns) > 1:
            program.at_most(1, *((1.0, column) for column in columns))
    for (d, e), y in pairs.items():
        for end in (d, e):
            program.at_most(0, (1.0, y), *((-1.0, column) for column in of[end]))
        if beta.ndim == 2:
            costs[y] = beta[d, e]
            continue
        for c in range(classes):
            for b in range(classes):
                if beta[d, e, c, b] == 0 or (d, c) not in joints or (e, b) not in joints:
                    continue
                z, x, other = len(costs), joints[d, c], joints[e, b]
                costs.append(beta[d, e, c, b])
                if beta[d, e, c, b] < 0:
                    for column in (x, other, y):
                        program.at_most(0, (1.0, z), (-1.0, column))
                else:
                    program.at_most(2, (1.0, x), (1.0, other), (1.0, y), (-1.0, z))
    program.costs = np.array(costs, np.float64)
    return program
