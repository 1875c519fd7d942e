"""Joints of crowds: nodes and matching against loops and brute force, and people who stand in each other's boxes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from pyposeops.metrics.keypoint_sets import CROWDPOSE_14
from pyposeops.solvers import joint_nodes, match_joints
from tests.property_tests import given, settings, st


def looped_nodes(points: np.ndarray, responses: np.ndarray, reaches: np.ndarray) -> list[int]:
    nodes: list[list[int]] = []
    for m in sorted(range(len(responses)), key=lambda m: (-responses[m], m)):
        options = []
        for index, members in enumerate(nodes):
            apart = float(np.hypot(*(points[m] - points[members[0]])))
            if apart <= min(reaches[m], reaches[members[0]]):
                options.append((apart, index))
        if options:
            nodes[min(options)[1]].append(m)
        else:
            nodes.append([m])
    return [next(i for i, members in enumerate(nodes) if m in members) for m in range(len(responses))]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 25), st.integers(0, 10**6), st.booleans())
def test_nodes_are_those_of_the_definition(count: int, seed: int, ties: bool):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 20, (count, 2))
    responses = rng.uniform(0.1, 1, count)
    if ties:
        points, responses = points.round(), responses.round(1)
    reaches = rng.uniform(0, 8, count)
    found = joint_nodes(points, responses, reaches)
    assert found.node.tolist() == looped_nodes(points, responses, reaches)
    for index, center in enumerate(found.centers):
        own = found.node == index
        assert center == pytest.approx(np.average(points[own], axis=0, weights=responses[own]))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 4), st.integers(0, 3), st.integers(0, 10**6))
def test_no_other_matching_has_a_larger_sum(people: int, places: int, seed: int):
    rng = np.random.default_rng(seed)
    coords, scores = rng.uniform(0, 30, (people, 2, places, 2)), rng.uniform(0.1, 1, (people, 2, places))
    counts = rng.integers(0, places + 1, (people, 2))
    sizes, sigmas = rng.uniform(20, 60, people), np.array([0.05, 0.2])
    found = match_joints(coords, scores, counts, sizes=sizes, sigmas=sigmas)
    for joint in range(2):
        rows = [(n, p) for n in range(people) for p in range(counts[n, joint])]
        if not rows:
            assert (found.scores[:, joint] == 0).all()
            continue
        owner = np.array([n for n, _ in rows])
        nodes = np.array(
            looped_nodes(
                np.array([coords[n, joint, p] for n, p in rows]),
                np.array([scores[n, joint, p] for n, p in rows]),
                sizes[owner] * sigmas[joint],
            )
        )
        best = 0.0
        for choice in itertools.product([-1, *range(nodes.max() + 1)], repeat=people):
            taken = [node for node in choice if node >= 0]
            if len(set(taken)) < len(taken):
                continue
            total = 0.0
            for n, node in enumerate(choice):
                seen = [
                    scores[m, joint, p] for (m, p), j in zip(rows, nodes, strict=True) if (m, j) == (n, node)
                ]
                total += max(seen, default=0.0)
            best = max(best, total)
        assert found.scores[:, joint].sum() == pytest.approx(best)


def two_people(second_box_of_the_first: bool = False) -> dict[str, Any]:
    """Two people 25 pixels apart, each the second candidate in the other's box, who responds less than the owner."""
    rng = np.random.default_rng(0)
    first = rng.uniform(50, 250, (14, 2))
    second = first + np.array([25.0, 0.0])
    boxes = [(first, second), (second, first), *([(first, second)] if second_box_of_the_first else [])]
    coords = np.stack([np.stack(pair, axis=1) for pair in boxes]) + rng.normal(0, 0.3, (len(boxes), 14, 2, 2))
    scores = np.tile([0.9, 0.6], (len(boxes), 14, 1)) - 0.05 * np.arange(len(boxes))[:, None, None]
    # In the second person's box three joints of the first one look stronger.
    scores[1, :3] = [0.55, 0.8]
    return {
        "coords": coords, "scores": scores, "counts": np.full((len(boxes), 14), 2),
        "sizes": np.full(len(boxes), 120.0), "sigmas": CROWDPOSE_14, "truth": (first, second),
    }  # fmt: skip


