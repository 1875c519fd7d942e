"""PoseTrack18's files: what is read of them, what is refused, and real annotations."""

from __future__ import annotations

import copy
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyposeops.metrics import (
    POSETRACK_JOINTS,
    TrackResults,
    evaluate_posetrack,
    posetrack_ap,
    posetrack_mota,
    read_posetrack_results,
    read_posetrack_truths,
)
from tests.property_tests import given, settings, st


def two_frames() -> dict[str, Any]:
    """Two frames of two people in the form of PoseTrack18, with an unlabelled frame between them."""
    names = [*POSETRACK_JOINTS[:3], "left_ear", "right_ear", *POSETRACK_JOINTS[3:]]
    images = [
        {"id": 10 + f, "frame_id": 10 + f, "vid_id": "000342", "is_labeled": f != 1, "file_name": f"{f}.jpg"}
        for f in range(3)
    ]
    people = []
    for image, track in itertools.product(images, (0, 1)):
        joints = [[100.0 * track + 3 * k, 5.0 * k + 1, 1] for k in range(17)]
        joints[3] = joints[4] = [0, 0, 0]
        people.append(
            {
                "image_id": image["id"],
                "track_id": track,
                "category_id": 1,
                "bbox_head": [0, 0, 30, 40],
                "keypoints": [value for joint in joints for value in joint],
            }
        )
    return {"images": images, "annotations": people, "categories": [{"id": 1, "keypoints": names}]}


@pytest.fixture
def content() -> dict[str, Any]:
    return two_frames()


def test_files_are_read(content: dict[str, Any]):
    read = read_posetrack_truths([content])
    assert len(read.sequences) == 4 and set(read.sequences.tolist()) == {342}
    assert read.head_sizes.tolist() == [30.0] * 4 and read.labelled_frames.tolist() == [[342, 10], [342, 12]]
    assert read.keypoints.shape == (4, 15, 3)
    assert read.keypoints[0, 3].tolist() == [15.0, 26.0, 1.0]  # the left shoulder stands after the ears
    seen = read_posetrack_results([content])
    assert len(seen.sequences) == 6 and np.isfinite(seen.keypoints).all()
    assert posetrack_mota(read, seen).mean == 1.0 and posetrack_ap(read, seen).mean == 1.0


def test_scores_and_missing_joints_of_results_are_read(content: dict[str, Any]):
    person = content["annotations"][0]
    person["scores"] = [k / 20 for k in range(17)]
    person["keypoints"][0:3] = [0, 0, 0.4]
    content["annotations"][1]["keypoints"][6:9] = [5, 5, 0]
    seen = read_posetrack_results([content])
    assert np.isnan(seen.keypoints[0, 0]).all() and np.isnan(seen.keypoints[1, 2]).all()
    assert seen.scores[0, 3] == 0.25 and seen.scores[1, 0] == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("images"), r"file 0: images: expected a list, got none"),
        (lambda c: c["images"][1].pop("id"), r"file 0: images\[1\]: id: expected a value, got none"),
        (
            lambda c: c["images"][1].update(frame_id="a"),
            r"images\[1\]: frame_id: expected an integer, got 'a'",
        ),
        (
            lambda c: c["annotations"][2].update(image_id=99),
            r"annotations\[2\]: image_id: expected one of the images",
        ),
        (
            lambda c: c["annotations"][0].update(track_id=None),
            r"annotations\[0\]: track_id: expected an integer",
        ),
        (lambda c: c["annotations"][0].update(bbox_head=[1, 2]), r"bbox_head: expected 4 numbers, got 2"),
        (lambda c: c["annotations"][0].update(bbox_head=None), r"bbox_head: expected a value, got none"),
        (lambda c: c["annotations"][0].update(keypoints=[1] * 48), r"keypoints: expected 51 numbers, got 48"),
        (lambda c: c["annotations"][0].update(keypoints=["x"] * 51), r"keypoints: expected numbers, got 'x'"),
        (
            lambda c: c["annotations"][0]["keypoints"].__setitem__(4, float("nan")),
            r"expected finite numbers, got nan",
        ),
        (
            lambda c: c["categories"][0]["keypoints"].remove("nose"),
            r"categories: expected PoseTrack's joints, nose is missing",
        ),
        (
            lambda c: c["annotations"][1].update(track_id=0),
            r"tracks: expected each once in a frame, got 0 twice",
        ),
        (
            lambda c: c["images"][0].update(ignore_regions_x=[[1, 2, 3]], ignore_regions_y=[[1, 2]]),
            r"equal lengths",
        ),
    ],
)
def test_malformed_files_are_named(content: dict[str, Any], change: Any, message: str):
    change(content)
    with pytest.raises(ValueError, match=message):
        read_posetrack_truths([content])


