"""Boxes in the forms that people have."""

import json
from pathlib import Path

import pytest

from python_models.boxes import find_tasks
from python_models.errors import UserError

BOX = [1.0, 2.0, 30.0, 40.0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("images/000000000007.jpg", "images/b.PNG", "notes.txt"):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "set"


def save(folder: Path, content: object, name: str = "boxes.json") -> str:
    path = folder.parent / name
    path.write_text(json.dumps(content))
    return str(path)


ANNOTATIONS = {
    "images": [{"id": 7, "file_name": "images/000000000007.jpg"}, {"id": 8, "file_name": "images/b.PNG"}],
    "annotations": [
        {"image_id": 8, "category_id": 1, "bbox": BOX},
        {"image_id": 8, "category_id": 1, "bbox": BOX, "iscrowd": 1},
        {"image_id": 8, "category_id": 3, "bbox": BOX},
    ],
}


def test_a_folder_is_searched_for_images_and_each_is_one_person(folder: Path):
    tasks, origin = find_tasks([str(folder)])
    assert [(task.path.name, task.image_id, task.boxes) for task in tasks] == [
        ("000000000007.jpg", 7, None),
        ("b.PNG", 2, None),
    ]
    assert origin == "whole images"


def test_annotations_in_the_folder_are_used_unless_told_otherwise(folder: Path):
    (folder / "annotations.json").write_text(json.dumps(ANNOTATIONS))
    tasks, _ = find_tasks([str(folder)])
    assert [(task.path.name, task.image_id, task.boxes) for task in tasks] == [("b.PNG", 8, [tuple(BOX)])]
    assert len(find_tasks([str(folder)], "whole")[0]) == 2


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (ANNOTATIONS, {"b.PNG": 1}),
        ([{"image_id": 7, "category_id": 1, "bbox": BOX, "score": 0.9}], {"000000000007.jpg": 1}),
        (
            [{"image_id": 7, "bbox": BOX, "score": score} for score in (0.1, 0.9, 0.4)],
            {"000000000007.jpg": 1},
        ),
        ([{"image_id": 1, "file_name": "images/b.PNG", "bbox": BOX}], {"b.PNG": 1}),
        ({"b.PNG": [BOX, BOX]}, {"b.PNG": 2}),
    ],
    ids=["annotations", "results", "results with low scores", "results with names", "by name"],
)
def test_boxes_find_their_image(folder: Path, content: object, found: dict[str, int]):
    tasks, _ = find_tasks([str(folder)], save(folder, content), min_score=0.5)
    assert {task.path.name: len(task.boxes) for task in tasks} == found


def test_a_plain_list_goes_with_one_image(folder: Path):
    image = str(folder / "images" / "b.PNG")
    assert find_tasks([image], save(folder, [BOX]))[0][0].boxes == [tuple(BOX)]
    with pytest.raises(UserError, match="a plain list of boxes goes with one image, got 2"):
        find_tasks([str(folder)], save(folder, [BOX]))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([{"bbox": BOX}], "KeyError: 'image_id'"),
        ({"b.PNG": [[1, 2, 0, 4]]}, "has no extent"),
        ({"b.PNG": [[1, 2, 3]]}, "ValueError"),
        ({"other.jpg": [BOX]}, "none of its boxes belongs to one of the 2 images"),
        (3, "expected COCO annotations"),
    ],
)
def test_malformed_boxes_are_one_sentence(folder: Path, content: object, words: str):
    with pytest.raises(UserError, match=words):
        find_tasks([str(folder)], save(folder, content))


def test_wrong_paths_are_named(folder: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"absent: no such image or video file or folder"):
        find_tasks([str(tmp_path / "absent")])
    with pytest.raises(UserError, match=r"boxes .*absent\.json: no such file"):
        find_tasks([str(folder)], str(tmp_path / "absent.json"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no image"):
        find_tasks([str(tmp_path / "empty")])
