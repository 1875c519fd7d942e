"""What tells whether two candidates for joints belong to one person.

Lengths are in pixels of the size that DeepCut's numbers are for: people about 340 pixels high, cells within 17 pixels
of a joint show it. Whoever calls divides by `PartGrid.scale`.

Source: Pishchulin et al., CVPR 2016, section 4.1 (same part, geometry of two parts); Insafutdinov et al., ECCV 2016,
section 4 (offsets from each part to the others). Which functions of the geometry are features follows the paper's
description, not the published code.
"""

import numpy as np
from numpy.typing import NDArray

from python_models.part_grid import RADIUS_PX

Floats = NDArray[np.float64]

SAME_PART = ("distance", "squared distance")
GEOMETRY = (
    *("x", "y", "x squared", "y squared", "x times y", "length", "length squared"),
    *("angle", "absolute angle", "near in x", "near in y", "near", "like direction"),
    *("score of the first", "score of the second"),
)
OFFSETS = tuple(
    f"{measure}, {way}"
    for way in ("forward", "backward")
    for measure in ("distance", "absolute angle", "near", "like direction")
)


def same_part_features(first: Floats, second: Floats) -> Floats:
    """(P, 2): distance of two candidates for one part, and its square; places (P, 2)."""
    distance = np.linalg.norm(second - first, axis=1)
    return np.stack([distance, distance**2], axis=1)


def geometry_features(first: Floats, second: Floats, scores: Floats, mean: Floats) -> Floats:
    """(P, 15): how the vector from one part to another differs from the mean of its kind, and both scores.

    Args:
        first, second: (P, 2) places.
        scores: (P, 2) of both.
        mean: (P, 2), the mean vector from such a part to such a part of the same person.
    """
    vector = second - first
    x, y = (vector - mean).T
    length, angle = np.hypot(x, y), angle_between(mean, vector)
    columns = [x, y, x * x, y * y, x * y, length, length**2, angle, np.abs(angle)]
    columns += [_near(np.abs(x)), _near(np.abs(y)), _near(length), np.exp(-np.abs(angle))]
    return np.stack([*columns, *scores.T], axis=1)


def offset_features(first: Floats, second: Floats, from_first: Floats, from_second: Floats) -> Floats:
    """(P, 8): how far each of two candidates is from where the other one says that it is, and in which direction.

    Args:
        first, second: (P, 2) places.
        from_first: (P, 2), where the part of `second` is, as `first` says.
        from_second: (P, 2), where the part of `first` is, as `second` says.
    """
    columns = []
    for place, other, said in ((first, second, from_first), (second, first, from_second)):
        distance = np.linalg.norm(other - said, axis=1)
        angle = np.abs(angle_between(said - place, other - place))
        columns += [distance, angle, _near(distance), np.exp(-angle)]
    return np.stack(columns, axis=1)


def angle_between(first: Floats, second: Floats) -> Floats:
    """(P,), from one vector to the other, from -pi to pi; 0 where one of them has no length."""
    cross = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    return np.arctan2(cross, (first * second).sum(1))


def _near(distance: Floats) -> Floats:
    """1 for no distance, falling to 0."""
    return np.exp(-distance / RADIUS_PX)
