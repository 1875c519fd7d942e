"""The pairwise terms of DeepCut: what it costs that two candidates for joints are of one person.

Source: Pishchulin et al., CVPR 2016, sections 3 and 4.1.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from python_models.errors import UserError
from python_models.files import save_json
from python_models.model_card import ModelCard
from python_models.pairwise_features import (
    GEOMETRY,
    OFFSETS,
    SAME_PART,
    geometry_features,
    offset_features,
    same_part_features,
)
from python_models.part_candidates import Candidates, Floats
from python_models.part_grid import PartGrid

Indices = NDArray[np.int64]
# Same parts of which too little was seen belong together with the probability 1 / (1 + exp(0.2 distance - 7.5)).
_FALL_PER_PX, _LOGIT_AT_ZERO = 0.2, 7.5


class Regressions(NamedTuple):
    """Logistic regressions of F features, one for each entry of a table of some shape (...)."""

    known: NDArray[np.bool_]  # (...)
    low: Floats  # (..., F), smallest and largest that was seen: features between them become 0 to 1, others 0 or 1
    high: Floats
    weights: Floats  # (..., F)
    bias: Floats  # (...)

    @classmethod
    def unknown(cls, shape: tuple[int, ...], features: int) -> "Regressions":
        """A table without any."""
        zeros = np.zeros((*shape, features))
        return cls(np.zeros(shape, bool), zeros, zeros.copy(), zeros.copy(), np.zeros(shape))

    def logits(self, entries: tuple[Indices, ...], features: Floats) -> Floats:
        """(P,): of the features (P, F) by these entries of the table; 0 by unknown ones."""
        seen = normalised(features, self.low[entries], self.high[entries])
        return np.where(self.known[entries], (self.weights[entries] * seen).sum(1) + self.bias[entries], 0.0)


def normalised(features: Floats, low: Floats, high: Floats) -> Floats:
    """Features from `low` to `high` as 0 to 1; 0 where these are the same."""
    span = np.where(high > low, high - low, 1.0)
    return np.where(high > low, np.clip((features - low) / span, 0.0, 1.0), 0.0)


class PairwiseTerms(NamedTuple):
    """What was learned about pairs of candidates."""

    joint_names: tuple[str, ...]
    uses_offsets: bool  # features of two parts are DeeperCut's, else DeepCut's
    same: Regressions  # (K,)
    between: Regressions  # (K, K), the first part before the second
    means: Floats  # (K, K, 2), from the first part to the second

    @classmethod
    def unknown(cls, joint_names: tuple[str, ...], *, uses_offsets: bool) -> "PairwiseTerms":
        """Nothing is known yet."""
        count = len(joint_names)
        between = Regressions.unknown((count, count), len(OFFSETS if uses_offsets else GEOMETRY))
        same = Regressions.unknown((count,), len(SAME_PART))
        return cls(joint_names, uses_offsets, same, between, np.zeros((count, count, 2)))

    def costs(self, candidates: Candidates, grid: PartGrid) -> Floats:
        """(D, D), above the diagonal: log((1 - p) / p) for the probability p that both are of one person.

        Pairs of parts of which nothing is known cost 0; of the same part, see `_FALL_PER_PX`.
        """
        count = len(candidates.parts)
        result = np.zeros((count, count))
        first, second = np.triu_indices(count, 1)
        result[first, second] = -self.logits(candidates, first, second, grid)
        return result

    def logits(self, candidates: Candidates, first: Indices, second: Indices, grid: PartGrid) -> Floats:
        """(P,), of the pairs of candidates, the first of each no later part than the second."""
        parts = candidates.parts
        is_same = parts[first] == parts[second]
        result = np.zeros(len(first))
        pairs = first[is_same], second[is_same]
        part, features = parts[pairs[0]], self.same_features(candidates, *pairs, grid)
        published = _LOGIT_AT_ZERO - _FALL_PER_PX * features[:, 0]
        result[is_same] = np.where(self.same.known[part], self.same.logits((part,), features), published)
        pairs = first[~is_same], second[~is_same]
        features = self.between_features(candidates, *pairs, grid)
        result[~is_same] = self.between.logits((parts[pairs[0]], parts[pairs[1]]), features)
        return result

    def same_features(
        self, candidates: Candidates, first: Indices, second: Indices, grid: PartGrid
    ) -> Floats:
        """(P, 2), of pairs of the same part."""
        return same_part_features(*_scaled(grid, candidates.places[first], candidates.places[second]))

    def between_features(
        self, candidates: Candidates, first: Indices, second: Indices, grid: PartGrid
    ) -> Floats:
        """(P, F), of pairs of different parts, the earlier one first.

        Raises: UserError where the candidates do not say what the terms take.
        """
        parts, places = candidates.parts, candidates.places
        ends = _scaled(grid, places[first], places[second])
        if not self.uses_offsets:
            scores = np.stack([candidates.scores[first], candidates.scores[second]], axis=1)
            return geometry_features(*ends, scores, self.means[parts[first], parts[second]])
        others = candidates.others
        if others is None:
            raise UserError("pairwise: made for a network that says where other parts are; this one does not")
        said = _scaled(grid, others[first, parts[second]], others[second, parts[first]])
        return offset_features(*ends, *said)

    def check(self, card: ModelCard, *, paired: bool) -> None:
        """Raise UserError where the terms are not for this network; `paired`: whether it gives `PairedPartMaps`."""
        if self.joint_names != card.skeleton.joint_names:
            raise UserError(
                f"pairwise: made for the joints {', '.join(self.joint_names)}; the model has "
                f"{', '.join(card.skeleton.joint_names)}"
            )
        if self.uses_offsets != paired:
            kinds = {True: "offsets to other parts", False: "geometry alone"}
            raise UserError(
                f"pairwise: made of {kinds[self.uses_offsets]}; {card.model} takes {kinds[paired]}"
            )


def _scaled(grid: PartGrid, *places: Floats) -> tuple[Floats, ...]:
    """In pixels of the published size."""
    return tuple(own / grid.scale for own in places)


def save_terms(path: str | Path, terms: PairwiseTerms) -> None:
    """Write terms as JSON, whole or not at all."""
    names = terms.joint_names
    between = []
    for first, second in zip(*np.nonzero(terms.between.known), strict=True):
        own = {"first": names[first], "second": names[second], "mean": terms.means[first, second].tolist()}
        between.append(own | _entry(terms.between, (first, second)))
    content = {
        "joints": list(names),
        "same_features": list(SAME_PART),
        "features": list(OFFSETS if terms.uses_offsets else GEOMETRY),
        "same": [
            {"joint": names[part]} | _entry(terms.same, (part,)) for part in np.flatnonzero(terms.same.known)
        ],
        "between": between,
    }
    save_json(path, content)


def _entry(table: Regressions, place: tuple[Any, ...]) -> dict[str, Any]:
    vectors = {name: getattr(table, name)[place].tolist() for name in ("low", "high", "weights")}
    return {**vectors, "bias": float(table.bias[place])}


def load_terms(path: str | Path) -> PairwiseTerms:
    """Read what `save_terms` wrote; raises UserError for anything else."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"pairwise {path}: cannot be read as JSON ({error})") from error
    try:
        return _terms_of(content)
    except (TypeError, KeyError, ValueError) as error:
        raise UserError(f"pairwise {path}: holds no pairwise terms of this version ({error!r})") from error


def _terms_of(content: Mapping[str, Any]) -> PairwiseTerms:
    names, features = tuple(content["joints"]), tuple(content["features"])
    if tuple(content["same_features"]) != SAME_PART or features not in (GEOMETRY, OFFSETS):
        raise ValueError("other features")
    terms = PairwiseTerms.unknown(names, uses_offsets=features == OFFSETS)
    for entry in content["same"]:
        _fill(terms.same, (names.index(entry["joint"]),), entry)
    for entry in content["between"]:
        place = names.index(entry["first"]), names.index(entry["second"])
        _fill(terms.between, place, entry)
        terms.means[place] = _finite(entry["mean"], 2)
    return terms


def _fill(table: Regressions, place: tuple[int, ...], entry: Mapping[str, Any]) -> None:
    for name in ("low", "high", "weights"):
        getattr(table, name)[place] = _finite(entry[name], table.low.shape[-1])
    table.bias[place] = _finite([entry["bias"]], 1)[0]
    table.known[place] = True


def _finite(values: Any, count: int) -> list[float]:
    numbers = [float(value) for value in values]
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError(f"expected {count} finite numbers, got {values}")
    return numbers
