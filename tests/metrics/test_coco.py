"""COCOeval against pycocotools, bit by bit where it is told to be strict, and where it is meant to differ."""

from __future__ import annotations

import contextlib
import copy
import io
from typing import Any

import numpy as np
import pytest

from pyposeops.metrics import COCOeval, KeypointResults, KeypointTruths
from tests.metrics.generated_results import Options, generate
from tests.property_tests import given, settings, st

ARRAYS = ("precision", "recall", "scores")


def run(evaluation: Any) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def loaded(dataset: dict[str, Any]) -> Any:
    coco = pytest.importorskip("pycocotools.coco")
    with contextlib.redirect_stdout(io.StringIO()):
        found = coco.COCO()
        found.dataset = copy.deepcopy(dataset)
        found.createIndex()
    return found


def published(dataset: dict[str, Any], results: Any, **changes: Any) -> Any:
    """What pycocotools makes of it."""
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    truth = loaded(dataset)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = cocoeval.COCOeval(truth, truth.loadRes(copy.deepcopy(results)), "keypoints")
    for name, value in changes.items():
        setattr(evaluation.params, name, value)
    return run(evaluation)


def ours(dataset: Any, results: Any, strict: bool = True, **changes: Any) -> COCOeval:
    evaluation = COCOeval(dataset, results, strict=strict)
    for name, value in changes.items():
        setattr(evaluation.params, name, value)
    return run(evaluation)


def assert_equal(got: COCOeval, want: Any) -> None:
    for name in ARRAYS:
        np.testing.assert_array_equal(got.eval[name], want.eval[name], err_msg=name)
    np.testing.assert_array_equal(got.stats, want.stats)


def test_equals_pycocotools_to_the_bit_on_a_set_of_the_size_of_val2017():
    dataset, results = generate(Options(images=5000, tied=True, odd=True))
    assert len(dataset["annotations"]) > 10_000 and len(results) > 95_000
    assert_equal(ours(dataset, results), published(dataset, results))


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("form", ["dictionaries", "objects", "arrays"])
def test_equals_pycocotools_to_the_bit(tied, odd, form):
    dataset, results = generate(Options(images=120, seed=3, tied=tied, odd=odd))
    want = published(dataset, results)
    if form == "objects":
        truth = loaded(dataset)
        with contextlib.redirect_stdout(io.StringIO()):
            got = ours(truth, truth.loadRes(copy.deepcopy(results)))
    elif form == "arrays":
        got = ours(as_truths(dataset), as_results(results))
    else:
        got = ours(dataset, results)
    assert_equal(got, want)


def as_truths(dataset: dict[str, Any]) -> KeypointTruths:
    people = dataset["annotations"]
    return KeypointTruths(
        image_ids=np.array([p["image_id"] for p in people]),
        keypoints=np.array([p["keypoints"] for p in people], dtype=float).reshape(len(people), -1, 3),
        areas=np.array([p["area"] for p in people]),
        boxes=np.array([p["bbox"] for p in people], dtype=float),
        crowd=np.array([p["iscrowd"] for p in people], dtype=bool),
        ids=np.array([p["id"] for p in people]),
        images=np.array([image["id"] for image in dataset["images"]]),
    )


def as_results(results: list[dict[str, Any]]) -> KeypointResults:
    return KeypointResults(
        image_ids=np.array([r["image_id"] for r in results]),
        keypoints=np.array([r["keypoints"] for r in results], dtype=float).reshape(len(results), -1, 3),
        scores=np.array([r["score"] for r in results]),
    )


def test_per_image_records_and_similarities_are_those_of_pycocotools():
    dataset, results = generate(Options(images=60, seed=5, tied=True, odd=True))
    got, want = ours(dataset, results), published(dataset, results)
    assert len(got.evalImgs) == len(want.evalImgs)
    for mine, theirs in zip(got.evalImgs, want.evalImgs, strict=True):
        assert (mine is None) == (theirs is None)
        for key, value in (theirs or {}).items():
            np.testing.assert_array_equal(mine[key], value, err_msg=key)
    assert got.ious.keys() == want.ious.keys()
    for key, value in want.ious.items():
        np.testing.assert_allclose(got.ious[key], value, rtol=1e-15, atol=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"maxDets": [1, 5, 20]},
        {"maxDets": [3]},
        {"areaRng": [[0, 1e10], [500.0, 2000.0]], "areaRngLbl": ["all", "medium"]},
        {"iouThrs": np.array([0.3, 0.75]), "recThrs": np.linspace(0, 1, 11)},
        {"recThrs": np.array([-1.0, 0.0, 0.4, 0.1, 0.7, 1.5, 0.2])},
        {"imgIds": [4, 1, 7, 16, 16, 31]},
        {"kpt_oks_sigmas": np.full(17, 0.1)},
        {"catIds": []},
    ],
)
def test_settings_act_as_in_pycocotools(changes):
    dataset, results = generate(Options(images=40, seed=7, tied=True))
    assert_equal(ours(dataset, results, **changes), published(dataset, results, **changes))


