"""DeepCut's pairwise terms: features by hand, logistic regression by its definition, and the file."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from python_models.errors import UserError
from python_models.maps import PairedPartMaps, PartScoreMaps
from python_models.model_card import ModelCard
from python_models.pairwise_features import (
    GEOMETRY,
    OFFSETS,
    geometry_features,
    offset_features,
    same_part_features,
)
from python_models.pairwise_fit import (
    NOBODY,
    KnownPairs,
    OwnedCandidates,
    fit_terms,
    known_pairs,
    logistic_regression,
    owners_of,
)
from python_models.pairwise_terms import PairwiseTerms, load_terms, normalised, save_terms
from python_models.part_candidates import Candidates, part_candidates
from python_models.part_grid import PartGrid
from tests.models.planted_parts import GRID, learned_terms, scenes
from tests.models.tiny_crowds import CHAIN

PUBLISHED = PartGrid(8.0, 0.0, 17.0)  # lengths are not scaled
NAMES = ("a", "b", "c")


def candidates(parts: list[int], places: list[list[float]], others: np.ndarray | None = None) -> Candidates:
    return Candidates(
        np.array(parts), np.array(places, np.float64), np.linspace(0.9, 0.5, len(parts)), others
    )


def test_features_of_the_same_part_are_distance_and_square():
    assert same_part_features(np.array([[1.0, 2.0]]), np.array([[4.0, 6.0]])).tolist() == [[5.0, 25.0]]


def test_features_of_the_geometry_are_differences_from_the_mean():
    first, second = np.array([[10.0, 10.0]]), np.array([[10.0, 30.0]])
    scores, mean = np.array([[0.75, 0.25]]), np.array([[10.0, 10.0]])
    (found,) = geometry_features(first, second, scores, mean)
    wanted = [-10, 10, 100, 100, -100, math.sqrt(200), 200, math.pi / 4, math.pi / 4]
    wanted += [math.exp(-10 / 17)] * 2 + [math.exp(-math.sqrt(200) / 17), math.exp(-math.pi / 4), 0.75, 0.25]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert len(GEOMETRY) == 15
    turned = geometry_features(first, np.array([[30.0, 10.0]]), scores, mean)[0]
    assert turned[7] == pytest.approx(-math.pi / 4) and turned[8] == pytest.approx(math.pi / 4)


def test_features_of_offsets_go_both_ways():
    first, second = np.array([[0.0, 0.0]]), np.array([[20.0, 0.0]])
    (found,) = offset_features(first, second, np.array([[0.0, 20.0]]), np.array([[3.0, 4.0]]))
    far, off = math.hypot(20, 20), math.atan2(4, 17)
    wanted = [
        far,
        math.pi / 2,
        math.exp(-far / 17),
        math.exp(-math.pi / 2),
        5,
        off,
        math.exp(-5 / 17),
        math.exp(-off),
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert len(OFFSETS) == 8
    nowhere = offset_features(first, first, first, first)
    assert nowhere.tolist() == [[0, 0, 1, 1, 0, 0, 1, 1]]


def test_features_become_0_to_1_and_stay_there():
    low, high = np.array([0.0, 5.0, -2.0]), np.array([10.0, 5.0, 2.0])
    found = normalised(np.array([[5.0, 5.0, -3.0], [12.0, 9.0, 1.0]]), low, high)
    assert found.tolist() == [[0.5, 0.0, 0.0], [1.0, 0.0, 0.75]]


def test_candidates_belong_to_the_nearest_labelled_joint_in_reach():
    found = candidates([0, 0, 1, 1], [[10, 10], [30, 10], [13, 10], [90, 90]])
    keypoints = np.array([[[0.0, 10.0], [0.0, 10.0]], [[22.0, 10.0], [14.0, 10.0]]])
    visibility = np.array([[1.0, 2.0], [2.0, 0.0]])
    assert owners_of(found, keypoints, visibility, 15.0).tolist() == [0, 1, 0, NOBODY]
    assert owners_of(found, keypoints[:0], visibility[:0], 15.0).tolist() == [NOBODY] * 4


def test_pairs_are_those_within_an_image_of_which_one_is_somebodys():
    first = OwnedCandidates(candidates([0, 0, 1], [[0, 0], [1, 0], [2, 0]]), np.array([0, NOBODY, 0]))
    second = OwnedCandidates(candidates([1, 1, 2], [[3, 0], [4, 0], [5, 0]]), np.array([NOBODY, NOBODY, 2]))
    same = known_pairs([first, second], same_part=True)
    assert list(zip(same.first, same.second, same.together, strict=True)) == [(0, 1, False)]
    different = known_pairs([first, second], same_part=False)
    pairs = list(zip(different.first, different.second, different.together, strict=True))
    assert pairs == [(0, 2, True), (1, 2, False), (3, 5, False), (4, 5, False)]
    assert different.candidates.places[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(UserError, match="data: expected images with people"):
        known_pairs([], same_part=True)


def random_pairs(seed: int, count: int = 80, parts: tuple[int, int] = (0, 1)) -> KnownPairs:
    """Two parts, of one person where the second lies about (12, 5) from the first."""
    rng = np.random.default_rng(seed)
    together = rng.random(count) < 0.4
    first = rng.uniform(0, 200, (count, 2))
    near = first + np.array([12, 5]) + rng.normal(0, 6, (count, 2))
    second = np.where(together[:, None], near, rng.uniform(0, 200, (count, 2)))
    found = Candidates(
        np.repeat(parts, count), np.concatenate([first, second]), rng.uniform(0.2, 1, 2 * count), None
    )
    return KnownPairs(found, np.arange(count), np.arange(count, 2 * count), together)


def by_newton(features: np.ndarray, together: np.ndarray, strength: float) -> np.ndarray:
    """The minimum of |w|^2 / 2 + C sum log(1 + exp(-y w x)), x with a 1 at its end."""
    x, y = np.hstack([features, np.ones((len(features), 1))]), np.where(together, 1.0, -1.0)
    weights = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(y * (x @ weights)))
        gradient = weights - strength * (x.T @ (y * p))
        curvature = np.eye(len(weights)) + strength * (x.T * (p * (1 - p))) @ x
        weights -= np.linalg.solve(curvature, gradient)
    return weights


@pytest.mark.parametrize("strength", [1e-3, 1.0])
def test_terms_are_the_minimum_of_the_regularised_loss(strength: float):
    pytest.importorskip("sklearn")
    pairs = random_pairs(0)
    none = KnownPairs(pairs.candidates, *(own[:0] for own in pairs[1:]))
    grid = PartGrid(8.0, 0.0, 8.5)  # people half as large
    terms = fit_terms(NAMES, none, pairs, grid, logistic_regression(strength))
    places = 2 * pairs.candidates.places
    first, second = places[pairs.first], places[pairs.second]
    mean = (second - first)[pairs.together].mean(0)
    np.testing.assert_allclose(terms.means[0, 1], mean)
    scores = pairs.candidates.scores[np.stack([pairs.first, pairs.second], axis=1)]
    features = geometry_features(first, second, scores, np.broadcast_to(mean, first.shape))
    low, high = features.min(0), features.max(0)
    weights = by_newton((features - low) / (high - low), pairs.together, strength)
    found = np.append(terms.between.weights[0, 1], terms.between.bias[0, 1])
    np.testing.assert_allclose(found, weights, atol=1e-3 * np.abs(weights).max())
    # Costs are minus the logits: of the probability p, log((1 - p) / p).
    costs = terms.costs(pairs.candidates, grid)
    logits = ((features - low) / (high - low)) @ weights[:-1] + weights[-1]
    np.testing.assert_allclose(costs[pairs.first, pairs.second], -logits, atol=1e-2 * strength**0.5)
    assert not np.tril(costs).any()
    assert terms.between.known.sum() == 1 and not terms.same.known.any()


def test_same_parts_of_which_nothing_is_known_part_at_the_published_distance():
    terms = PairwiseTerms.unknown(NAMES, uses_offsets=False)
    found = candidates([0, 0, 0, 1], [[0, 0], [30, 0], [70, 0], [0, 0]])
    costs = terms.costs(found, PUBLISHED)
    np.testing.assert_allclose(costs[0], [0, 0.2 * 30 - 7.5, 0.2 * 70 - 7.5, 0])
    np.testing.assert_allclose(terms.costs(found, PUBLISHED._replace(radius_px=8.5))[0, 1], 0.2 * 60 - 7.5)


def test_too_few_examples_leave_parts_unknown():
    pytest.importorskip("sklearn")
    pairs = random_pairs(1)
    nine = np.flatnonzero(pairs.together)[:9]
    few = np.sort(np.concatenate([nine, np.flatnonzero(~pairs.together)]))
    pairs = KnownPairs(pairs.candidates, *(own[few] for own in pairs[1:]))
    none = KnownPairs(pairs.candidates, *(own[:0] for own in pairs[1:]))
    assert not fit_terms(NAMES, none, pairs, PUBLISHED, logistic_regression(1.0)).between.known.any()


@pytest.mark.parametrize("paired", [False, True])
def test_learned_terms_tell_who_belongs_together(paired: bool):
    pytest.importorskip("sklearn")
    terms = learned_terms(paired)
    right = {True: [], False: []}
    for scene in scenes(2, 10):
        maps: PairedPartMaps | PartScoreMaps = scene.maps if paired else PartScoreMaps(*scene.maps[:2])
        (found,) = part_candidates(maps, GRID)
        owners = owners_of(found, scene.people.double().numpy(), scene.visibility.numpy(), 25 * GRID.scale)
        costs = terms.costs(found, GRID)
        for first, second in zip(*np.triu_indices(len(owners), 1), strict=True):
            if found.parts[first] != found.parts[second] and owners[first] != NOBODY:
                together = owners[first] == owners[second]
                right[together].append((costs[first, second] < 0) == together)
    assert np.mean(right[True]) > (0.98 if paired else 0.4)
    assert np.mean(right[False]) > (0.98 if paired else 0.9)


def test_terms_are_written_and_read_back(tmp_path: Path):
    pytest.importorskip("sklearn")
    terms = fit_terms(
        NAMES, random_pairs(3, parts=(2, 2)), random_pairs(0), PUBLISHED, logistic_regression(1.0)
    )
    path = tmp_path / "terms.json"
    save_terms(path, terms)
    read = load_terms(path)
    assert read.joint_names == NAMES and not read.uses_offsets
    for own, other in (
        (terms.same, read.same),
        (terms.between, read.between),
        ((terms.means,), (read.means,)),
    ):
        for array, again in zip(own, other, strict=True):
            np.testing.assert_array_equal(array, again)
    content = json.loads(path.read_text())
    assert content["joints"] == list(NAMES) and content["features"] == list(GEOMETRY)
    assert [path.name for path in tmp_path.iterdir()] == ["terms.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.pop("joints"), "KeyError"),
        (lambda content: content.update(features=["x"]), "other features"),
        (lambda content: content["between"][0].update(first="nose"), "not in tuple|x not in"),
        (lambda content: content["between"][0].update(bias=math.nan), "expected 1 finite"),
        (lambda content: content["between"][0].update(weights=[1.0]), "expected 15 finite"),
        (lambda content: content["between"][0].update(mean=None), "TypeError"),
        (lambda content: content.update(between=3), "TypeError"),
    ],
)
def test_other_files_are_told(tmp_path: Path, change, message: str):
    terms = PairwiseTerms.unknown(NAMES, uses_offsets=False)
    terms.between.known[0, 1] = True
    path = tmp_path / "terms.json"
    save_terms(path, terms)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=f"terms.json: holds no pairwise terms of this version .*({message})"):
        load_terms(path)


def test_files_that_are_none_are_told(tmp_path: Path):
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(UserError, match="holds no pairwise terms"):
        load_terms(tmp_path / "list.json")
    (tmp_path / "text.json").write_text("{")
    with pytest.raises(UserError, match=r"text.json: cannot be read as JSON"):
        load_terms(tmp_path / "text.json")
    with pytest.raises(UserError, match=r"none.json: cannot be read"):
        load_terms(tmp_path / "none.json")


def test_terms_of_other_joints_or_features_do_not_fit():
    card = ModelCard("deepcut_vgg16", (64, 96), CHAIN)
    with pytest.raises(UserError, match="made for the joints a, b, c; the model has left_shoulder"):
        PairwiseTerms.unknown(NAMES, uses_offsets=False).check(card, paired=False)
    own = PairwiseTerms.unknown(CHAIN.joint_names, uses_offsets=True)
    own.check(card, paired=True)
    with pytest.raises(UserError, match="made of offsets to other parts; deepcut_vgg16 takes geometry alone"):
        own.check(card, paired=False)


def test_without_scikit_learn_it_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(UserError, match=r"need scikit-learn: pip install 'pyposeops\[fit\]'"):
        logistic_regression(1.0)


def test_scenes_show_everybody():
    scene = next(iter(scenes(3, 1)))
    assert torch.isfinite(scene.maps.scores[0]).all() and (scene.maps.scores[0] > 0).any()
