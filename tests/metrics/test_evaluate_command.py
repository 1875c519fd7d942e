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
from tests.metrics.generated_results import Options, generate


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A generated ground truth and results."""
    return write(
        tmp_path_factory.mktemp("people"), *generate(Options(images=80, seed=11, tied=True, odd=True))
    )


def write(folder: Path, truth: Any, results: Any) -> tuple[str, str]:
    """Values as JSON, strings as they are."""
    paths = folder / "gt.json", folder / "results.json"
    for path, content in zip(paths, (truth, results), strict=True):
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(paths[0]), str(paths[1])


def printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["evaluate", *arguments]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def summary(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What stands above the table."""
    return printed(arguments, capsys).partition("\n\n")[0] + "\n"


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a wrong file leaves on standard error."""
    capsys.readouterr()
    assert main(["evaluate", *arguments]) == 2
    streams = capsys.readouterr()
    lines = streams.err.strip().splitlines()
    assert len(lines) == 1 and not streams.out, streams
    return lines[0].removeprefix("pyposeops evaluate: ")


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


def strayed(truth: Any, scale: float = 0.1, swapped: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Every annotated person as a result, the joints off by some of the person's size; two joints exchanged."""
    rng = np.random.default_rng(0)
    names = truth["categories"][0]["keypoints"]
    order = [swapped[1 - swapped.index(name)] if name in swapped else name for name in names]
    results = []
    for person in truth["annotations"]:
        joints = np.reshape(person["keypoints"], (-1, 3)).astype(float)
        joints[:, :2] += rng.normal(size=(len(joints), 2)) * scale * np.sqrt(person["area"])
        joints = joints[[names.index(name) for name in order]]
        found = {"image_id": person["image_id"], "category_id": 1, "score": float(rng.random())}
        results.append({**found, "keypoints": joints.ravel().tolist()})
    return results


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
        {**{key: person[key] for key in ("image_id", "category_id", "keypoints")}, "score": 0.5}
        for person in truth["annotations"]
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


# ---- what is refused -----------------------------------------------------------------------------------------------


def person(**changes: Any) -> dict[str, Any]:
    joints = [float(v) for k in range(17) for v in (3 * k, 5 * k, 2)]
    whole = {"id": 1, "image_id": 1, "category_id": 1, "area": 5000.0, "bbox": [0, 0, 50, 100], "iscrowd": 0}
    return without_missing({**whole, "num_keypoints": 17, "keypoints": joints, **changes})


def found(**changes: Any) -> dict[str, Any]:
    return without_missing(
        {"image_id": 1, "category_id": 1, "keypoints": person()["keypoints"], "score": 0.5, **changes}
    )


MISSING = object()


def without_missing(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value is not MISSING}


def truth(*people: Any, **changes: Any) -> dict[str, Any]:
    whole = {"images": [{"id": 1}], "annotations": list(people), "categories": [{"id": 1}]}
    return without_missing({**whole, **changes})


@pytest.mark.parametrize(
    "entry, message",
    [
        (found(keypoints=[1.0] * 50), "keypoints: expected 51 numbers, got 50"),
        (found(keypoints=MISSING), "keypoints: expected a value, got none"),
        (found(keypoints="none"), "keypoints: expected 51 numbers, got 4"),
        (found(keypoints=[[1.0, 2.0, 3.0]] * 51), "keypoints: expected numbers, got [1.0, 2.0, 3.0]"),
        (found(keypoints=[None] * 51), "keypoints: expected numbers, got None"),
        (found(keypoints=[float("nan")] * 51), "keypoints: expected finite numbers, got nan"),
        (found(score=float("inf")), "score: expected finite numbers, got inf"),
        (found(score=MISSING), "score: expected a value, got none"),
        (found(score="0.9"), "score: expected numbers, got '0.9'"),
        (found(image_id=MISSING), "image_id: expected a value, got none"),
        (found(image_id="000001"), "image_id: expected an integer, got '000001'"),
        (found(image_id=2**63), f"image_id: expected an integer, got {2**63}"),
        (found(image_id=9), "image_id: expected an image of the ground truth, got 9"),
        (found(category_id=1.5), "category_id: expected an integer, got 1.5"),
        (found(bbox=[1, 2, 3]), "bbox: expected 4 numbers, got 3"),
        ([found()], "expected a dictionary, got list"),
        (None, "expected a dictionary, got NoneType"),
    ],
)
def test_a_malformed_result_names_file_entry_and_field(entry, message, tmp_path, capsys):
    paths = write(tmp_path, truth(person()), [*[found()] * 17, entry])

    assert refused([*paths], capsys) == f"{paths[1]}: entry 17: {message}"


