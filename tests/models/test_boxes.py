"""Boxes in the forms that people have."""

import json
from pathlib import Path

import pytest

from python_models.boxes import boxes_by_image, find_tasks, scored_boxes
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
    assert [(task.path.name, task.image_id, task.boxes) for task in tasks] == [("b.PNG", 8, [(*BOX, 1.0)])]
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


def test_scores_come_along(folder: Path):
    entries = [{"image_id": 7, "bbox": BOX, "score": 0.25}, {"image_id": 7, "bbox": BOX}]
    tasks, _ = find_tasks([str(folder)], save(folder, entries))
    assert tasks[0].boxes == [(*BOX, 0.25), (*BOX, 1.0)]
    assert scored_boxes(tasks[0].boxes).tolist() == [[*BOX, 0.25], [*BOX, 1.0]]
    assert scored_boxes([]).shape == (0, 5)
    with pytest.raises(UserError, match=r"score of box .*: expected a number from 0, got nan"):
        find_tasks([str(folder)], save(folder, [{"image_id": 7, "bbox": BOX, "score": float("nan")}]))


def test_boxes_of_images_that_have_no_file(folder: Path):
    by_image = boxes_by_image(Path(save(folder, ANNOTATIONS)))
    assert {image_id: own.tolist() for image_id, own in by_image.items()} == {8: [[*BOX, 1.0]]}
    results = [{"image_id": 3, "category_id": 2, "bbox": BOX, "score": 0.5}]
    assert boxes_by_image(Path(save(folder, results))) == {}
    (own,) = boxes_by_image(Path(save(folder, results)), category_id=2).values()
    assert own.tolist() == [[*BOX, 0.5]]
    with pytest.raises(
        UserError, match=r"boxes .*: expected COCO annotations or COCO results; KeyError: 'image_id'"
    ):
        boxes_by_image(Path(save(folder, [{"bbox": BOX}])))
    with pytest.raises(UserError, match="expected COCO annotations or COCO results"):
        boxes_by_image(Path(save(folder, {"a.jpg": [BOX]})))


def test_a_plain_list_goes_with_one_image(folder: Path):
    image = str(folder / "images" / "b.PNG")
    assert find_tasks([image], save(folder, [BOX]))[0][0].boxes == [(*BOX, 1.0)]
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


def test_each_folder_has_its_own_annotations(tmp_path: Path):
    """Images of the same name in several sets do not get each other's boxes."""
    for name, boxes in (("a", 1), ("b", 2), ("plain", 0)):
        (tmp_path / name / "images").mkdir(parents=True)
        (tmp_path / name / "images" / "1.jpg").touch()
        content = {
            "images": [{"id": 1, "file_name": "images/1.jpg"}],
            "annotations": [{"image_id": 1, "bbox": [boxes, 0, 10, 10]}] * boxes,
        }
        if boxes:
            save(tmp_path / name / "x", content, "annotations.json")
    tasks, origin = find_tasks([str(tmp_path / name) for name in ("a", "b", "plain")])
    assert [None if task.boxes is None else len(task.boxes) for task in tasks] == [1, 2, None]
    assert [task.image_id for task in tasks] == [1, 2, 3] and tasks[0].name == "images/1.jpg"
    assert origin.endswith("b/annotations.json and whole images")


def test_the_longest_ending_of_a_path_wins(folder: Path):
    boxes = save(folder, {"b.PNG": [BOX], "images/b.PNG": [BOX, BOX]})
    assert [len(task.boxes) for task in find_tasks([str(folder)], boxes)[0]] == [2]


def test_names_alone_find_their_images(folder: Path):
    boxes = save(folder, [{"file_name": "b.PNG", "bbox": BOX}])
    assert [task.path.name for task in find_tasks([str(folder)], boxes)[0]] == ["b.PNG"]
    with pytest.raises(UserError, match="none of its boxes belongs to one of the 2 images"):
        find_tasks([str(folder)], save(folder, []))


def test_what_was_written_is_not_read_again(folder: Path):
    out = folder / "found"
    out.mkdir()
    (out / "b_2.jpg").touch()
    assert len(find_tasks([str(folder)], out=out)[0]) == 2
    for images in (out, out / "b_2.jpg"):
        with pytest.raises(UserError, match=r"found: b_2\.jpg, which is to be read, lies there"):
            find_tasks([str(images)], out=out)
    assert len(find_tasks([str(folder)], out=folder.parent)[0]) == 3


def test_wrong_paths_are_named(folder: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"absent: no such image or video file or folder"):
        find_tasks([str(tmp_path / "absent")])
    with pytest.raises(UserError, match=r"boxes .*absent\.json: no such file"):
        find_tasks([str(folder)], str(tmp_path / "absent.json"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no image"):
        find_tasks([str(tmp_path / "empty")])