def test_real_annotations_found_again_are_perfect(pose_data: Path):
    path = pose_data / "posetrack_mini" / "annotations.json"
    if not path.is_file():
        pytest.skip(f"no {path}")
    content = json.loads(path.read_text())
    before = copy.deepcopy(content)
    true, seen = read_posetrack_truths([content]), read_posetrack_results([content])
    assert content == before and len(true.sequences) > 5
    assert posetrack_mota(true, seen).mean == pytest.approx(1.0)
    assert posetrack_ap(true, seen).mean == pytest.approx(1.0)
    shifted = seen.keypoints + np.array([true.head_sizes.max(), 0.0])
    moved = TrackResults(seen.sequences, seen.frames, seen.tracks, shifted, seen.scores)
    assert posetrack_ap(true, moved).mean < 0.2


# ---- both figures from files ---------------------------------------------------------------------------------------


def test_images_of_results_are_known_by_their_ids(content: dict[str, Any]):
    found = copy.deepcopy(content)
    for image in found["images"]:
        del image["vid_id"], image["frame_id"]
    figures = evaluate_posetrack([content], [found])
    assert figures.ap.mean == figures.mota.mean == 1.0
    del found["images"]
    assert evaluate_posetrack([content], [found]).mota.mean == 1.0
    own = evaluate_posetrack([content], [content], threshold=0.1, compat="poseval")
    assert own.mota.annotated.tolist() == [2] * 15  # the last frame is left out


def test_images_that_nobody_knows_are_refused(content: dict[str, Any]):
    found = copy.deepcopy(content)
    found["images"][2].update(id=77)
    found["annotations"] = [person for person in found["annotations"] if person["image_id"] != 12]
    del found["images"][2]["vid_id"]
    with pytest.raises(ValueError, match=r"file 0: images\[2\]: vid_id: expected a value, got none"):
        evaluate_posetrack([content], [found])
    found["images"].pop()
    found["annotations"][0]["image_id"] = 99
    with pytest.raises(ValueError, match=r"annotations\[0\]: image_id: expected one of the images, got 99"):
        evaluate_posetrack([content], [found])
    other = copy.deepcopy(content)
    other["images"][0]["vid_id"] = "000343"
    with pytest.raises(
        ValueError, match="annotations: file 1: images: expected ids of their own, got 10 again"
    ):
        read_posetrack_results([], annotations=[content, other])


def places_in(value: Any, path: tuple[Any, ...] = ()) -> Any:
    """Every place of a file, but for the later ones of long lists of numbers."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in items:
        if not isinstance(key, int) or key < 4:
            yield (*path, key)
            yield from places_in(entry, (*path, key))


STRANGE = (
    None,
    True,
    0,
    -1,
    2**70,
    10**400,
    1.5,
    float("nan"),
    float("inf"),
    1e308,
    "",
    "x",
    "12",
    [],
    [1],
    [[]],
    {},
)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_value_anywhere_is_read_or_refused(data: Any):
    file = two_frames()
    file["images"][0].update(ignore_regions_x=[[1, 2, 3, 4]], ignore_regions_y=[[1, 5, 1, 9]])
    strange = copy.deepcopy(file)
    *path, key = data.draw(st.sampled_from(sorted(places_in(file), key=repr)))
    entry = strange
    for step in path:
        entry = entry[step]
    entry[key] = copy.deepcopy(data.draw(st.sampled_from(STRANGE)))
    for true, seen in (([strange], [file]), ([file], [strange]), ([strange], [strange])):
        try:
            evaluate_posetrack(true, seen)
        except ValueError as error:
            assert "expected" in str(error)