def test_scores_of_any_size_and_sign_are_put_in_order():
    dataset, results = generate(Options(images=40, seed=13))
    for i, result in enumerate(results):
        result["score"] = (0.0, -0.0, 1e-310, -2.5, -2.25, 3e300, 1.0, 1.0000000000000002)[i % 8]
    assert_equal(ours(dataset, results), published(dataset, results))


def test_image_ids_may_be_anything():
    dataset, results = generate(Options(images=40, seed=14))
    far = {image["id"]: (-1) ** i * 10**i for i, image in enumerate(dataset["images"][:19])}
    for entry in [*dataset["annotations"], *results]:
        entry["image_id"] = far.get(entry["image_id"], entry["image_id"])
    for image in dataset["images"]:
        image["id"] = far.get(image["id"], image["id"])
    assert_equal(ours(dataset, results), published(dataset, results))


def test_several_categories():
    dataset, results = generate(Options(images=40, seed=8))
    dataset["categories"] = [{"id": i, "name": str(i)} for i in (1, 2, 9)]
    for i, entry in enumerate([*dataset["annotations"], *results]):
        entry["category_id"] = (1, 2)[i % 2]
    assert_equal(ours(dataset, results), published(dataset, results))


def test_boxes_of_results_set_their_areas_in_strict_mode_only():
    dataset, results = generate(Options(images=60, seed=9))
    with_boxes = [{**r, "bbox": [0.0, 0.0, 50.0, 50.0]} for r in results]
    want = published(dataset, with_boxes)
    assert_equal(ours(dataset, with_boxes), want)
    corrected = ours(dataset, with_boxes, strict=False)
    assert_equal(corrected, published(dataset, results))
    assert not np.array_equal(corrected.stats, want.stats)


def test_inputs_stay_as_they_were():
    dataset, results = generate(Options(images=20, seed=2))
    before = copy.deepcopy((dataset, results))
    truth = loaded(dataset)
    kept = copy.deepcopy(truth.dataset)
    ours(dataset, results)
    ours(truth, results)
    assert (dataset, results) == before and truth.dataset == kept


# ---- where it is meant to differ -----------------------------------------------------------------------------------


def one_person(**changes: Any) -> dict[str, Any]:
    person = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "area": 5000.0,
        "bbox": [0.0, 0.0, 50.0, 100.0],
        "iscrowd": 0,
        "num_keypoints": 17,
        "keypoints": [float(v) for k in range(17) for v in (3 * k, 5 * k, 2)],
    }
    return {"images": [{"id": 1}], "annotations": [{**person, **changes}], "categories": [{"id": 1}]}


def found_exactly(dataset: dict[str, Any]) -> list[dict[str, Any]]:
    person = dataset["annotations"][0]
    return [{"image_id": 1, "category_id": 1, "keypoints": person["keypoints"], "score": 0.5}]


def test_id_zero_counts_but_in_strict_mode():
    dataset = one_person(id=0)
    assert ours(dataset, found_exactly(dataset), strict=False).stats[0] > 0.99
    assert ours(dataset, found_exactly(dataset)).stats[0] == 0.0


def test_figures_are_those_of_the_largest_limit():
    dataset = one_person()
    assert ours(dataset, found_exactly(dataset), strict=False, maxDets=[5]).stats[0] > 0.99
    assert ours(dataset, found_exactly(dataset), maxDets=[5]).stats[0] == -1.0


def test_missing_count_of_joints_is_made_up_for():
    dataset = one_person(num_keypoints=None)
    assert ours(dataset, found_exactly(dataset), strict=False).stats[0] > 0.99
    with pytest.raises(ValueError, match=r"annotations\[0\]: num_keypoints: expected a value, got none"):
        ours(dataset, found_exactly(dataset))


def test_without_categories_people_are_matched_across_them():
    dataset = one_person(category_id=1)
    results = [{**found_exactly(dataset)[0], "category_id": 7}]
    assert ours(dataset, results, strict=False, useCats=0).stats[0] > 0.99


