"""COCO files: what is read, what is left out, and what is said about a file that cannot be used."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from python_models.data import AnnotationError, CocoKeypoints, ImageReadError, has_split, read_image


def minimal_content() -> dict:
    keypoints = [10, 20, 2, 30, 40, 1, 0, 0, 0]
    annotation = {"id": 7, "image_id": 5, "category_id": 1, "keypoints": keypoints, "bbox": [5, 10, 40, 50]}
    return {
        "images": [{"id": 5, "file_name": "images/a.png"}],
        "annotations": [annotation],
        "categories": [
            {"id": 1, "name": "bird", "keypoints": ["beak", "left_wing", "right_wing"], "skeleton": [[1, 2]]}
        ],
    }


def write_dataset(folder: Path, content: object) -> Path:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "images" / "a.png"), np.zeros((60, 50, 3), np.uint8))
    path = folder / "annotations.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_values_of_a_record(tmp_path):
    content = minimal_content()
    content["annotations"][0] |= {"area": 812.5, "head_size": 9}
    dataset = CocoKeypoints(write_dataset(tmp_path, content))
    record = dataset.records[0]
    assert (record.image_id, record.annotation_id, record.area, record.head_size) == (5, 7, 812.5, 9.0)
    assert record.image == str(tmp_path / "images" / "a.png")
    np.testing.assert_array_equal(record.keypoints, np.float32([[10, 20], [30, 40], [0, 0]]))
    np.testing.assert_array_equal(record.visibility, np.float32([2, 1, 0]))
    np.testing.assert_array_equal(record.box_xywh, np.float32([5, 10, 40, 50]))
    assert dataset.skeleton.flip_pairs == ((1, 2),)
    assert dataset[0].image.shape == (60, 50, 3)


def test_area_defaults_to_053_of_the_box(tmp_path):
    record = CocoKeypoints(write_dataset(tmp_path, minimal_content())).records[0]
    assert record.area == pytest.approx(0.53 * 40 * 50)
    assert record.head_size is None


def test_crowds_unlabelled_people_and_empty_boxes_are_left_out_and_counted(tmp_path):
    content = minimal_content()
    person = content["annotations"][0]
    content["annotations"] += [
        {**person, "id": 8, "iscrowd": 1},
        {**person, "id": 9, "keypoints": [0] * 9},
        {**person, "id": 10, "bbox": [5, 5, 0, 10]},
        {**person, "id": 11, "category_id": 2},
    ]
    dataset = CocoKeypoints(write_dataset(tmp_path, content))
    assert [record.annotation_id for record in dataset.records] == [7]
    assert dataset.left_out == {
        "crowd region": 1,
        "without a labelled joint": 1,
        "with an empty box": 1,
        "other category": 1,
    }
    assert len(dataset.to_coco()["annotations"]) == 5


def test_path_may_be_file_folder_or_folder_of_splits(tmp_path):
    write_dataset(tmp_path / "train", minimal_content())
    write_dataset(tmp_path / "val", minimal_content())
    assert has_split(tmp_path, "val")
    assert not has_split(tmp_path, "test")
    expected = tmp_path / "val" / "annotations.json"
    for dataset in (
        CocoKeypoints(tmp_path, split="val"),
        CocoKeypoints(tmp_path / "val"),
        CocoKeypoints(expected),
    ):
        assert dataset.annotation_file == expected
    with pytest.raises(AnnotationError, match="split not chosen; it holds train, val"):
        CocoKeypoints(tmp_path)
    with pytest.raises(AnnotationError, match="no split 'test' there; it holds train, val"):
        CocoKeypoints(tmp_path, split="test")


def test_images_may_lie_elsewhere(tmp_path):
    path = write_dataset(tmp_path, minimal_content())
    elsewhere = tmp_path / "json" / "people.json"
    elsewhere.parent.mkdir()
    path.rename(elsewhere)
    assert CocoKeypoints(elsewhere, tmp_path)[0].image.shape == (60, 50, 3)


def changed(content: dict, path: list, value: object = None) -> dict:
    """Set a value deep in the content, or delete it."""
    *parents, last = path
    place = content
    for key in parents:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (["annotations"], None, "field 'annotations' is missing"),
        (["images"], {}, "field 'images': expected a list"),
        (["annotations", 0, "keypoints"], None, r"annotations\[0\] \(id 7\): field 'keypoints' is missing"),
        (
            ["annotations", 0, "keypoints"],
            [1, 2, 2],
            r"annotations\[0\] \(id 7\): field 'keypoints': expected 9 numbers \(3 for each of 3 joints\), got 3",
        ),
        (["annotations", 0, "keypoints"], ["x"] * 9, "field 'keypoints': expected numbers"),
        (["annotations", 0, "keypoints"], [1, 2, 5] * 3, "every third value .visibility. must be 0, 1 or 2"),
        (["annotations", 0, "keypoints"], [float("nan"), 2, 2] * 3, "holds a value that is not finite"),
        (["annotations", 0, "bbox"], None, "field 'bbox' is missing"),
        (["annotations", 0, "bbox"], [1, 2, 3], "field 'bbox': expected 4 numbers, got 3"),
        (["annotations", 0, "area"], "big", "field 'area': expected a number, got 'big'"),
        (["annotations", 0, "image_id"], 99, "field 'image_id': no image has id 99"),
        (["annotations", 0, "id"], None, r"annotations\[0\]: field 'id' is missing"),
        (["annotations", 0], 3, r"annotations\[0\]: expected an object, got 3"),
        (["annotations"], [], "no labelled person among them .the list is empty."),
        (["images", 0, "file_name"], None, r"images\[0\] \(id 5\): field 'file_name' is missing"),
        (["images", 0, "file_name"], "images/b.png", "field 'file_name': no such file .*b.png"),
        (["categories", 0, "keypoints"], None, "no category has a field 'keypoints'"),
        (["categories", 0, "skeleton"], [[0, 1]], r"expected pairs from 1 to 3, got \[0, 1\]"),
    ],
)
def test_faults_are_told_in_one_sentence_with_file_entry_and_field(tmp_path, path, value, sentence):
    file = write_dataset(tmp_path, changed(minimal_content(), path, value))
    with pytest.raises(AnnotationError, match=sentence) as caught:
        CocoKeypoints(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_repeated_ids_are_refused(tmp_path):
    content = minimal_content()
    content["annotations"] *= 2
    with pytest.raises(AnnotationError, match=r"annotations\[1\]: field 'id': 7 is used twice"):
        CocoKeypoints(write_dataset(tmp_path, content))


def test_two_categories_with_keypoints_need_a_choice(tmp_path):
    content = minimal_content()
    content["categories"].append({**content["categories"][0], "id": 2, "name": "bat"})
    path = write_dataset(tmp_path, content)
    with pytest.raises(AnnotationError, match="choose one by its name: 'bird', 'bat'"):
        CocoKeypoints(path)
    assert CocoKeypoints(path, category="bird").skeleton.name == "bird"
    with pytest.raises(AnnotationError, match="no category named 'fish' has"):
        CocoKeypoints(path, category="fish")


def test_paths_and_json_that_are_wrong(tmp_path):
    with pytest.raises(AnnotationError, match="no such file or folder"):
        CocoKeypoints(tmp_path / "nowhere")
    with pytest.raises(AnnotationError, match=r"holds neither annotations\.json nor folders"):
        CocoKeypoints(tmp_path)
    with pytest.raises(AnnotationError, match=r"not valid JSON: .* line 1 column 2"):
        CocoKeypoints(write_dataset(tmp_path, "{oops"))
    with pytest.raises(AnnotationError, match="expected a JSON object, got a list"):
        CocoKeypoints(write_dataset(tmp_path, "[]"))


def test_unreadable_image_is_named(tmp_path):
    dataset = CocoKeypoints(write_dataset(tmp_path, minimal_content()))
    (tmp_path / "images" / "a.png").write_bytes(b"not an image")
    with pytest.raises(ImageReadError, match=r"a\.png: cannot be decoded as an image"):
        dataset[0]
    with pytest.raises(ImageReadError, match=r"b\.png: no such image file"):
        read_image(tmp_path / "b.png")


def test_image_is_rgb_as_stored(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), rgb[..., ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), rgb)


@pytest.mark.parametrize(
    ("folder", "people", "joints", "pairs"),
    [
        ("lspet/val", 500, 14, 6),
        ("coco_mini", 12, 17, 8),
        ("coco_people", 86, 17, 8),
        ("crowdpose_mini", 4, 14, 6),
        ("mpii_mini", 5, 16, 6),
        ("posetrack_mini", 14, 17, 7),
        ("openfield", 116, 4, 1),
    ],
)
def test_real_sets(pose_data, folder, people, joints, pairs):
    dataset = CocoKeypoints(pose_data / folder)
    assert (len(dataset), dataset.skeleton.num_joints) == (people, joints)
    assert len(dataset.skeleton.flip_pairs) == pairs
    assert dataset[people - 1].image.dtype == torch.uint8
    assert min(record.box_xywh[2:].min() for record in dataset.records) > 0
