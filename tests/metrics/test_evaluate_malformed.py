"""What `pyposeops evaluate` says of files that are not what they should be."""

from __future__ import annotations

import contextlib
import copy
import io
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyposeops.__main__ import main
from pyposeops.metrics import LSP_JOINTS
from tests.metrics.evaluate_cases import MISSING, found, ground_truth, person, refused, write
from tests.property_tests import given, settings, st


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
    paths = write(tmp_path, ground_truth(person()), [*[found()] * 17, entry])

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
    paths = write(tmp_path, ground_truth(person(), entry), [found()])
    assert refused([*paths], capsys) == f"{paths[0]}: annotations[1]: {message}"


@pytest.mark.parametrize(
    "content, message",
    [
        ([person()], "expected an object with images, annotations and categories, got a list"),
        (None, "expected an object with images, annotations and categories, got null"),
        (ground_truth(annotations=MISSING), "annotations: expected a list, got none"),
        (ground_truth(annotations={"1": person()}), "annotations: expected a list, got an object"),
        (ground_truth(person(), images=3), "images: expected a list, got a number"),
        (ground_truth(person(), images=[{"id": 1}, 7]), "images[1]: expected an object, got a number"),
        (
            ground_truth(person(), images=[{"id": 1}, {}]),
            "images[1]: id: expected an integer of 64 bits, got None",
        ),
        (
            ground_truth(person(), images=[{"id": "1"}]),
            "images[0]: id: expected an integer of 64 bits, got '1'",
        ),
        (
            ground_truth(person(), images=[{"id": 2**63}]),
            "images[0]: id: expected an integer of 64 bits, got 9223",
        ),
        (ground_truth(person(), categories="person"), "categories: expected a list, got a string"),
        (
            ground_truth(person(), categories=[{"id": True}]),
            "categories[0]: id: expected an integer of 64 bits, got True",
        ),
        (
            ground_truth(person(keypoints=[1.0] * 42)),
            "expected people of 17 joints, one per sigma, got 14; choose others with --sigmas crowdpose_14",
        ),
    ],
)
def test_a_ground_truth_of_another_form_is_refused(content, message, tmp_path, capsys):
    paths = write(tmp_path, content, [])
    assert refused([*paths], capsys).startswith(f"{paths[0]}: {message}")


def test_results_of_another_form_are_refused(tmp_path, capsys):
    paths = write(tmp_path, ground_truth(person()), {"annotations": [found()]})
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
    paths = write(tmp_path, ground_truth(person()), content)
    assert refused([*paths], capsys) == f"{paths[1]}: {message}"


def test_a_file_that_is_no_text_or_not_there_is_refused(tmp_path, capsys):
    gt, results = write(tmp_path, ground_truth(person()), [])
    Path(results).write_bytes(b'["\xff\xfe"]')
    assert refused([gt, results], capsys).startswith(f"{results}: byte 2: expected UTF-8, got")
    assert refused([gt, str(tmp_path / "other.json")], capsys).endswith(
        "other.json: No such file or directory"
    )
    assert refused([str(tmp_path), results], capsys) == f"{tmp_path}: Is a directory"


def test_crowdpose_needs_images_with_crowd_indices(tmp_path, capsys):
    people = ground_truth(person(keypoints=[1.0] * 42))
    paths = write(tmp_path, people, [])
    message = refused([*paths, "--metric", "crowdpose"], capsys)
    assert message == f"{paths[0]}: images[0]: crowdIndex: expected a number, got none"
    paths = write(tmp_path, {**people, "images": []}, [])
    message = refused([*paths, "--metric", "crowdpose", "--sigmas", "crowdpose_14"], capsys)
    assert message == f"{paths[0]}: images: expected images with a crowdIndex, got none"


# ---- any file ------------------------------------------------------------------------------------------------------

SOUND = (
    ground_truth(
        person(head_size=9.0),
        person(id=2, image_id=2, bbox_head=[1, 2, 3, 4]),
        images=[{"id": 1, "crowdIndex": 0.1}, {"id": 2, "crowdIndex": 0.9}],
        categories=[{"id": 1, "keypoints": [*LSP_JOINTS, "nose", "left_eye", "right_eye"]}],
    ),
    [found(annotation_id=1), found(image_id=2, annotation_id=2, bbox=[1, 2, 3, 4])],
)
VALUES = (
    *(None, True, 0, -1, 0.5, 2**63, -(2**64), 1e308, -1e308, float("nan"), float("inf")),
    *("", "x", [], {}, [None], [[]], {"id": 1}, [0] * 51, [1e300] * 51),
)


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a file; the first of long lists stand for the others."""
    yield before
    inside = (
        value.items() if isinstance(value, dict) else enumerate(value[:4]) if isinstance(value, list) else ()
    )
    for key, part in inside:
        yield from places(part, (*before, key))


def replaced(value: Any, place: tuple[Any, ...], by: Any) -> Any:
    if not place:
        return by
    changed = copy.copy(value)
    changed[place[0]] = replaced(value[place[0]], place[1:], by)
    return changed


METRICS = [
    ["coco"],
    ["coco", "--strict"],
    ["crowdpose", "--sigmas", "coco_17"],
    ["pck"],
    ["pckh"],
    ["pcp"],
    ["pdj"],
]


@settings(max_examples=1000, deadline=None)
@given(st.integers(0, 1), st.data(), st.sampled_from(VALUES), st.sampled_from(METRICS))
def test_any_value_anywhere_is_scored_or_answered_with_one_line(which, data, value, metric):
    contents = list(SOUND)
    place = data.draw(st.sampled_from(list(places(contents[which]))))
    contents[which] = replaced(contents[which], place, value)
    errors = io.StringIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stderr(errors),
        contextlib.redirect_stdout(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        code = main(["evaluate", *write(Path(folder), *contents), "--metric", *metric])
    assert (code, len(errors.getvalue().splitlines())) in ((0, 0), (2, 1)), errors.getvalue()