def test_nothing_found_and_nobody_there():
    dataset = one_person()
    assert ours(dataset, []).stats[0] == 0.0
    empty = {**dataset, "annotations": []}
    assert set(ours(empty, []).stats) == {-1.0}
    assert set(ours(empty, found_exactly(dataset)).stats) == {-1.0}


def test_a_list_of_annotations_needs_no_images():
    dataset = one_person()
    assert ours(dataset["annotations"], found_exactly(dataset)).stats[0] > 0.99


def test_other_joint_sets():
    dataset = one_person(keypoints=[1.0, 2.0, 2, 5.0, 6.0, 1], num_keypoints=2)
    evaluation = run(COCOeval(dataset, found_exactly(dataset), sigmas=[0.1, 0.05]))
    assert evaluation.stats[0] > 0.99


def test_crowdpose_takes_half_the_box_for_area_and_splits_by_crowd_index():
    people, results = [], []
    for image in range(3):
        joints = [float(v) for k in range(14) for v in (7 * k, 9 * k, 2)]
        box = [0.0, 0.0, 100.0, 120.0]
        people.append(
            {
                "id": image + 1,
                "image_id": image,
                "category_id": 1,
                "bbox": box,
                "iscrowd": 0,
                "keypoints": joints,
            }
        )
        shifted = [v + 300.0 * (image == 2 and k % 3 == 0) for k, v in enumerate(joints)]
        results.append(
            {"image_id": image, "category_id": 1, "keypoints": shifted, "score": 0.9 - 0.1 * image}
        )
    images = [{"id": i, "crowdIndex": c} for i, c in enumerate((0.1, 0.5, 0.9))]
    dataset = {"images": images, "annotations": people, "categories": [{"id": 1}]}
    evaluation = run(COCOeval(dataset, results, "keypoints_crowd"))
    assert len(evaluation.stats) == 9
    assert evaluation.stats[6:].round(6).tolist() == [1.0, 1.0, 0.0]
    assert (evaluation._truths.areas == 0.53 * 100 * 120).all()


# ---- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("keypoints", [1.0] * 50, r"results\[0\]: keypoints: expected 51 numbers, got 50"),
        ("keypoints", [float("nan")] * 51, r"results\[0\]: keypoints: expected finite numbers, got nan"),
        ("keypoints", ["a"] * 51, r"results\[0\]: keypoints: expected numbers, got 'a'"),
        ("keypoints", None, r"results\[0\]: keypoints: expected a value, got none"),
        ("score", float("nan"), r"results\[0\]: score: expected finite numbers, got nan"),
        ("score", "high", r"results\[0\]: score: expected numbers, got 'high'"),
        ("image_id", 1.5, r"results\[0\]: image_id: expected an integer, got 1.5"),
        ("image_id", 99, r"results\[0\]: image_id: expected an image of the ground truth, got 99"),
        ("bbox", [1.0], r"results\[0\]: bbox: expected 4 numbers, got 1"),
    ],
)
def test_a_malformed_result_names_the_entry_and_the_field(field, value, message):
    dataset = one_person()
    with pytest.raises(ValueError, match=message):
        COCOeval(dataset, [{**found_exactly(dataset)[0], field: value}])


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("area", None, r"annotations\[0\]: area: expected a value, got none"),
        ("area", float("inf"), r"annotations\[0\]: area: expected finite numbers, got inf"),
        ("bbox", None, r"annotations\[0\]: bbox: expected a value, got none"),
        ("keypoints", 7, r"annotations\[0\]: keypoints: expected 51 numbers, got int"),
        ("id", "x", r"annotations\[0\]: id: expected an integer, got 'x'"),
    ],
)
def test_a_malformed_annotation_names_the_entry_and_the_field(field, value, message):
    with pytest.raises(ValueError, match=message):
        COCOeval(one_person(**{field: value}), [])


def test_other_mistakes_are_named():
    with pytest.raises(ValueError, match="iouType: expected one of keypoints, keypoints_crowd, got 'bbox'"):
        COCOeval([], [], "bbox")
    with pytest.raises(TypeError, match="results: expected a list of dictionaries, got int"):
        COCOeval(one_person(), 3)
    with pytest.raises(ValueError, match=r"results\[0\]: expected a dictionary, got int"):
        COCOeval(one_person(), [3])
    with pytest.raises(RuntimeError, match=r"call evaluate\(\) first"):
        COCOeval(one_person(), []).accumulate()
    with pytest.raises(ValueError, match=r"keypoints\[0, 0, 0\]: expected finite numbers, got nan"):
        KeypointResults(np.array([1]), np.full((1, 17, 2), np.nan), np.array([0.5]))
    with pytest.raises(ValueError, match=r"scores: expected \(1\), got \(2,\)"):
        KeypointResults(np.array([1]), np.zeros((1, 17, 2)), np.zeros(2))


