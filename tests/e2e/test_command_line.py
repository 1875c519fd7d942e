"""The commands end to end on generated people written to disk, and what they say when something is wrong."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from python_models.__main__ import main
from tests.conftest import REPOSITORY
from tests.models.tiny import TINY_OPTIONS

CONFIG = {
    "model": "pose_resnet18",
    "options": TINY_OPTIONS,
    "input_size": [64, 64],
    "epochs": 2,
    "batch_size": 4,
    "workers": 0,
    "accelerator": "cpu",
    "augmentation": {"rotation_deg": 20.0},
}


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train/ with 12 people and val/ with 5, in COCO form, by the command `generate`."""
    folder = tmp_path_factory.mktemp("people")
    assert main(["generate", "--out", str(folder), "--train-count", "12", "--val-count", "5"]) == 0
    return folder


@pytest.fixture(scope="module")
def run(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two short epochs, by the command `train` with a YAML file."""
    folder = tmp_path_factory.mktemp("run")
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(CONFIG))
    assert main(["train", "--config", str(config), "--data", str(people), "--out", str(folder / "out")]) == 0
    return folder / "out"


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a command with wrong input leaves on standard error."""
    capsys.readouterr()
    assert main(arguments) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_options_override_the_config_file(run: Path, people: Path):
    settings = json.loads((run / "settings.json").read_text())
    assert settings["data"] == str(people) and settings["epochs"] == 2
    assert settings["augmentation"]["rotation_deg"] == 20.0 and settings["augmentation"]["scale"] == 0.35


def test_a_finished_run_resumes_with_more_epochs(run: Path, tmp_path: Path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    assert main(["train", "--resume", str(copy), "--epochs", "3"]) == 0
    assert len((copy / "history.csv").read_text().splitlines()) == 4


def test_evaluate_writes_figures_and_prints_a_table(
    run: Path, people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "metrics.json"
    weights = str(run / "best.pt")
    arguments = ["evaluate", "--weights", weights, "--data", str(people), "--out", str(out), "--workers", "0"]
    assert main([*arguments, "--pck-normalizer", "bbox", "--flip-test", "true"]) == 0
    figures = json.loads(out.read_text())
    assert figures["people"] == 5 and 0 <= figures["PCK@0.2"] <= figures["PCK@0.5"] <= 1
    assert set(figures["per_joint"]["nose"]) >= {"PCK@0.2", "PCK@0.5"} and "AP" in figures
    table = capsys.readouterr().out
    assert "left_wrist" in table and "PCK@0.2" in table and "AP75" in table


def test_predict_writes_coco_results_and_pictures_and_survives_a_bad_image(
    run: Path, people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    images = tmp_path / "val"
    shutil.copytree(people / "val", images)
    broken = sorted((images / "images").iterdir())[1]
    broken.write_bytes(b"no image")
    out = tmp_path / "out"
    assert (
        main(["predict", "--weights", str(run / "best.pt"), "--images", str(images), "--out", str(out)]) == 0
    )
    results = json.loads((out / "predictions.json").read_text())
    labels = json.loads((images / "annotations.json").read_text())
    boxes = {entry["image_id"]: entry["bbox"] for entry in labels["annotations"]}
    assert len(results) == 4
    for result in results:
        assert len(result["keypoints"]) == 51 and result["category_id"] == 1
        assert result["bbox"] == pytest.approx(boxes[result["image_id"]])
    assert len(list(out.glob("*.jpg"))) == 4
    printed = capsys.readouterr()
    assert f"{broken}: cannot be decoded as an image; skipped" in printed.out + printed.err
    assert "1 unreadable" in printed.out


def test_predict_without_boxes_takes_the_whole_upright_image(run: Path, tmp_path: Path):
    cv2.imwrite(str(tmp_path / "photo.png"), np.zeros((50, 70, 3), np.uint8))
    out = tmp_path / "out"
    arguments = ["predict", "--weights", str(run / "best.pt"), "--images", str(tmp_path / "photo.png")]
    assert main([*arguments, "--out", str(out), "--draw", "false"]) == 0
    (result,) = json.loads((out / "predictions.json").read_text())
    assert result["bbox"] == [0.0, 0.0, 70.0, 50.0] and result["file_name"] == "photo.png"
    assert not list(out.glob("*.jpg"))


def test_wrong_input_is_one_sentence(
    run: Path, people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    train = ["train", "--generated-count", "8", "--workers", "0", "--out", str(tmp_path / "never")]
    assert "did you mean pose_resnet50" in fails([*train, "--model", "pose_resent50"], capsys)
    assert "nowhere" in fails([*train, "--data", str(tmp_path / "nowhere")], capsys)
    assert "learning_rate" in fails([*train, "--learning-rate", "1"], capsys)
    assert "batch_size" in fails([*train, "--batch-size", "many"], capsys)
    assert "holds a run already" in fails(["train", "--data", str(people), "--out", str(run)], capsys)
    assert "holds no settings.json" in fails(["train", "--resume", str(tmp_path)], capsys)
    assert "optoins" in fails([*train, "--model", "pose_resnet18", "--options", '{"optoins": 3}'], capsys)
    (tmp_path / "bad.yaml").write_text("epochz: 3\n")
    assert "epochz" in fails(["train", "--config", str(tmp_path / "bad.yaml")], capsys)
    evaluate = [
        "evaluate",
        "--data",
        str(people),
        "--workers",
        "0",
        "--out",
        str(tmp_path / "m.json"),
        "--weights",
    ]
    assert "no such file" in fails([*evaluate, str(tmp_path / "w.pt")], capsys)
    assert "generated_count: expected 1" in fails([*evaluate, "w.pt", "--generated-count", "0"], capsys)
    assert "workers: expected at least 0" in fails([*evaluate, "w.pt", "--workers", "-1"], capsys)
    folder = ["--out", str(tmp_path)]
    assert "expected a file, got a folder" in fails(
        ["evaluate", "--weights", "w.pt", "--data", "x", *folder], capsys
    )
    assert "expected a file, got a folder" in fails(["export", "--weights", "w.pt", *folder], capsys)
    (tmp_path / "taken").write_text("")
    generate = ["generate", "--train_count", "1", "--val_count", "1", "--out", str(tmp_path / "taken")]
    assert "expected a folder, got a file" in fails(generate, capsys)
    generate = ["generate", "--out", str(tmp_path / "never"), "--train-count", "4"]
    assert "val_count: expected 1 or more" in fails([*generate, "--val-count", "0"], capsys)
    predict = ["predict", "--images", str(people), "--weights", str(run / "best.pt"), "--batch-size", "0"]
    assert "batch_size: expected 1 or more" in fails([*predict, "--out", str(tmp_path / "never")], capsys)
    assert not (tmp_path / "never").exists()


def test_a_newcomer_is_helped(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 0 and "subcommands" in capsys.readouterr().out
    assert main(["list", "pose_hrnet*"]) == 0
    assert capsys.readouterr().out.split() == ["pose_hrnet_w32", "pose_hrnet_w48"]
    assert main(["recipes", "mspn1*"]) == 0 and "mspn1_coco" in capsys.readouterr().out
    assert "required: --weights, --data" in fails(["evaluate"], capsys)


def test_malformed_annotations_name_file_entry_and_field(people: Path, tmp_path: Path, capsys):
    labels = json.loads((people / "val" / "annotations.json").read_text())
    del labels["annotations"][2]["bbox"]
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(labels))
    message = fails(["train", "--data", str(path), "--images", str(people / "val"), "--workers", "0"], capsys)
    assert f"{path}: annotations[2]" in message and "'bbox' is missing" in message


def test_weights_for_other_joints_are_refused_before_training(
    run: Path, people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    labels = json.loads((people / "train" / "annotations.json").read_text())
    labels["categories"][0].update(keypoints=labels["categories"][0]["keypoints"][:5], skeleton=[])
    for entry in labels["annotations"]:
        entry["keypoints"] = entry["keypoints"][:15]
        entry["keypoints"][2] = 2
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(labels))
    data = ["--data", str(path), "--images", str(people / "train"), "--workers", "0"]
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(CONFIG | {"augmentation": {"half_body_probability": 0.0}}))
    train = ["train", "--config", str(config), *data, "--out", str(tmp_path / "out")]
    train += ["--pretrained", str(run / "best.pt")]
    assert "its final_layer gives 17 outputs, the model's 5" in fails(train, capsys)
    evaluate = ["evaluate", "--weights", str(run / "best.pt"), *data, "--out", str(tmp_path / "m.json")]
    assert "joints do not match: the model has 17" in fails(evaluate, capsys)
    assert main([*train, "--reset-final", "true", "--epochs", "1"]) == 0


def test_the_module_runs_and_exits_with_2_without_a_traceback(tmp_path: Path):
    command = [sys.executable, "-m", "python_models", "train", "--data", str(tmp_path / "nowhere")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr
