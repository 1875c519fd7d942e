"""Learning DeepCut's pairwise terms from candidates whose people are known, by logistic regression.

Source: Pishchulin et al., CVPR 2016, section 4.1; strength of the regularisation and distance to the joint as in the
published code.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from python_models.errors import UserError
from python_models.pairwise_features import GEOMETRY, OFFSETS, SAME_PART
from python_models.pairwise_terms import Indices, PairwiseTerms, Regressions, normalised
from python_models.part_candidates import Candidates, Floats
from python_models.part_grid import PartGrid

NOBODY = -1
REACH_PX = 25.0  # candidates so near to a joint are this person's, in pixels of the published size
FEWEST_EXAMPLES = 10  # of either kind, for a regression


class KnownPairs(NamedTuple):
    """Pairs of candidates of many images, of which it is known whether they are of one person."""

    candidates: Candidates  # of all images
    first: Indices  # (P,) into these, of no later part than the second
    second: Indices  # (P,)
    together: NDArray[np.bool_]  # (P,)


class OwnedCandidates(NamedTuple):
    """The candidates of an image, and whose they are."""

    candidates: Candidates
    owners: NDArray[np.int64]  # (D,); -1 for nobody's


def owners_of(
    candidates: Candidates, keypoints: Floats, visibility: Floats, reach_px: float
) -> NDArray[np.int64]:
    """(D,): the person whose joint is nearest, within `reach_px` pixels; -1 for none.

    Args:
        keypoints: (N, K, 2) in pixels of the network's input.
        visibility: (N, K), 0 where a joint is not labelled.
    """
    if len(keypoints) == 0:
        return np.full(len(candidates.parts), NOBODY)
    joints = keypoints[:, candidates.parts]  # (N, D, 2)
    distance = np.linalg.norm(joints - candidates.places, axis=-1)
    distance = np.where(visibility[:, candidates.parts] > 0, distance, np.inf)
    return np.where(distance.min(0) <= reach_px, distance.argmin(0), NOBODY)


def known_pairs(images: Sequence[OwnedCandidates], *, same_part: bool) -> KnownPairs:
    """All pairs of each image, of the same part or of different ones, of which one at least is somebody's.

    What is nobody's is together with nobody.
    """
    if not images:
        raise UserError("data: expected images with people, got none")
    pairs: list[tuple[Indices, Indices, NDArray[np.bool_]]] = []
    start = 0
    for candidates, owners in images:
        first, second = np.triu_indices(len(owners), 1)
        of_somebody = (owners[first] != NOBODY) | (owners[second] != NOBODY)
        is_same = candidates.parts[first] == candidates.parts[second]
        wanted = of_somebody & (is_same == same_part)
        first, second = first[wanted], second[wanted]
        pairs.append((start + first, start + second, owners[first] == owners[second]))
        start += len(owners)
    columns = zip(*(own.candidates for own in images), strict=True)
    everything = Candidates(*(None if own[0] is None else np.concatenate(own) for own in columns))
    return KnownPairs(everything, *(np.concatenate(own) for own in zip(*pairs, strict=True)))


def fit_terms(
    joint_names: tuple[str, ...], same: KnownPairs, different: KnownPairs, grid: PartGrid, regression: Any
) -> PairwiseTerms:
    """Logistic regressions of the pairs of every two parts.

    Args:
        joint_names: Of the K parts.
        same: Pairs of the same part, whose candidates may be near each other.
        different: Pairs of different parts.
        grid: Of the maps that candidates came from.
        regression: Learns; see `logistic_regression`.

    Returns: terms; unknown where fewer than ten pairs are of one person, or fewer than ten are not.
    """
    terms = PairwiseTerms.unknown(joint_names, uses_offsets=different.candidates.others is not None)
    for place, own in _by_parts(same, len(joint_names)):
        if _is_enough(own.together):
            features = terms.same_features(own.candidates, own.first, own.second, grid)
            _fit(regression, terms.same, place[:1], features, own.together)
    for place, own in _by_parts(different, len(joint_names)):
        if _is_enough(own.together):
            places, of_one = own.candidates.places, own.together
            vectors = places[own.second[of_one]] - places[own.first[of_one]]
            terms.means[place] = vectors.mean(0) / grid.scale
            features = terms.between_features(own.candidates, own.first, own.second, grid)
            _fit(regression, terms.between, place, features, own.together)
    return terms


def logistic_regression(strength: float) -> Any:
    """With an L2 penalty; `strength` of the examples against it, scikit-learn's C. May raise UserError."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise UserError("pairwise terms need scikit-learn: pip install 'pyposeops[fit]'") from error
    return LogisticRegression(C=strength, solver="liblinear", max_iter=1000)


def _by_parts(pairs: KnownPairs, joints: int) -> Iterable[tuple[tuple[int, int], KnownPairs]]:
    """The pairs of each two parts."""
    parts = pairs.candidates.parts
    key = parts[pairs.first] * joints + parts[pairs.second]
    order = np.argsort(key, kind="stable")
    kinds, counts = np.unique(key, return_counts=True)
    ends = np.cumsum(counts)
    for kind, start, end in zip(kinds.tolist(), ends - counts, ends, strict=True):
        own = order[start:end]
        yield (
            divmod(kind, joints),
            KnownPairs(pairs.candidates, pairs.first[own], pairs.second[own], pairs.together[own]),
        )


def _is_enough(together: NDArray[np.bool_]) -> bool:
    return min(int(together.sum()), int((~together).sum())) >= FEWEST_EXAMPLES


def _fit(
    regression: Any, table: Regressions, place: tuple[int, ...], features: Floats, together: NDArray[np.bool_]
) -> None:
    low, high = features.min(0), features.max(0)
    regression.fit(normalised(features, low, high), together)
    table.low[place], table.high[place] = low, high
    table.weights[place], table.bias[place] = regression.coef_[0], regression.intercept_[0]
    table.known[place] = True


def describe(terms: PairwiseTerms) -> str:
    """How much is known, in words."""
    joints = len(terms.joint_names)
    features = f"{len(SAME_PART)} and {len(OFFSETS if terms.uses_offsets else GEOMETRY)} features"
    return (
        f"{int(terms.same.known.sum())} of {joints} parts with themselves, "
        f"{int(terms.between.known.sum())} of {joints * (joints - 1) // 2} pairs of parts, {features}"
    )