# ---- any data ------------------------------------------------------------------------------------------------------


@st.composite
def small_sets(draw: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Up to 5 images of up to 6 people of 17 joints on a coarse grid, so that similarities tie."""
    grid = st.integers(0, 4).map(lambda v: 10.0 * v)
    joint = st.tuples(grid, grid, st.integers(0, 2))
    seed = st.integers(0, 2**32 - 1)
    images = draw(st.integers(0, 5))
    annotations, results = [], []
    for image in range(images):
        rng = np.random.default_rng(draw(seed))
        template = draw(st.lists(joint, min_size=3, max_size=3))
        base = np.array([template[k % 3] for k in range(17)], dtype=float)
        for _ in range(draw(st.integers(0, 6))):
            joints = base + np.array([10.0 * rng.integers(-1, 2), 0, 0])
            joints[rng.random(17) < rng.choice([0, 0.5, 1]), 2] = 0
            annotations.append(
                {
                    "id": len(annotations) + int(rng.integers(0, 2) > 0 or len(annotations) > 0),
                    "image_id": image,
                    "category_id": 1,
                    "area": float(rng.choice([0.0, 1.0, 1024.0, 3000.0, 9216.0, 20000.0])),
                    "bbox": [0.0, 0.0, float(rng.integers(0, 60)), float(rng.integers(0, 60))],
                    "iscrowd": int(rng.random() < 0.15),
                    "num_keypoints": int((joints[:, 2] > 0).sum()),
                    "keypoints": joints.ravel().tolist(),
                }
            )
        for _ in range(draw(st.integers(0, 6))):
            joints = base + np.array([float(rng.integers(-2, 3)), float(rng.integers(-12, 13)), 0])
            results.append(
                {
                    "image_id": image,
                    "category_id": 1,
                    "keypoints": joints.ravel().tolist(),
                    "score": float(rng.integers(0, 4)) / 4,
                }
            )
    dataset = {
        "images": [{"id": i} for i in range(images)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }
    return dataset, results


@settings(max_examples=2000, deadline=None)
@given(small_sets())
def test_no_small_set_is_scored_otherwise(sample):
    dataset, results = sample
    got = ours(dataset, results)
    if results:
        assert_equal(got, published(dataset, results))
    ours(dataset, results, strict=False)


def test_settings_given_to_accumulate_need_no_order():
    dataset, results = generate(Options(images=30, seed=4))
    evaluation = ours(dataset, results, strict=False)
    shuffled = copy.copy(evaluation.params)
    shuffled.imgIds, shuffled.maxDets = list(reversed(evaluation.params.imgIds)), [20, 5]
    evaluation.accumulate(shuffled)
    want = ours(dataset, results, strict=False, maxDets=[5, 20])
    np.testing.assert_array_equal(evaluation.eval["precision"], want.eval["precision"])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("maxDets", [], "maxDets: expected at least one integer"),
        ("maxDets", [1.5], "maxDets: expected at least one integer"),
        ("iouThrs", [np.nan], "iouThrs: expected no NaN"),
        ("areaRng", [], "areaRng: expected at least one pair"),
        ("areaRng", [[0.0]], "areaRng: expected at least one pair"),
    ],
)
def test_settings_that_are_none_are_named(name: str, value: list[Any], message: str):
    evaluation = COCOeval(*generate(Options(images=2, seed=2)))
    setattr(evaluation.params, name, value)
    with pytest.raises(ValueError, match=message):
        evaluation.evaluate()


def test_evaluation_without_ground_truth_or_sigmas_is_refused():
    with pytest.raises(RuntimeError, match="expected a ground truth, got none"):
        COCOeval().evaluate()
    with pytest.raises(ValueError, match="kpt_oks_sigmas: expected"):
        run(COCOeval({"annotations": []}, [], sigmas=[]))


@pytest.mark.parametrize("people, joints, values", [(0, 17, 2), (1, 1, 3), (5, 0, 2), (3000, 17, 3)])
def test_area_of_a_result_is_the_extent_of_its_joints(people, joints, values):
    keypoints = np.random.default_rng(0).normal(size=(people, joints, values)) * 100
    found = KeypointResults(np.zeros(people, int), keypoints, np.zeros(people))
    want = [np.prod(np.ptp(person[:, :2], axis=0)) if joints else 0.0 for person in keypoints]
    np.testing.assert_array_equal(found.areas, np.reshape(want, (people,)))
