"""CrowdPose and COCO in the folders in which they are published."""

import numpy as np
import pytest

from python_models.data import (
    COCO_SKELETON,
    CROWDPOSE_SKELETON,
    AnnotationError,
    Coco,
    CocoKeypoints,
    CrowdPose,
)
from python_models.sources import open_evaluation_data, open_training_data, open_validation_data
from tests.models.published_files import coco_content, coco_person, write_images, write_json

JOINTS = CROWDPOSE_SKELETON.joint_names
COCO_LINKS = [[16, 14], [14, 12]]  # what the published files have: joints that do not exist here


def crowd(people, index=0.4):
    image = {"id": 100, "file_name": "100.jpg", "width": 50, "height": 60, "crowdIndex": index}
    return coco_content([image], people, JOINTS, COCO_LINKS)


def write_crowdpose(folder, **lists):
    write_images([folder / "images" / "100.jpg"])
    for split, people in lists.items():
        write_json(folder / "json" / f"crowdpose_{split}.json", crowd(people))
    return folder


def test_crowdpose_has_its_own_skeleton_whatever_links_the_file_has(tmp_path):
    people = CrowdPose(write_crowdpose(tmp_path, train=[coco_person(1, 100, 14)]), split="train")
    assert people.skeleton is CROWDPOSE_SKELETON
    assert people[0].image.shape == (60, 50, 3)
    with pytest.raises(AnnotationError, match="field 'skeleton': expected pairs from 1 to 14"):
        CocoKeypoints(tmp_path / "json" / "crowdpose_train.json", tmp_path / "images")


def test_crowdpose_keeps_the_crowd_index_and_takes_053_of_the_box_as_area(tmp_path):
    people = CrowdPose(write_crowdpose(tmp_path, val=[coco_person(1, 100, 14)]), split="val")
    assert people.records[0].area == pytest.approx(0.53 * 40 * 50)
    assert people.to_coco()["images"][0]["crowdIndex"] == 0.4


def test_crowdpose_counts_pixels_from_zero(tmp_path):
    person = coco_person(1, 100, 14)
    (record,) = CrowdPose(write_crowdpose(tmp_path, train=[person]), split="train").records
    np.testing.assert_allclose(record.keypoints, np.reshape(person["keypoints"], (14, 3))[:, :2], atol=1e-5)
    np.testing.assert_array_equal(record.box_xywh, [5, 5, 40, 50])


def test_crowdpose_splits_and_single_files(tmp_path):
    several = [coco_person(index, 100, 14, index) for index in (1, 2, 3)]
    data = f"crowdpose:{write_crowdpose(tmp_path, train=several[:1], val=several[:2], test=several)}"
    assert len(open_training_data(data, images=None, count=0)) == 1
    assert len(open_validation_data(data, None, images=None, count=0)) == 2
    assert len(open_evaluation_data(f"{data}/json/crowdpose_test.json", images=None, count=0)) == 3
    assert len(open_training_data(f"{data}/json/crowdpose_train.json", images=None, count=0)) == 1


def test_other_joints_are_refused(tmp_path):
    write_crowdpose(tmp_path)
    content = crowd([coco_person(1, 100, 14)])
    content["categories"][0]["keypoints"] = list(reversed(JOINTS))
    write_json(tmp_path / "json" / "crowdpose_train.json", content)
    with pytest.raises(
        AnnotationError, match=r"categories \(id 1\): field 'keypoints': expected the joints left_sh"
    ):
        CrowdPose(tmp_path, split="train")


def test_faults_of_the_folder_are_told(tmp_path):
    with pytest.raises(
        AnnotationError, match=r"holds no json/crowdpose_val\.json and no annotations/crowdpose_val"
    ):
        CrowdPose(tmp_path, split="val")
    write_json(tmp_path / "json" / "crowdpose_val.json", "not yet read")
    with pytest.raises(AnnotationError, match="images: no such folder of images"):
        CrowdPose(tmp_path, split="val")


@pytest.mark.parametrize(("images", "year"), [("train2017", 2017), ("images/train2014", 2014)])
def test_coco_is_read_where_it_is_published(tmp_path, images, year):
    image = {"id": 9, "file_name": "000000000009.jpg"}
    content = coco_content([image], [coco_person(1, 9, 17, area=700.0)], COCO_SKELETON.joint_names)
    write_json(tmp_path / "annotations" / f"person_keypoints_train{year}.json", content)
    write_images([tmp_path / images / "000000000009.jpg"])
    people = open_training_data(f"coco:{tmp_path}", images=None, count=0)
    assert people.skeleton is COCO_SKELETON
    assert people.records[0].area == 700.0
    assert people[0].image.shape == (60, 50, 3)
    assert Coco.splits(tmp_path) == ("train",)


@pytest.mark.parametrize(
    ("name", "folder", "people"), [("crowdpose", "crowdpose_mini", 4), ("coco", "coco_people", 86)]
)
def test_real_people_are_those_of_the_plain_file(pose_data, name, folder, people):
    path = pose_data / folder
    named = open_evaluation_data(f"{name}:{path}/annotations.json", images=str(path), count=0)
    plain = CocoKeypoints(path)
    assert len(named) == len(plain) == people
    assert named.skeleton.flip_pairs == plain.skeleton.flip_pairs
    for record, expected in zip(named.records, plain.records, strict=True):
        np.testing.assert_array_equal(record.keypoints, expected.keypoints)
        assert (record.image, record.area) == (expected.image, expected.area)
