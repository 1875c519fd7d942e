"""`pyposeops evaluate`: the figures of pycocotools, and what it says when a file or an option is wrong."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyposeops.__main__ import main
from pyposeops.evaluate import progress, reading
from pyposeops.evaluate.coco import sigma_sets
from pyposeops.metrics import COCOeval
from pyposeops.metrics.coco import CROWD_SPLITS
from tests.conftest import REPOSITORY
from tests.metrics.evaluate_cases import (
    printed,
    refused,
    strayed,
    write,
)
from tests.metrics.generated_results import Options, generate


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A generated ground truth and results."""
    return write(
        tmp_path_factory.mktemp("people"), *generate(Options(images=80, seed=11, tied=True, odd=True))
    )


def summary(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What stands above the table."""
    return printed(arguments, capsys).partition("\n\n")[0] + "\n"


def published_lines(truth: str, results: str, **changes: Any) -> str:
    """What pycocotools prints as its summary of the same files."""
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    out = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()):
        loaded = coco.COCO(truth)
        evaluation = cocoeval.COCOeval(loaded, loaded.loadRes(results), "keypoints")
        for name, value in changes.items():
            setattr(evaluation.params, name, value)
        evaluation.evaluate()
        evaluation.accumulate()
        with contextlib.redirect_stdout(out):
            evaluation.summarize()
    return out.getvalue()


# ---- figures -------------------------------------------------------------------------------------------------------


def test_lines_are_those_of_pycocotools(files, capsys):
    assert summary([*files, "--strict"], capsys) == published_lines(*files)


def test_sigmas_are_those_given(files, capsys):
    sigmas = [0.05 + 0.01 * k for k in range(17)]
    given = ["--sigmas", ",".join(map(str, sigmas))]
    want = published_lines(*files, kpt_oks_sigmas=np.array(sigmas))
    assert summary([*files, "--strict", *given], capsys) == want
    assert summary([*files, "--strict", "--sigmas", "coco_17"], capsys) == published_lines(*files)
    assert want != published_lines(*files)


def test_lines_of_real_people_are_those_of_pycocotools(pose_data, tmp_path, capsys):
    truth = json.loads((pose_data / "coco_people" / "annotations.json").read_text())
    paths = write(tmp_path, truth, strayed(truth))
    assert summary([*paths], capsys) == summary([*paths, "--strict"], capsys) == published_lines(*paths)


def test_crowdpose_prints_its_nine_figures_over_real_people(pose_data, tmp_path, capsys):
    truth = json.loads((pose_data / "crowdpose_mini" / "annotations.json").read_text())
    results = [
        {**{key: annotated[key] for key in ("image_id", "category_id", "keypoints")}, "score": 0.5}
        for annotated in truth["annotations"]
    ]
    lines = summary([*write(tmp_path, truth, results), "--metric", "crowdpose"], capsys).splitlines()
    assert len(lines) == 9
    assert all(f"crowd index={name}" in line for name, line in zip(CROWD_SPLITS, lines[6:], strict=True))
    assert "area=   all" in lines[5] and lines[3].endswith("= 1.000")  # everybody is found


def test_a_process_of_its_own_gives_the_same_lines(files, capsys):
    done = subprocess.run(
        [sys.executable, "-m", "pyposeops", "evaluate", *files],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout == printed([*files], capsys)


def test_json_holds_the_figures_the_settings_and_what_was_counted(files, tmp_path, capsys):
    out = tmp_path / "figures.json"
    lines = summary([*files, "--json", str(out), "--max-dets", "5", "--area", "box"], capsys).splitlines()
    written = json.loads(out.read_text())
    assert [f"{value:0.3f}" for value in written["figures"].values()] == [line.split()[-1] for line in lines]
    assert written["settings"]["max_dets"] == 5 and written["settings"]["area"] == "box"
    assert written["settings"]["sigmas"] == list(sigma_sets()["coco_17"])
    truth, results = (json.loads(Path(path).read_text()) for path in files)
    counts = {"images": 80, "annotations": len(truth["annotations"]), "results": len(results)}
    assert written["counts"] == counts
    assert list(tmp_path.iterdir()) == [out]


def test_the_table_holds_the_figures_of_every_joint(pose_data, tmp_path, capsys):
    truth = json.loads((pose_data / "coco_people" / "annotations.json").read_text())
    results = strayed(truth, 0.02, swapped=("left_wrist", "right_wrist"))
    out = tmp_path / "figures.json"
    text = printed([*write(tmp_path, truth, results), "--json", str(out)], capsys)
    heading, *rows = (line.split() for line in text.partition("\n\n")[2].splitlines())
    assert heading == ["joint", "AP", "AP50", "AP75", "AR", "swapped"]
    evaluation = COCOeval(truth, results)
    evaluation.evaluate()
    want = evaluation.joint_figures()
    names = truth["categories"][0]["keypoints"]
    written = json.loads(out.read_text())["per_joint"]
    assert [row[0] for row in rows] == [*written] == names
    for joint, row in enumerate(rows):
        assert row[1:5] == [f"{want[name][joint]:.3f}" for name in heading[1:5]]
        assert written[names[joint]]["AR large"] == want["AR large"][joint]
    swapped = {row[0]: row[5] for row in rows}
    assert swapped["nose"] == "-" and swapped["left_hip"] == "0.000"
    assert float(swapped["left_wrist"]) == float(swapped["right_wrist"]) > 0.7


def test_joints_without_names_have_numbers(files, capsys):
    rows = printed([*files], capsys).partition("\n\n")[2].splitlines()[1:]
    assert [row[:10].strip() for row in rows] == [f"joint {index}" for index in range(17)]


def test_the_standard_library_reads_what_orjson_reads(files, capsys, monkeypatch):
    want = printed([*files], capsys)
    monkeypatch.setitem(sys.modules, "orjson", None)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert printed([*files], capsys) == want


# ---- a bar over two seconds ----------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("after_s, shown", [(0.01, True), (60.0, False)])
def test_a_bar_shows_the_steps_of_long_work_on_a_terminal_only(files, monkeypatch, capsys, after_s, shown):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(progress, "SHOWN_AFTER_S", after_s)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    slow = reading.read_json

    def read(path: Path) -> Any:
        import time

        time.sleep(0.02)
        return slow(path)

    monkeypatch.setattr("pyposeops.evaluate.people.read_json", read)
    assert main(["evaluate", *files]) == 0
    assert ("drawing curves" in terminal.getvalue()) == shown


# ---- outputs and options -------------------------------------------------------------------------------------------


def test_outputs_are_checked_before_anything_is_read(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("pyposeops.evaluate.command.read_truth_file", None)
    missing = tmp_path / "missing" / "out.json"
    message = refused([*files, "--json", str(missing)], capsys)
    assert message == f"--json {missing}: expected an existing folder, got {missing.parent}"
    assert refused([*files, "--json", str(tmp_path)], capsys).endswith("expected a file, got a folder")
    before = Path(files[0]).read_bytes()
    assert refused([*files, "--json", files[0]], capsys).endswith("would overwrite what is to be read")
    assert Path(files[0]).read_bytes() == before


def test_a_failed_write_leaves_the_old_figures(files, tmp_path, capsys, monkeypatch):
    out = tmp_path / "figures.json"
    out.write_text("old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        main(["evaluate", *files, "--json", str(out)])
    assert out.read_text() == "old" and list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    "option, message",
    [
        (["--sigmas", "coco_18"], "expected coco_17, crowdpose_14"),
        (["--sigmas", "0.1,-0.2"], "expected numbers above 0, got '0.1,-0.2'"),
        (["--sigmas", "0.1,nan"], "expected numbers above 0, got '0.1,nan'"),
        (["--max-dets", "0"], "expected an integer above 0, got '0'"),
        (["--metric", "oks"], "invalid choice: 'oks'"),
    ],
)
def test_wrong_options_are_refused_with_the_right_ones(option, message, files, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", *files, *option])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
