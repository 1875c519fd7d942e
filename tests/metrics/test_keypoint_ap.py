"""KeypointAP against COCOeval, to the bit: in batches, in any order, on two processes."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("torchmetrics")

from pyposeops.metrics import COCOeval, KeypointAP, KeypointResults, KeypointTruths
from tests.conftest import REPOSITORY
from tests.metrics.distributed_worker import of_image, people, reference, update
from tests.property_tests import given, settings, st

# What a metric without people says is wanted here.
pytestmark = pytest.mark.filterwarnings("ignore:The ``compute`` method of metric")


def numbers(figures: dict[str, torch.Tensor]) -> dict[str, Any]:
    return {name: value.tolist() for name, value in figures.items()}


@pytest.mark.parametrize("strict", [False, True])
def test_batches_in_any_order_give_the_figures_of_coco(strict: bool):
    metric = KeypointAP(strict=strict)
    images = people()[0].images.tolist()
    np.random.default_rng(0).shuffle(images)
    update(metric, images, batch=9)
    assert numbers(metric.compute()) == reference(strict=strict).figures()


def test_one_dictionary_with_offsets_is_the_same():
    truths, results = people()
    images = truths.images.tolist()
    parts = [of_image(truths, results, image) for image in images]
    joined = []
    for people_of in zip(*parts, strict=True):
        counts = [len(part["keypoints"]) for part in people_of]
        values = {key: torch.cat([part[key] for part in people_of]) for key in people_of[0]}
        joined.append({**values, "offsets": torch.tensor([0, *np.cumsum(counts)])})
    metric = KeypointAP()
    metric.update(torch.tensor(images), *joined)
    assert numbers(metric.compute()) == reference().figures()


def test_joints_are_scored_as_by_coco():
    metric = KeypointAP(per_joint=True)
    update(metric, people()[0].images.tolist(), batch=30)
    figures = metric.compute()
    want = reference().joint_figures()
    assert figures["AP per joint"].tolist() == want["AP"].tolist()
    assert figures["AR per joint"].tolist() == want["AR"].tolist()


def test_other_settings_act_as_in_coco():
    truths, results = people()
    metric = KeypointAP(
        sigmas=np.full(17, 0.1), max_dets=3, area_ranges={"all": (0, 1e10), "large": (4000.0, 1e10)}
    )
    update(metric, truths.images.tolist(), batch=13)
    evaluation = COCOeval(truths, results, sigmas=np.full(17, 0.1))
    evaluation.params.maxDets, evaluation.params.areaRngLbl = [3], ["all", "large"]
    evaluation.params.areaRng = [[0, 1e10], [4000.0, 1e10]]
    evaluation.evaluate()
    evaluation.accumulate()
    assert numbers(metric.compute()) == evaluation.figures()


def test_categories_are_scored_apart():
    truths, results = people()
    labels = np.arange(len(truths.ids)) % 2 + 3, np.arange(len(results.ids)) % 2 + 3
    evaluation = COCOeval(
        KeypointTruths(
            truths.image_ids,
            truths.keypoints,
            truths.areas,
            truths.boxes,
            truths.crowd,
            category_ids=labels[0],
            images=truths.images,
        ),
        KeypointResults(results.image_ids, results.keypoints, results.scores, category_ids=labels[1]),
    )
    evaluation.evaluate()
    evaluation.accumulate()
    metric = KeypointAP(categories=(4, 3))
    for image in truths.images.tolist():
        preds, target = of_image(truths, results, image)
        preds["labels"] = labels[1][results.image_ids == image]
        target["labels"] = labels[0][truths.image_ids == image]
        metric.update([image], [preds], [target])
    assert numbers(metric.compute()) == evaluation.figures()


def test_crowd_index_brings_the_splits():
    truths, results = people()
    index = {int(image): float(i % 10) / 10 for i, image in enumerate(truths.images)}
    metric = KeypointAP()
    for image in truths.images.tolist():
        preds, target = of_image(truths, results, image)
        metric.update([image], [preds], [{**target, "crowd_index": index[image]}])
    figures = metric.compute()
    easy = [image for image in truths.images.tolist() if index[image] < 0.2]
    alone = KeypointAP()
    update(alone, easy, batch=5)
    assert figures["AP easy"] == alone.compute()["AP"]
    assert {"AP medium", "AP hard"} <= figures.keys()


def test_half_the_box_stands_for_the_area():
    boxes = torch.tensor([[0.0, 0.0, 10.0, 20.0]])
    target = {"keypoints": torch.tensor([[[5.0, 5.0, 2.0]]]), "boxes": boxes}
    near = np.sqrt(-2 * np.log(0.62) * 0.04 * 0.53 * 200)
    preds = {"keypoints": torch.tensor([[[5.0 + near, 5.0]]]), "scores": torch.tensor([0.5])}
    metric = KeypointAP(sigmas=[0.1], use_area=False)
    metric.update([1], [preds], [target])
    assert metric.compute()["AR"].item() == pytest.approx(0.3)


def test_nothing_at_all_gives_minus_one():
    metric = KeypointAP(per_joint=True)
    assert set(numbers(metric.compute())["AP per joint"]) == {-1.0}
    metric.update([], [], [])
    nobody = {"keypoints": torch.zeros(0, 17, 3), "scores": torch.zeros(0), "areas": torch.zeros(0)}
    metric.update([4], [nobody], [nobody])
    assert metric.compute()["AP"] == -1.0


def test_repeated_images_count_once_and_others_are_refused():
    images = people()[0].images.tolist()
    metric = KeypointAP()
    update(metric, images + images[:5], batch=len(images) + 5)
    update(metric, images[10:20], batch=4)
    assert numbers(metric.compute()) == reference().figures()
    truths, results = people()
    image = int(results.image_ids[0])
    preds, target = of_image(truths, results, image)
    metric.update([image], [{key: value[:-1] for key, value in preds.items()}], [target])
    with pytest.raises(ValueError, match=rf"image {image}: expected all of its people in one update"):
        metric.compute()


def test_states_merge_reset_copy_and_are_small():
    truths, _ = people()
    images = truths.images.tolist()
    whole, first, second = (KeypointAP() for _ in range(3))
    update(whole, images, batch=10)
    update(first, images[:20], batch=10)
    update(second, images[20:], batch=10)
    second.merge_state(first)
    assert numbers(second.compute()) == numbers(whole.compute())
    assert numbers(pickle.loads(pickle.dumps(second)).compute()) == numbers(whole.compute())
    detections = sum(len(scores) for scores in whole.scores)
    size = sum(t.element_size() * t.numel() for name in ("scores", "bits") for t in getattr(whole, name))
    assert size == 24 * detections
    whole.reset()
    assert not whole.rows and whole.compute()["AP"] == -1.0
    assert numbers(copy.deepcopy(second).compute()) == numbers(second.compute())


def test_a_state_dict_brings_the_people_back():
    metric, other = KeypointAP(), KeypointAP()
    update(metric, people()[0].images.tolist(), batch=15)
    metric.persistent(True)
    other.load_state_dict(metric.state_dict())
    assert numbers(other.compute()) == numbers(metric.compute())


def test_forward_gives_the_figures_of_the_batch():
    truths, results = people()
    metric = KeypointAP()
    batches = []
    for image in truths.images.tolist()[:6]:
        preds, target = of_image(truths, results, image)
        batches.append(metric([image], [preds], [target]))
    alone = KeypointAP()
    update(alone, truths.images.tolist()[:6], batch=6)
    assert numbers(metric.compute()) == numbers(alone.compute())
    assert len(batches) == 6 and {"AP", "AR large"} <= batches[0].keys()


def test_two_processes_give_the_bits_of_one(tmp_path: Path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    worker = ["-m", "tests.metrics.distributed_worker", str(tmp_path)]
    done = subprocess.run([*launcher, *worker], cwd=REPOSITORY, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    one = KeypointAP(per_joint=True)
    update(one, people()[0].images.tolist(), batch=61)
    for rank in range(2):
        figures = torch.load(tmp_path / f"figures{rank}.pt")
        assert numbers(figures["shared"]) == numbers(one.compute())
        assert numbers(figures["lonely"]) == reference().figures()  # the other process had seen nothing


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 8))
def test_any_split_in_batches_is_the_same(seed: int, batch: int):
    images = people()[0].images.tolist()[:25]
    np.random.default_rng(seed).shuffle(images)
    metric, whole = KeypointAP(), KeypointAP()
    update(metric, images[:12], batch=batch)
    update(metric, images[10:], batch=batch)
    update(whole, sorted(images), batch=25)
    assert numbers(metric.compute()) == numbers(whole.compute())


PERSON = {"keypoints": torch.zeros(1, 17, 3), "scores": torch.ones(1), "areas": torch.ones(1)}


@pytest.mark.parametrize(
    ("field", "values"),
    [("image_ids", [1.5]), ("ids", [math.nan]), ("category_ids", [1e30]), ("num_keypoints", [0.5])],
)
def test_numbers_that_would_be_cut_to_integers_are_refused(field: str, values: list[float]):
    people = {"image_ids": [1], "keypoints": np.ones((1, 17, 3)), "areas": [1.0], field: values}
    with pytest.raises(ValueError, match=f"{field}: expected integers, got"):
        KeypointTruths(**people)
    assert KeypointTruths([1.0], np.ones((1, 17, 3)), [1.0]).image_ids.dtype == np.int64


@pytest.mark.parametrize(
    ("preds", "target", "message"),
    [
        ([{**PERSON, "scores": None}], [PERSON], r"preds: scores: expected a value, got none"),
        (
            [{**PERSON, "scores": torch.ones(2)}],
            [PERSON],
            r"preds: scores: expected 1 rows, one per person, got 2",
        ),
        (
            [{**PERSON, "keypoints": torch.zeros(1, 14, 2)}],
            [PERSON],
            r"preds: keypoints: expected \(N, 17, 3\)",
        ),
        (
            [{**PERSON, "keypoints": torch.full((1, 17, 2), torch.nan)}],
            [PERSON],
            r"preds: keypoints\[0, 0, 0\]",
        ),
        ([{**PERSON, "scores": torch.tensor([torch.nan])}], [PERSON], r"preds: scores\[0\]: expected finite"),
        ([PERSON], [{**PERSON, "areas": None}], "target: areas: expected a value, got none"),
        ([PERSON], [{**PERSON, "areas": torch.tensor([torch.inf])}], r"target: areas\[0\]: expected finite"),
        ([PERSON, PERSON], [PERSON], r"preds: expected a dictionary with offsets or a list of 1"),
        (PERSON, [PERSON], r"preds: offsets: expected a value, got none"),
        ({**PERSON, "offsets": [1, 0]}, [PERSON], r"preds\['offsets'\]: expected 2 numbers rising from 0"),
        ([3], [PERSON], r"preds\[0\]: expected a dictionary, got int"),
        ({**PERSON, "offsets": [0.0, 1.0]}, [PERSON], r"preds\['offsets'\]: expected integers, got float64"),
        (
            [{**PERSON, "labels": torch.tensor([1.5])}],
            [PERSON],
            "preds: category_ids: expected integers, got 1.5",
        ),
        (
            [PERSON],
            [{**PERSON, "iscrowd": torch.tensor([torch.nan])}],
            "target: crowd: expected true or false",
        ),
    ],
)
def test_mistakes_are_named_and_leave_nothing(preds: Any, target: Any, message: str):
    metric = KeypointAP()
    with pytest.raises(ValueError, match=message):
        metric.update([1], preds, target)
    assert not metric.rows


def test_wrong_settings_are_named():
    for number in (0, 2.5, True):
        with pytest.raises(ValueError, match=f"max_dets: expected an integer of at least 1, got {number}"):
            KeypointAP(max_dets=number)
    for ranges in ({}, {"all": (5, 1)}, {"all": (1,)}, {"all": (math.nan, 1)}):
        with pytest.raises(ValueError, match="area_ranges: expected at least one name with"):
            KeypointAP(area_ranges=ranges)
    with pytest.raises(ValueError, match="categories: expected at least one id"):
        KeypointAP(categories=(1.5,))
    with pytest.raises(ValueError, match="categories: expected at least one id"):
        KeypointAP(categories=())
    with pytest.raises(ValueError, match="image_ids: expected integers"):
        KeypointAP().update([1.5], [PERSON], [PERSON])
