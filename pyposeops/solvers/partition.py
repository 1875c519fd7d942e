"""DeepCut's subset partition and labelling problem: which detections are joints, of which class, of which person."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyposeops import _core

Floats = NDArray[np.float64]
NOBODY = -1


class Partition(NamedTuple):
    """A solution: of :func:`solve_partition`, or any other."""

    labels: NDArray[np.int64]
    """(D,): the class of each detection; -1 where it is left out."""
    people: NDArray[np.int64]
    """(D,): the person that each detection belongs to, numbered by their first detection; -1 where it is left out."""
    cost: float
    """The sum that is minimised."""


def checked_costs(unaries: ArrayLike, pairwise: ArrayLike) -> tuple[Floats, Floats]:
    """Both in float64, unaries (D, C), pairwise (D, D) or (D, D, C, C). Raises ValueError."""
    alpha, beta = np.asarray(unaries, np.float64), np.asarray(pairwise, np.float64)
    if alpha.ndim == 1:
        alpha = alpha[:, None]
    if alpha.ndim != 2 or alpha.shape[1] == 0:
        raise ValueError(f"unaries: expected (D,) or (D, C) with C of at least 1, got {np.shape(unaries)}")
    count, classes = alpha.shape
    if beta.shape not in ((count, count), (count, count, classes, classes)):
        raise ValueError(
            f"pairwise: expected {(count, count)} or {(count, count, classes, classes)}, got {beta.shape}"
        )
    if np.isnan(alpha).any() or (alpha == -np.inf).any():
        raise ValueError(
            "unaries: expected numbers, or infinity where a detection cannot be of a class, got NaN or -inf"
        )
    above = np.triu_indices(count, 1)
    if not np.isfinite(beta[above]).all():
        raise ValueError("pairwise: expected finite numbers above the diagonal, got NaN or an infinite one")
    return alpha, beta


def solve_partition(unaries: ArrayLike, pairwise: ArrayLike) -> Partition:
    """Choose detections, their classes and their people so that the costs sum to little.

    Minimises sum_d alpha[d, c_d] over the chosen detections d with classes c_d, plus sum beta[d, e, c_d, c_e] over
    the pairs d < e that belong to one person. A detection with cost log((1 - p) / p) for the probability p of being
    such a joint, and pairs likewise for the probability of belonging together, give the most probable people. The
    same class twice in one person is allowed: it is by costs below 0 that detections of one joint join.

    A heuristic: greedy contraction, then moves of detections, merged, dropped and exchanged people until nothing
    improves. It finds a local optimum; on problems that :func:`solve_partition_exactly` solves, mostly the optimum.

    Args:
        unaries: (D, C) costs alpha, or (D,) for one class each; infinite where a detection cannot be of a class.
        pairwise: (D, D) costs beta whatever the classes, or (D, D, C, C); those above the diagonal, d < e, are read.

    Returns:
        Labels, people and cost. Leaving out everything costs 0, so the cost is never above 0. The same costs give
        the same solution.

    Raises:
        ValueError: other shapes; NaN; pairwise costs that are infinite.

    Example:
        >>> import numpy as np
        >>> pairwise = np.zeros((3, 3))
        >>> pairwise[0, 1], pairwise[0, 2], pairwise[1, 2] = -1.0, 2.0, 2.0
        >>> solve_partition([-1.0, -0.5, -0.25], pairwise).people.tolist()
        [0, 0, 1]

    Source: Pishchulin et al., DeepCut: Joint Subset Partition and Labeling for Multi Person Pose Estimation, CVPR
    2016, section 3, for the problem; Keuper et al., ICCV 2015, and Levinkov et al., CVPR 2017, for the moves.
    """
    labels, people, cost = _core.solve_partition(*checked_costs(unaries, pairwise))
    return Partition(labels, people, cost)


def partition_cost(unaries: ArrayLike, pairwise: ArrayLike, labels: ArrayLike, people: ArrayLike) -> float:
    """What a solution costs: the definition of what :func:`solve_partition` minimises.

    Args:
        unaries, pairwise: as there.
        labels, people: (D,) integers, -1 where a detection is left out.

    Returns:
        The sum.

    Raises:
        ValueError: as there, and labels or people of another length.

    Example:
        >>> partition_cost([-1.0, 2.0], [[0.0, -3.0], [0.0, 0.0]], [0, 0], [0, 0])
        -2.0
    """
    alpha, beta = checked_costs(unaries, pairwise)
    classes, owners = np.asarray(labels, np.int64), np.asarray(people, np.int64)
    if classes.shape != (len(alpha),) or owners.shape != (len(alpha),):
        raise ValueError(
            f"labels, people: expected {len(alpha)} each, got {classes.shape} and {owners.shape}"
        )
    chosen = np.flatnonzero(owners != NOBODY)
    cost = float(alpha[chosen, classes[chosen]].sum())
    for i, d in enumerate(chosen):
        for e in chosen[i + 1 :]:
            if owners[d] == owners[e]:
                cost += float(beta[d, e] if beta.ndim == 2 else beta[d, e, classes[d], classes[e]])
    return cost
