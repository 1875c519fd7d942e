"""MPII: the nested structs of the release, the JSON lists, boxes and head sizes."""

import numpy as np
import pytest
from scipy.io import savemat

from python_models.data import MPII_SKELETON, AnnotationError, CocoKeypoints, Mpii
from python_models.errors import UserError
from python_models.sources import open_evaluation_data, open_training_data, open_validation_data
from tests.models.published_files import (
    mpii_entry,
    mpii_point,
    mpii_rect,
    write_images,
    write_json,
    write_mpii_release,
)

JOINTS = np.random.default_rng(3).uniform(5, 45, (16, 2)).round(1)


def whole_person(**fields):
    points = [mpii_point(joint, *JOINTS[joint]) for joint in range(16)]
    return mpii_rect(points, **fields)


def entry(image="000000012.jpg", labelled=None, **fields):
    return mpii_entry(image, JOINTS, np.ones(16) if labelled is None else labelled, **fields)


def write_lists(folder, train, valid):
    write_images(folder / "images" / person["image"] for person in [*train, *valid])
    write_json(folder / "annot" / "train.json", train)
    write_json(folder / "annot" / "valid.json", valid)
    return folder


def test_release_is_read_through_its_nested_structs(tmp_path):
    points = [mpii_point(9, 20, 10, []), mpii_point(0, 31.5, 50, 0), mpii_point(1, 30, 40, "1")]
    images = [
        ("000000001.jpg", 1, [mpii_rect(points), mpii_rect(None), whole_person(scale=0.5)]),
        ("000000002.jpg", 0, [mpii_rect(None)]),
        ("000000003.jpg", 1, []),
        ("000000004.jpg", 1, [whole_person()]),
    ]
    people = Mpii(write_mpii_release(tmp_path, images), split="train")
    assert [record.image_id for record in people.records] == [1, 1, 4]
    assert [record.annotation_id for record in people.records] == [1, 2, 3]
    first = people.records[0]
    assert first.visibility.tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(first.keypoints[[0, 1, 9]], [[30.5, 49], [29, 39], [19, 9]])
    np.testing.assert_allclose(people.records[2].keypoints, JOINTS - 1, atol=1e-5)
    assert people.skeleton is MPII_SKELETON
    assert people[2].image.shape == (60, 50, 3)


def test_head_size_is_six_tenths_of_the_diagonal_of_the_head_box(tmp_path):
    people = Mpii(write_mpii_release(tmp_path, [("1.jpg", 1, [whole_person()])]), split="train")
    assert people.records[0].head_size == pytest.approx(0.6 * 5)


def test_box_is_the_square_of_the_published_crops(tmp_path):
    """200 px times the scale, the centre moved down by 15 times the scale; area from the joints."""
    people = Mpii(write_mpii_release(tmp_path, [("1.jpg", 1, [whole_person()])]), split="train")
    (record,) = people.records
    np.testing.assert_allclose(record.box_xywh, [25 - 1 - 20, 30 - 1 + 3 - 20, 40, 40])
    extent = np.ptp(JOINTS, axis=0)
    assert record.area == pytest.approx(0.53 * np.prod(extent + 0.2 * extent.max()))


def test_what_the_release_does_not_know_is_left_empty(tmp_path):
    """Empty scale, place and head box, as in parts of the release: the box is that of the joints."""
    unknown = whole_person(scale=[], objpos=[], x1=[], y1=[], x2=[], y2=[])
    people = Mpii(write_mpii_release(tmp_path, [("1.jpg", 1, [unknown])]), split="train")
    (record,) = people.records
    assert record.head_size is None
    extent = np.ptp(JOINTS, axis=0)
    np.testing.assert_allclose(record.box_xywh[2:], extent + 0.2 * extent.max(), atol=1e-4)


