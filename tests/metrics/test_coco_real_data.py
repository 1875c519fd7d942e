"""Annotated photographs, found again with errors: COCO's own evaluation, and CrowdPose's rules written out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyposeops.metrics import COCOeval
from pyposeops.metrics.keypoint_sets import CROWDPOSE_14
from tests.metrics.test_coco import assert_equal, ours, published, run


def annotated(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name / "annotations.json"
    if not path.is_file():
        pytest.skip(f"no {path}")
    return json.loads(path.read_text())


def perturbed(dataset: dict[str, Any], seed: int, *, tied: bool) -> list[dict[str, Any]]:
    """Each labelled person up to three times, more and less wrong; some of them mirrored, some elsewhere."""
    rng = np.random.default_rng(seed)
    results = []
    for person in dataset["annotations"]:
        joints = np.reshape(person["keypoints"], (-1, 3)).astype(float)
        for _ in range(rng.integers(0, 4)):
            moved = joints.copy()
            moved[:, :2] += rng.normal(scale=rng.choice([1.0, 6.0, 25.0]), size=(len(joints), 2))
            moved[:, 2] = rng.random(len(joints))
            if rng.random() < 0.1:
                moved[:, 0] += 200
            score = float(rng.random())
            results.append(
                {
                    "image_id": person["image_id"],
                    "category_id": person["category_id"],
                    "keypoints": moved.ravel().tolist(),
                    "score": round(score, 1) if tied else score,
                }
            )
    return results


@pytest.mark.parametrize("name", ["coco_people", "coco_mini"])
@pytest.mark.parametrize("seed", range(4))
def test_photographs_of_coco_score_as_by_pycocotools(pose_data: Path, name: str, seed: int):
    dataset = annotated(pose_data, name)
    results = perturbed(dataset, seed, tied=seed % 2 == 0)
    got, want = ours(dataset, results), published(dataset, results)
    assert_equal(got, want)
    assert 0.05 < got.stats[0] < 0.95


def test_annotations_found_again_are_perfect(pose_data: Path):
    dataset = annotated(pose_data, "coco_people")
    labelled = [person for person in dataset["annotations"] if person["num_keypoints"] > 0]
    found = [{**person, "score": 0.5} for person in labelled]
    figures = run(COCOeval(dataset, found)).figures()
    assert figures["AP"] > 1 - 1e-9 and figures["AR"] == 1.0


def crowdpose_ap(dataset: dict[str, Any], results: list[dict[str, Any]]) -> float:
    """One threshold after the other in plain loops, without ignored people: none in this set lacks joints."""
    precisions = []
    for threshold in np.linspace(0.5, 0.95, 10):
        flags = []
        for image in dataset["images"]:
            people = [p for p in dataset["annotations"] if p["image_id"] == image["id"]]
            found = sorted((r for r in results if r["image_id"] == image["id"]), key=lambda r: -r["score"])[
                :20
            ]
            free = list(range(len(people)))
            for result in found:
                values = {i: crowdpose_similarity(people[i], result) for i in free}
                best = max(free, key=lambda i: (values[i], i), default=None)
                hit = best is not None and values[best] >= threshold
                if hit:
                    free.remove(best)
                flags.append((result["score"], hit))
        flags.sort(key=lambda flag: -flag[0])
        hits = np.cumsum([hit for _, hit in flags])
        precision = hits / np.arange(1, len(flags) + 1)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        recall = hits / len(dataset["annotations"])
        at = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
        precisions.append(np.append(envelope, 0.0)[np.minimum(at, len(envelope))].mean())
    return float(np.mean(precisions))


def crowdpose_similarity(person: dict[str, Any], result: dict[str, Any]) -> float:
    true, found = (np.reshape(p["keypoints"], (-1, 3)).astype(float) for p in (person, result))
    area = person["bbox"][2] * person["bbox"][3] * 0.53
    seen = true[:, 2] > 0
    distance = ((true - found)[:, :2] ** 2).sum(1)
    return float(np.exp(-distance / (2 * np.array(CROWDPOSE_14)) ** 2 / area / 2)[seen].mean())


def test_photographs_of_crowdpose_score_as_its_rules_say(pose_data: Path):
    dataset = annotated(pose_data, "crowdpose_mini")
    dataset["annotations"] = [p for p in dataset["annotations"] if p["num_keypoints"] > 0]
    results = perturbed(dataset, 3, tied=False)
    figures = run(COCOeval(dataset, results, "keypoints_crowd")).figures()
    assert figures["AP"] == pytest.approx(crowdpose_ap(dataset, results), abs=1e-9)
    assert {"AP easy", "AP medium", "AP hard"} <= figures.keys()