@pytest.mark.parametrize(
    "entry, message",
    [
        (person(keypoints=[1.0] * 48), "keypoints: expected 51 numbers, got 48"),
        (person(keypoints=MISSING), "keypoints: expected a value, got none"),
        (person(area=MISSING), "area: expected a value, got none"),
        (person(area=float("nan")), "area: expected finite numbers, got nan"),
        (person(bbox=7), "bbox: expected 4 numbers, got int"),
        (person(image_id=None), "image_id: expected a value, got none"),
        (person(id="x"), "id: expected an integer, got 'x'"),
        (person(iscrowd=0.5), "iscrowd: expected an integer, got 0.5"),
        ("person", "expected a dictionary, got str"),
    ],
)
def test_a_malformed_annotation_names_file_entry_and_field(entry, message, tmp_path, capsys):
    paths = write(tmp_path, truth(person(), entry), [found()])
    assert refused([*paths], capsys) == f"{paths[0]}: annotations[1]: {message}"


@pytest.mark.parametrize(
    "content, message",
    [
        ([person()], "expected an object with images, annotations and categories, got a list"),
        (None, "expected an object with images, annotations and categories, got null"),
        (truth(annotations=MISSING), "annotations: expected a list, got none"),
        (truth(annotations={"1": person()}), "annotations: expected a list, got an object"),
        (truth(person(), images=3), "images: expected a list, got a number"),
        (truth(person(), images=[{"id": 1}, 7]), "images[1]: expected an object, got a number"),
        (truth(person(), images=[{"id": 1}, {}]), "images[1]: id: expected an integer, got None"),
        (truth(person(), images=[{"id": "1"}]), "images[0]: id: expected an integer, got '1'"),
        (truth(person(), categories="person"), "categories: expected a list, got a string"),
        (truth(person(), categories=[{"id": True}]), "categories[0]: id: expected an integer, got True"),
        (
            truth(person(keypoints=[1.0] * 42)),
            "expected people of 17 joints, one per sigma, got 14; choose others with --sigmas crowdpose_14",
        ),
    ],
)
def test_a_ground_truth_of_another_form_is_refused(content, message, tmp_path, capsys):
    paths = write(tmp_path, content, [])
    assert refused([*paths], capsys).startswith(f"{paths[0]}: {message}")


def test_results_of_another_form_are_refused(tmp_path, capsys):
    paths = write(tmp_path, truth(person()), {"annotations": [found()]})
    assert refused([*paths], capsys) == f"{paths[1]}: expected a list of results, got an object"


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    "content, message",
    [
        ("", "line 1, column 1: Expecting value"),
        ('[{"image_id": 1,\n  "score": }]', "line 2, column 12: Expecting value"),
        ('[{"image_id": 1', "line 1, column 16: Expecting ',' delimiter"),
        ("[1, 2]\n[3]", "line 2, column 1: Extra data"),
        ("[" * 200_000, "nested too deeply to be read"),
    ],
)
def test_what_is_no_json_is_named_by_line_and_column(content, message, fast, tmp_path, capsys, monkeypatch):
    if not fast:
        monkeypatch.setitem(sys.modules, "orjson", None)
    paths = write(tmp_path, truth(person()), content)
    assert refused([*paths], capsys) == f"{paths[1]}: {message}"


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path, capsys):
    gt, results = write(tmp_path, truth(person()), [])
    Path(results).write_bytes(b'["\xff\xfe"]')
    assert refused([gt, results], capsys).startswith(f"{results}: byte 2: expected UTF-8, got")
    assert refused([gt, str(tmp_path / "other.json")], capsys).endswith(
        "other.json: No such file or directory"
    )
    assert refused([str(tmp_path), results], capsys) == f"{tmp_path}: Is a directory"


def test_crowdpose_needs_crowd_indices(tmp_path, capsys):
    people = truth(person(keypoints=[1.0] * 42))
    paths = write(tmp_path, people, [])
    message = refused([*paths, "--metric", "crowdpose"], capsys)
    assert message == f"{paths[0]}: images[0]: crowdIndex: expected a number, got none"


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
