"""Joint by joint, and left taken for right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyposeops.metrics import COCOeval, KeypointResults, KeypointTruths
from tests.metrics.generated_results import Options, generate
from tests.metrics.test_coco import ours, published

AREA = 10_000.0
SIGMAS = np.array([0.1, 0.1, 0.05])


def people(count: int, labelled: np.ndarray | None = None) -> KeypointTruths:
    rng = np.random.default_rng(0)
    keypoints = np.concatenate([rng.uniform(0, 300, (count, 3, 2)), np.full((count, 3, 1), 2.0)], -1)
    if labelled is not None:
        keypoints[..., 2] *= labelled
    return KeypointTruths(np.arange(count), keypoints, np.full(count, AREA))


def found(truths: KeypointTruths, moved: np.ndarray | None = None) -> KeypointResults:
    keypoints = truths.keypoints[..., :2].copy()
    if moved is not None:
        keypoints[..., 0] += moved
    return KeypointResults(truths.image_ids, keypoints, np.linspace(1.0, 0.5, len(keypoints)))


def evaluated(truths: Any, results: Any, **options: Any) -> COCOeval:
    evaluation = COCOeval(truths, results, **options)
    evaluation.evaluate()
    return evaluation


def test_a_joint_that_is_off_fails_alone():
    truths = people(8)
    moved = np.zeros((8, 3))
    moved[:, 1] = 60.0  # exp(-60^2 / 0.04 / 10000 / 2) = 0.01
    figures = evaluated(truths, found(truths, moved), sigmas=SIGMAS).joint_figures()
    np.testing.assert_allclose(figures["AP"], [1.0, 0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(figures["AR50"], [1.0, 0.0, 1.0])


def test_the_similarity_is_that_of_the_joint():
    truths = people(4)
    distance = 0.2 * np.sqrt(AREA) * np.sqrt(-2 * np.log(0.72))  # a similarity of 0.72 for the first joint
    moved = np.zeros((4, 3))
    moved[:, 0] = distance
    figures = evaluated(truths, found(truths, moved), sigmas=SIGMAS).joint_figures()
    np.testing.assert_allclose(figures["AR"], [0.5, 1.0, 1.0])  # passes 0.50 to 0.70


def test_who_lacks_a_joint_does_not_count_for_it():
    labelled = np.ones((6, 3))
    labelled[:4, 2] = 0
    truths = people(6, labelled)
    moved = np.zeros((6, 3))
    moved[:4, 2] = 500.0
    figures = evaluated(truths, found(truths, moved), sigmas=SIGMAS).joint_figures()
    assert figures["AR"].tolist() == [1.0, 1.0, 1.0]
    nobody = people(6, np.array([1.0, 1.0, 0.0]))
    assert evaluated(nobody, found(nobody), sigmas=SIGMAS).joint_figures()["AP"].tolist()[2] == -1.0


def test_a_joint_is_scored_as_pycocotools_scores_people_of_that_joint():
    dataset, results = generate(Options(images=60, seed=11, tied=True))
    figures = evaluated(dataset, results, strict=True).joint_figures()
    for joint in (0, 9):
        alone = []
        for person in dataset["annotations"]:
            keypoints = np.reshape(person["keypoints"], (-1, 3)).astype(float)
            keypoints[np.arange(17) != joint, 2] = 0
            count = int(keypoints[joint, 2] > 0)
            alone.append({**person, "keypoints": keypoints.ravel().tolist(), "num_keypoints": count})
        want = published({**dataset, "annotations": alone}, results)
        assert [values[joint] for values in figures.values()] == list(want.stats)


def test_crowdpose_has_its_lines():
    truths = people(2)
    names = evaluated(truths, found(truths), iouType="keypoints_crowd", sigmas=SIGMAS).joint_figures()
    assert list(names) == ["AP", "AP50", "AP75", "AR", "AR50", "AR75"]


def test_swapped_sides_are_counted_per_pair():
    truths = people(10)
    results = found(truths)
    results.keypoints[:3, [0, 1]] = results.keypoints[:3, [1, 0]]
    evaluation = COCOeval(truths, results, sigmas=SIGMAS)
    evaluation.params.iouThrs = np.array([0.0, 0.5])
    evaluation.evaluate()
    swaps = evaluation.swap_rates([(0, 1), (1, 2)], iou=0.0)
    assert swaps.examined.tolist() == [10, 10] and swaps.swapped.tolist() == [3, 0]
    assert swaps.rates.tolist() == [0.3, 0.0] and swaps.mean == pytest.approx(0.15)
    strict = evaluation.swap_rates(
        [(0, 1)], iou=0.5
    )  # two joints of three are off, so nobody swapped is matched
    assert strict.examined.tolist() == [7] and strict.swapped.tolist() == [0]


def test_joints_that_are_wrong_in_another_way_are_no_swaps():
    truths = people(5)
    moved = np.zeros((5, 3))
    moved[:, 0] = 200.0
    evaluation = COCOeval(truths, found(truths, moved), sigmas=SIGMAS)
    evaluation.params.iouThrs = np.array([0.0])
    evaluation.evaluate()
    assert evaluation.swap_rates([(0, 1)], iou=0.0).swapped.tolist() == [0]


def test_pairs_without_both_labels_are_not_examined():
    truths = people(4, np.array([1.0, 0.0, 1.0]))
    swaps = evaluated(truths, found(truths), sigmas=SIGMAS).swap_rates([(0, 1)])
    assert swaps.examined.tolist() == [0] and np.isnan(swaps.rates[0]) and np.isnan(swaps.mean)


def test_default_pairs_are_those_of_coco():
    dataset, results = generate(Options(images=30, seed=1))
    swaps = ours(dataset, results).swap_rates()
    assert swaps.rates.shape == (8,) and swaps.examined.sum() > 50


def test_mistakes_are_named():
    truths = people(2)
    evaluation = evaluated(truths, found(truths), sigmas=SIGMAS)
    with pytest.raises(ValueError, match="flip_pairs: expected pairs of joints for a set of 3, got none"):
        evaluation.swap_rates()
    with pytest.raises(
        ValueError, match=r"flip_pairs: expected pairs of different joints below 3, got \(0, 3\)"
    ):
        evaluation.swap_rates([(0, 3)])
    with pytest.raises(ValueError, match=r"iou: expected one of params.iouThrs .*, got 0.4"):
        evaluation.swap_rates([(0, 1)], iou=0.4)
    with pytest.raises(RuntimeError, match=r"call evaluate\(\) first"):
        COCOeval(truths, found(truths), sigmas=SIGMAS).joint_figures()