def test_lists_are_read_with_their_split(tmp_path):
    missing = np.ones(16)
    missing[[0, 5]] = 0
    write_lists(tmp_path, [entry(), entry(labelled=missing)], [entry("000000077.jpg")])
    train, val = Mpii(tmp_path, split="train"), Mpii(tmp_path, split="val")
    assert [record.image_id for record in train.records] == [12, 12]
    assert [record.image_id for record in val.records] == [77]
    np.testing.assert_allclose(train.records[0].keypoints, JOINTS - 1, atol=1e-5)
    assert train.records[1].visibility.tolist() == (2 * missing).tolist()
    assert (train.records[1].keypoints[[0, 5]] == 0).all()
    np.testing.assert_allclose(train.records[0].box_xywh, [4, 12, 40, 40])
    assert val.records[0].head_size is None


def test_person_of_a_list_without_centre_gets_the_box_of_the_joints(tmp_path):
    write_lists(tmp_path, [entry(center=[-1, -1], scale=-1)], [])
    (record,) = Mpii(tmp_path, split="train").records
    assert record.box_xywh[0] == pytest.approx(JOINTS[:, 0].min() - 1 - 0.1 * np.ptp(JOINTS, axis=0).max())


def test_head_sizes_of_the_validation_list_come_from_gt_valid(tmp_path):
    write_lists(tmp_path, [entry()], [entry(), entry("000000077.jpg")])
    boxes = np.zeros((2, 2, 2))
    boxes[:, :, 0] = [[10, 10], [13, 14]]  # corners x1 y1, x2 y2
    boxes[:, :, 1] = [[10, 10], [22, 26]]
    savemat(tmp_path / "annot" / "gt_valid.mat", {"headboxes_src": boxes})
    sizes = [record.head_size for record in Mpii(tmp_path, split="val").records]
    assert sizes == pytest.approx([3.0, 12.0])
    savemat(tmp_path / "annot" / "gt_valid.mat", {"headboxes_src": boxes[:, :, :1]})
    with pytest.raises(
        AnnotationError, match=r"gt_valid\.mat: variable 'headboxes_src': expected shape \(2, 2, 2\)"
    ):
        Mpii(tmp_path, split="val")


def test_head_sizes_of_the_validation_list_come_from_the_release_by_place(tmp_path):
    moved = whole_person(x2=22.0, y2=26.0, objpos={"x": 40.0, "y": 8.0})
    write_mpii_release(tmp_path, [("000000012.jpg", 1, [whole_person(), moved])])
    write_lists(tmp_path, [entry()], [entry(center=[40.0, 8.0]), entry(), entry(center=[3.0, 3.0])])
    sizes = [record.head_size for record in Mpii(tmp_path, split="val").records]
    assert sizes == [pytest.approx(12.0), pytest.approx(3.0), None]


def test_lists_go_before_the_release(tmp_path):
    write_mpii_release(tmp_path, [("000000012.jpg", 1, [whole_person()])])
    assert Mpii.splits(tmp_path) == ("train",)
    data = f"mpii:{tmp_path}"
    assert open_validation_data(data, None, images=None, count=0) is None
    assert len(open_evaluation_data(data, images=None, count=0)) == 1
    write_lists(tmp_path, [entry(), entry()], [entry(), entry(), entry()])
    assert len(open_training_data(data, images=None, count=0)) == 2
    assert len(open_validation_data(data, None, images=None, count=0)) == 3
    assert len(open_evaluation_data(f"{data}/annot/valid.json", images=None, count=0)) == 3
    assert len(open_training_data(f"{data}/mpii_human_pose_v1_u12_1.mat", images=None, count=0)) == 1