def test_people_keep_their_own_joints_where_others_respond_more():
    problem = two_people()
    first, second = problem.pop("truth")
    found = match_joints(**problem)
    assert np.abs(found.keypoints[0] - first).max() < 2 and np.abs(found.keypoints[1] - second).max() < 2
    assert found.keep.all()
    alone = problem["coords"][1, :, 0]
    strongest = problem["coords"][1, np.arange(14), problem["scores"][1].argmax(-1)]
    assert np.abs(strongest - second).max() > 20 > np.abs(alone - second).max()


def test_the_second_box_of_a_person_is_left_with_nothing():
    problem = two_people(second_box_of_the_first=True)
    problem.pop("truth")
    found = match_joints(**problem, min_joints=5)
    assert found.keep.tolist() == [True, True, False] and (found.scores[2] > 0).sum() == 0
    assert match_joints(**problem, min_score=0.2).keep.tolist() == [True, True, False]
    assert (found.keypoints[2] == 0).all()


def one_person_in_three_boxes() -> dict[str, Any]:
    """Each of three boxes responds most at a third of the 12 joints, so that together they share them out."""
    rng = np.random.default_rng(1)
    coords = np.tile(rng.uniform(0, 200, (12, 1, 2)), (3, 1, 1, 1))
    scores = np.full((3, 12, 1), 0.6)
    for box in range(3):
        scores[box, box::3] = 0.9
    scores[1] += 0.05
    return {
        "coords": coords, "scores": scores, "counts": np.ones((3, 12), int), "sizes": np.full(3, 100.0),
        "sigmas": np.full(12, 0.05),
    }  # fmt: skip


def test_who_is_dropped_gives_the_joints_back():
    problem = one_person_in_three_boxes()
    shared = match_joints(**problem)
    assert shared.keep.all() and ((shared.scores > 0).sum(1) == 4).all()
    found = match_joints(**problem, min_share=0.75)
    assert found.keep.tolist() == [False, True, False]
    np.testing.assert_array_equal(found.scores, problem["scores"][..., 0] * found.keep[:, None])
    np.testing.assert_allclose(found.keypoints[1], problem["coords"][1, :, 0])
    assert not found.keypoints[[0, 2]].any()
    assert match_joints(**problem, min_joints=5).keep.sum() == 1
    assert match_joints(**problem, min_score=0.5).keep.sum() == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 8), st.integers(1, 3), st.floats(0, 1), st.integers(0, 10**6))
def test_those_who_stay_have_their_share_and_somebody_stays(
    people: int, places: int, share: float, seed: int
):
    rng = np.random.default_rng(seed)
    coords, scores = rng.uniform(0, 30, (people, 4, places, 2)), rng.uniform(0.1, 1, (people, 4, places))
    counts = rng.integers(1, places + 1, (people, 4))
    found = match_joints(
        coords, scores, counts, sizes=np.full(people, 50.0), sigmas=np.full(4, 0.2), min_share=share
    )
    strongest = [
        sum(scores[n, k, : counts[n, k]].max() for k in range(4)) for n in np.flatnonzero(found.keep)
    ]
    left = found.scores[found.keep].sum(1)
    assert found.keep.any() and (left >= share * np.array(strongest) - 1e-12).all()
    assert not found.scores[~found.keep].any() and not found.keypoints[~found.keep].any()


