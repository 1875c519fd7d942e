"""`pyposeops evaluate` by PCK, PCKh, PDJ and PCP: whose result is whose, and the figures."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyposeops.evaluate.joint_scores import sticks_of
from pyposeops.evaluate.pairs import PairedPeople, pair_people
from pyposeops.evaluate.people import ResultsFile, TruthFile
from pyposeops.metrics import LSP_JOINTS, LSP_STICKS, MPII_JOINTS, pck, pckh, pcp, pdj
from tests.metrics.evaluate_cases import found, ground_truth, person, printed, refused, strayed, write


def paired(truth: Any, results: Any, max_dets: int = 20) -> PairedPeople:
    return pair_people(
        TruthFile(Path("gt.json"), truth), ResultsFile(Path("results.json"), results), max_dets
    )


def shifted(by: float) -> list[float]:
    """The joints of `person`, so many pixels to the right."""
    joints = np.reshape(person()["keypoints"], (-1, 3))
    joints[:, 0] += by
    return joints.ravel().tolist()


def first_joints(people: PairedPeople) -> list[float]:
    return people.pred[:, 0, 0].tolist()


# ---- whose result is whose -----------------------------------------------------------------------------------------


def test_every_person_gets_the_most_similar_result_and_no_result_serves_twice():
    truth = ground_truth(
        person(id=1), person(id=2, keypoints=shifted(100.0)), person(id=3, keypoints=shifted(4.0))
    )
    results = [found(keypoints=shifted(by), score=0.1 * place) for place, by in enumerate((101.0, 1.0, 50.0))]
    assert first_joints(paired(truth, results)) == [1.0, 101.0, 50.0]
    people = paired(truth, results[:2])
    assert first_joints(people) == [1.0, 101.0, np.inf] and people.found.tolist() == [True, True, False]


def test_one_stray_joint_makes_a_result_no_less_a_persons_than_many_inexact_ones():
    stray = person()["keypoints"]
    stray[-3] += 2000.0  # a mean distance of 118 pixels
    assert first_joints(
        paired(ground_truth(person()), [found(keypoints=shifted(30.0)), found(keypoints=stray)])
    ) == [0.0]


def test_a_single_result_is_the_single_persons_however_far_it_lies():
    assert first_joints(paired(ground_truth(person()), [found(keypoints=shifted(1e200))])) == [1e200]
    far_and_farther = [found(keypoints=shifted(by)) for by in (9e5, 8e5)]  # similarities of 0
    assert first_joints(paired(ground_truth(person()), far_and_farther)) == [8e5]


def test_results_of_other_images_and_categories_are_nobodys():
    truth = ground_truth(person(), person(id=2, image_id=2), images=[{"id": 1}, {"id": 2}])
    assert paired(truth, [found(category_id=2), found(image_id=2)]).found.tolist() == [False, True]


def test_only_the_best_of_an_image_are_considered():
    results = [found(score=0.1), found(score=0.9, keypoints=shifted(7.0))]
    assert first_joints(paired(ground_truth(person()), results, max_dets=1)) == [7.0]
    assert first_joints(paired(ground_truth(person()), results, max_dets=2)) == [0.0]


def test_groups_and_people_without_labels_are_left_out():
    truth = ground_truth(person(iscrowd=1), person(id=2, keypoints=[0.0] * 51), person(id=3))
    people = paired(truth, [found(score=0.1)])
    assert people.rows.tolist() == [2] and people.found.all()


def test_annotation_ids_say_whose_a_result_is():
    truth = ground_truth(person(id=8), person(id=9, keypoints=shifted(100.0)), person(id=10))
    results = [found(annotation_id=9), found(annotation_id=8, keypoints=shifted(100.0))]
    people = paired(truth, results)
    assert first_joints(people) == [100.0, 0.0, np.inf]


def test_pairs_of_real_people_are_those_the_results_were_made_from(pose_data):
    truth = json.loads((pose_data / "coco_people" / "annotations.json").read_text())
    results = strayed(truth, 0.01)
    order = np.random.default_rng(1).permutation(len(results))
    nowhere = [{**result, "keypoints": [0.0] * 51, "score": 1.0} for result in results[:5]]
    people = paired(truth, [*nowhere, *(results[place] for place in order)], max_dets=50)
    want = np.array([results[row]["keypoints"] for row in people.rows]).reshape(-1, 17, 3)[..., :2]
    assert len(people.rows) > 80
    np.testing.assert_array_equal(people.pred, want)


# ---- figures -------------------------------------------------------------------------------------------------------


def real(
    pose_data: Path, folder: str, scale: float = 0.05
) -> tuple[Any, list[dict[str, Any]], tuple[np.ndarray, ...]]:
    """A ground truth, results that say whose they are, and both as arrays."""
    truth = json.loads((pose_data / folder / "annotations.json").read_text())
    results = strayed(truth, scale)
    for annotated, result in zip(truth["annotations"], results, strict=True):
        result["annotation_id"] = annotated["id"]
    joints = np.array([annotated["keypoints"] for annotated in truth["annotations"]], float)
    joints = joints.reshape(len(joints), -1, 3)
    pred = np.array([result["keypoints"] for result in results]).reshape(joints.shape)[..., :2]
    return truth, results, (pred, joints[..., :2], joints[..., 2] > 0)


def written(truth: Any, results: Any, options: list[str], tmp_path: Path, capsys: Any) -> tuple[str, Any]:
    """What is printed, and what is written."""
    out = tmp_path / "figures.json"
    text = printed([*write(tmp_path, truth, results), *options, "--json", str(out)], capsys)
    return text, json.loads(out.read_text())


@pytest.mark.parametrize("size", ["torso", "torso_mean", "joints_box", "head", "box"])
def test_pck_is_that_of_the_function(size, pose_data, tmp_path, capsys):
    truth, results, arrays = real(pose_data, "lspet/val")
    boxes = np.array([annotated["bbox"] for annotated in truth["annotations"]], float)
    names = truth["categories"][0]["keypoints"]
    want = pck(*arrays, normalizer=size, threshold=0.1, joint_names=names, boxes=boxes)
    options = ["--metric", "pck", "--size", size, "--threshold", "0.1"]
    text, content = written(truth, results, options, tmp_path, capsys)
    assert content["figures"] == {"PCK@0.1": float(want.mean)}
    assert [row["PCK@0.1"] for row in content["per_joint"].values()] == want.per_joint.tolist()
    assert [row["labels"] for row in content["per_joint"].values()] == want.counted.tolist()
    assert f" PCK@0.1 = {float(want.mean):.3f}\n" in text and list(content["per_joint"]) == list(names)
    assert content["settings"] == {"max_dets": 20, "threshold": 0.1, "size": size}
    assert content["counts"] == {"people": 500, "without_result": 0}


def test_pckh_reads_head_sizes_and_head_boxes(pose_data, tmp_path, capsys):
    truth, results, arrays = real(pose_data, "mpii_mini")
    sizes = np.array([annotated["head_size"] for annotated in truth["annotations"]])
    want = pckh(*arrays, sizes, joint_names=truth["categories"][0]["keypoints"])
    text, content = written(truth, results, ["--metric", "pckh"], tmp_path, capsys)
    assert content["figures"] == {"PCKh@0.5": float(want.mean), "PCKh@0.1": float(want.fine_mean)}
    parts = text.partition("part")[2].partition("\n\n")[0].splitlines()[1:]
    assert [line.split()[-1] for line in parts] == [f"{part:.3f}" for part in want.parts.tolist()]
    for annotated in truth["annotations"]:
        annotated["bbox_head"] = [0, 0, annotated.pop("head_size") / 0.6, 0]
    assert written(truth, results, ["--metric", "pckh"], tmp_path, capsys)[1]["figures"] == pytest.approx(
        content["figures"]
    )


@pytest.mark.parametrize("rule", ["strict", "relaxed", "mean_length"])
def test_pcp_is_that_of_the_function(rule, pose_data, tmp_path, capsys):
    truth, results, arrays = real(pose_data, "lspet/val")
    want = pcp(*arrays, rule=rule, joint_names=truth["categories"][0]["keypoints"])
    options = ["--metric", "pcp", *(["--rule", rule] if rule != "strict" else [])]
    _, content = written(truth, results, options, tmp_path, capsys)
    assert content["figures"] == {"PCP@0.5": float(want.mean)} and content["settings"]["rule"] == rule
    assert [row["PCP@0.5"] for row in content["per_joint"].values()] == want.per_stick.tolist()
    assert list(content["per_joint"]) == [stick.name for stick in LSP_STICKS]


def test_pdj_is_that_of_the_function(pose_data, tmp_path, capsys):
    truth, results, arrays = real(pose_data, "lspet/val")
    want = pdj(*arrays, joint_names=truth["categories"][0]["keypoints"])
    _, content = written(truth, results, ["--metric", "pdj"], tmp_path, capsys)
    shares = [float(want.mean[step]) for step in (10, 20, 30, 40, 50)]
    assert [*content["figures"].values()] == [*shares, float(want.auc)]
    assert [row["area"] for row in content["per_joint"].values()] == want.auc_per_joint.tolist()


def test_people_without_a_result_are_found_nowhere(tmp_path, capsys):
    truth = ground_truth(person(), person(id=2, keypoints=shifted(500.0)))
    text, content = written(truth, [found()], ["--metric", "pck", "--size", "box"], tmp_path, capsys)
    assert content["figures"] == {"PCK@0.2": 0.5} and content["counts"]["without_result"] == 1
    assert " 2 people, 1 of them without a result\n" in text


def test_limbs_are_those_whose_joints_exist():
    assert sticks_of(LSP_JOINTS) == LSP_STICKS
    assert sticks_of(MPII_JOINTS)[0].second == ("upper_neck",)
    assert len(sticks_of(MPII_JOINTS)) == 10
    assert [stick.name for stick in sticks_of(("nose", "neck", "left_hip", "left_knee"))] == ["head"]
    assert [stick.name for stick in sticks_of(("nose", "left_hip", "left_knee"))] == ["left_upper_leg"]


# ---- curves --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "metric, folder", [("pck", "coco_people"), ("pckh", "mpii_mini"), ("pcp", "lspet/val")]
)
def test_a_plot_of_each_metric_is_written(metric, folder, pose_data, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    truth, results, _ = real(pose_data, folder)
    plot = tmp_path / "curves.png"
    printed([*write(tmp_path, truth, results), "--metric", metric, "--plot", str(plot)], capsys)
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {"gt.json", "results.json", "curves.png"}


@pytest.mark.parametrize("metric", ["coco", "pdj"])
def test_plots_go_by_the_name_of_the_file(metric, pose_data, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    truth, results, _ = real(pose_data, "coco_people")
    plot = tmp_path / "curves.SVG"
    printed([*write(tmp_path, truth, results), "--metric", metric, "--plot", str(plot)], capsys)
    assert b"<svg" in plot.read_bytes()


def test_the_curve_of_pckh_passes_its_figure(pose_data):
    from pyposeops.evaluate.joint_scores import JointSettings, People, score_pckh

    torch = pytest.importorskip("torch")
    truth, _, arrays = real(pose_data, "mpii_mini", scale=0.1)
    sizes = torch.tensor([annotated["head_size"] for annotated in truth["annotations"]])
    names = truth["categories"][0]["keypoints"]
    people = People(*map(torch.from_numpy, arrays), torch.zeros(len(sizes), 4), names)
    scores = score_pckh(people, JointSettings("pckh"), sizes)
    curve = scores.curve()
    assert float(curve.mean[25]) == scores.figures["PCKh@0.5"] and float(curve.thresholds[25]) == 0.5


def test_plots_are_refused_before_anything_is_read(tmp_path, capsys, monkeypatch):
    paths = write(tmp_path, "", "")
    wrong = [*paths, "--plot", str(tmp_path / "curves.jpg.txt")]
    assert refused(wrong, capsys).endswith("expected a name that ends with .png or .pdf or .svg")
    same = str(tmp_path / "out.svg")
    assert refused([*paths, "--plot", same, "--json", same], capsys).endswith("another file than --json")
    for name in [name for name in sys.modules if name.startswith("pyposeops.metrics.plots")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("matplotlib", "matplotlib.axes", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    message = refused([*paths, "--plot", str(tmp_path / "curves.png")], capsys)
    assert message.startswith("--plot needs matplotlib") and message.endswith(
        "pip install 'pyposeops[metrics]'"
    )


# ---- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "results, message",
    [
        ([found(annotation_id=1), found()], "entry 1: annotation_id: expected the id of an annotation"),
        ([found(annotation_id=7)], "entry 0: annotation_id: expected the id of an annotation"),
        ([found(annotation_id="1")], "entry 0: annotation_id: expected the id of an annotation"),
        (
            [found(annotation_id=1)] * 2,
            "entry 1: annotation_id: expected one result of each person, got another of 1",
        ),
        ([found(), found(image_id=4)], "entry 1: image_id: expected an image of the ground truth, got 4"),
        ([found(keypoints=[1.0] * 50)], "entry 0: keypoints: expected 51 numbers, got 50"),
    ],
)
def test_results_that_are_nobodys_are_named(results, message, tmp_path, capsys):
    paths = write(tmp_path, ground_truth(person()), results)
    assert refused([*paths, "--metric", "pck", "--size", "box"], capsys).startswith(f"{paths[1]}: {message}")


@pytest.mark.parametrize(
    "metric, truth, message",
    [
        ("pck", ground_truth(), "annotations: expected people with keypoints, got none"),
        (
            "pck",
            ground_truth(person(iscrowd=1)),
            "annotations: expected at least one person with a labelled joint",
        ),
        ("pck", ground_truth(person()), "categories: keypoints: expected 'left_shoulder' among them"),
        ("pcp", ground_truth(person()), "categories: keypoints: expected joints of limbs"),
        ("pckh", ground_truth(person()), "annotations[0]: head_size: expected pixels, or else a bbox_head"),
        (
            "pckh",
            ground_truth(person(head_size=-1)),
            "annotations[0]: head_size: expected a number from 0 on, got -1",
        ),
        (
            "pckh",
            ground_truth(person(bbox_head=[1, 2])),
            "annotations[0]: bbox_head: expected 4 numbers, got [1, 2]",
        ),
        ("pckh", ground_truth(person(head_size=9)), "categories: keypoints: expected 'head_top' among them"),
        (
            "pck",
            ground_truth(person(), person(id=2, keypoints=[1.0] * 42)),
            "annotations[1]: keypoints: expected 51 numbers, got 42",
        ),
    ],
)
def test_a_ground_truth_that_lacks_something_is_named(metric, truth, message, tmp_path, capsys):
    paths = write(tmp_path, truth, [])
    assert refused([*paths, "--metric", metric], capsys).startswith(f"{paths[0]}: {message}")


@pytest.mark.parametrize(
    "options, message",
    [
        (["--metric", "pck", "--strict"], "--strict: expected --metric coco or crowdpose with it, got pck"),
        (["--metric", "pcp", "--size", "box"], "--size: expected --metric pck with it, got pcp"),
        (
            ["--metric", "pdj", "--threshold", "0.2"],
            "--threshold: expected --metric pck or pckh or pcp with it, got pdj",
        ),
        (["--rule", "relaxed"], "--rule: expected --metric pcp with it, got coco"),
    ],
)
def test_options_of_another_metric_are_refused(options, message, tmp_path, capsys):
    assert refused([*write(tmp_path, "", ""), *options], capsys) == message