def test_a_file_that_is_named_serves_for_training_and_scoring_alike(tmp_path):
    write_lists(tmp_path, [entry()], [entry(), entry()])
    for name, count in (("train", 1), ("valid", 2)):
        data = f"mpii:{tmp_path}/annot/{name}.json"
        assert len(open_training_data(data, images=None, count=0)) == count
        assert len(open_evaluation_data(data, images=None, count=0)) == count
        assert open_validation_data(data, None, images=None, count=0) is None
    (tmp_path / "annot" / "train.json").unlink()
    with pytest.raises(UserError, match="has no people for 'train'; it has val"):
        open_training_data(f"mpii:{tmp_path}", images=None, count=0)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"joints": [[1, 2]]}, r"entry 1: field 'joints': expected shape \(16, 2\), got \(1, 2\)"),
        ({"joints": "none"}, r"entry 1: field 'joints': expected numbers, shape \(16, 2\), got 'none'"),
        ({"joints_vis": [2] * 16}, "entry 1: field 'joints_vis': every value must be 0 or 1"),
        ({"center": [1, None]}, "entry 1: field 'center'"),
        ({"image": "first.jpg"}, "entry 1: field 'image': expected a name made of digits, got 'first.jpg'"),
    ],
)
def test_faults_of_a_list_are_told(tmp_path, fields, sentence):
    write_lists(tmp_path, [entry(), entry(**fields)], [])
    with pytest.raises(AnnotationError, match=r"train\.json: " + sentence):
        Mpii(tmp_path, split="train")


@pytest.mark.parametrize(
    ("point", "sentence"),
    [
        (
            mpii_point(16, 1, 1),
            r"point\(2\): field 'id': expected 0 to 15, got 16",
        ),
        (mpii_point(1, np.nan, 1), r"point\(2\): field 'x': expected a finite number, got nan"),
        ({**mpii_point(1, 1, 1), "y": "up"}, r"point\(2\): field 'y': expected a number, got 'up'"),
    ],
)
def test_faults_of_the_release_are_told(tmp_path, point, sentence):
    images = [("1.jpg", 1, []), ("2.jpg", 1, [mpii_rect([mpii_point(0, 1, 1), point])])]
    write_mpii_release(tmp_path, images)
    with pytest.raises(
        AnnotationError, match=r"u12_1\.mat: annolist\(2\)\.annorect\(1\)\.annopoints\." + sentence
    ):
        Mpii(tmp_path, split="train")


def test_faults_of_the_folder_are_told(tmp_path):
    with pytest.raises(AnnotationError, match=r"holds no annot/train\.json and no .*u12_1\.mat"):
        Mpii(tmp_path, split="train")
    write_lists(tmp_path, [entry()], [])
    (tmp_path / "images" / "000000012.jpg").unlink()
    with pytest.raises(AnnotationError, match=r"train\.json: images: no such file .*000000012\.jpg"):
        Mpii(tmp_path, split="train")
    write_json(tmp_path / "annot" / "train.json", {})
    with pytest.raises(AnnotationError, match="expected a JSON list, got a dict"):
        Mpii(tmp_path, split="train")


def test_real_people_are_the_same_in_the_list_and_in_coco_form(tmp_path, pose_data):
    """The sample's joints are the list's less 1; its boxes are not moved down and end at the image."""
    real = CocoKeypoints(pose_data / "mpii_mini")
    sources = real.to_coco()["annotations"]
    entries = []
    for record, source in zip(real.records, sources, strict=True):
        centre, scale = source["center"], source["scale"]
        labelled = (record.visibility > 0).astype(np.float64)
        joints = np.float64(record.keypoints) + 1
        entries.append(mpii_entry(f"{record.image_id:09d}.jpg", joints, labelled, center=centre, scale=scale))
    write_json(tmp_path / "annot" / "train.json", entries)
    people = Mpii(tmp_path, pose_data / "mpii_mini" / "images", split="train")
    assert people.skeleton.joint_names == real.skeleton.joint_names
    for record, expected, source in zip(people.records, real.records, sources, strict=True):
        np.testing.assert_allclose(record.keypoints, expected.keypoints, atol=1e-3)
        np.testing.assert_array_equal(record.visibility, expected.visibility)
        middle = record.box_xywh[:2] + record.box_xywh[2:] / 2
        np.testing.assert_allclose(middle + 1 - (0, 15 * source["scale"]), source["center"], atol=1e-3)
        assert people.load_image(record).shape == real.load_image(expected).shape