def test_candidates_within_a_pixel_of_both_heatmaps_are_one_place():
    coords = np.array([[[[10.0, 10.0]]], [[[13.0, 10.0]]]])
    scores, counts = np.array([[[0.9]], [[0.3]]]), np.ones((2, 1), int)
    sizes = {"sizes": [50.0, 50.0], "sigmas": [0.02]}
    assert match_joints(coords, scores, counts, **sizes).keep.tolist() == [True, True]
    assert match_joints(coords, scores, counts, **sizes, pixels=[4.0, 2.0]).keep.tolist() == [True, True]
    assert match_joints(coords, scores, counts, **sizes, pixels=[4.0, 3.0]).keep.tolist() == [True, False]


def test_positions_are_the_nodes_or_ones_own():
    coords = np.array([[[[10.0, 10.0]]], [[[12.0, 10.0]]]])
    scores, counts = np.array([[[0.9]], [[0.3]]]), np.ones((2, 1), int)
    sizes = {"sizes": [50.0, 50.0], "sigmas": [0.1]}
    node = match_joints(coords, scores, counts, **sizes)
    assert node.keypoints[0, 0].tolist() == [10.5, 10.0] and node.scores[:, 0].tolist() == [0.9, 0.0]
    assert match_joints(coords, scores, counts, **sizes, position="own").keypoints[0, 0].tolist() == [
        10.0,
        10.0,
    ]


def test_ones_own_place_is_that_of_the_strongest_candidate_in_the_node():
    coords = np.array([[[[12.0, 10.0], [10.0, 10.0], [11.0, 10.0]]]])
    for scores, expected in (([0.4, 0.9, 0.5], 10.0), ([0.9, 0.4, 0.5], 12.0), ([0.4, 0.9, 0.9], 10.0)):
        found = match_joints(coords, [[scores]], np.array([[3]]), sizes=[50.0], sigmas=[0.1], position="own")
        assert found.keypoints[0, 0].tolist() == [expected, 10.0] and found.scores.tolist() == [[0.9]]


def test_nobody_and_nothing():
    empty = match_joints(
        np.zeros((0, 14, 3, 2)), np.zeros((0, 14, 3)), np.zeros((0, 14), int), sizes=[], sigmas=CROWDPOSE_14
    )
    assert empty.keypoints.shape == (0, 14, 2) and empty.keep.shape == (0,)
    none = match_joints(
        np.zeros((2, 1, 3, 2)), np.zeros((2, 1, 3)), np.zeros((2, 1), int), sizes=[9, 9], sigmas=[0.1]
    )
    assert not none.keep.any() and (none.scores == 0).all()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"coords": np.ones((2, 3, 4))}, "coords"),
        ({"scores": np.ones((2, 3))}, "scores"),
        ({"counts": np.ones((2, 2), int)}, "counts"),
        ({"counts": np.full((2, 3), 5)}, "counts.*0 to 4"),
        ({"counts": np.full((2, 3), -1)}, "counts"),
        ({"counts": np.ones((2, 3))}, "counts.*integers"),
        ({"coords": np.full((2, 3, 4, 2), np.nan)}, "finite"),
        ({"scores": np.zeros((2, 3, 4))}, "above 0"),
        ({"sizes": [1.0]}, "sizes"),
        ({"sizes": [1.0, 0.0]}, "sizes"),
        ({"sigmas": [0.1, 0.1, np.nan]}, "sigmas"),
        ({"position": "mean"}, "position"),
        ({"pixels": [1.0]}, "pixels"),
        ({"pixels": [1.0, -1.0]}, "pixels"),
        ({"min_share": 1.5}, "min_share"),
    ],
)
def test_wrong_arguments_are_named(changes: dict[str, Any], words: str):
    arguments = {
        "coords": np.ones((2, 3, 4, 2)), "scores": np.ones((2, 3, 4)), "counts": np.ones((2, 3), int),
        "sizes": [1.0, 1.0], "sigmas": [0.1, 0.1, 0.1],
    }  # fmt: skip
    with pytest.raises(ValueError, match=words):
        match_joints(**{**arguments, **changes})


def test_wrong_candidates_of_a_node_are_named():
    with pytest.raises(ValueError, match="points"):
        joint_nodes([[0.0, 0.0]], [1.0, 1.0], [1.0])
