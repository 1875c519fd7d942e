"""FLIC: which of the 29 joints are read, the split by flags, and the box."""

import numpy as np
import pytest
from scipy.io import savemat

from python_models.data import FLIC_SKELETON, AnnotationError, Flic
from python_models.sources import open_training_data, open_validation_data
from tests.models.published_files import flic_example, structs, write_flic


def test_the_eleven_annotated_joints_are_read(tmp_path):
    """The authors number from 1: shoulder, elbow, wrist of the left and right arm, hips 7 and 10, eyes 13 and 14,
    nose 17."""
    example = flic_example("film-00001.jpg", 1)
    example["coords"] = np.stack([np.arange(1.0, 30.0), 30 + np.arange(1.0, 30.0)])
    people = Flic(write_flic(tmp_path, [example]), split="train")
    (record,) = people.records
    numbers = record.keypoints[:, 0] + 1
    assert dict(zip(FLIC_SKELETON.joint_names, numbers.tolist(), strict=True)) == {
        **{"left_shoulder": 1, "left_elbow": 2, "left_wrist": 3},
        **{"right_shoulder": 4, "right_elbow": 5, "right_wrist": 6},
        **{"left_hip": 7, "right_hip": 10, "left_eye": 13, "right_eye": 14, "nose": 17},
    }
    np.testing.assert_array_equal(record.keypoints[:, 1], numbers + 29)
    assert people[0].image.shape == (60, 50, 3)


def test_joints_without_a_place_are_not_labelled(tmp_path):
    example = flic_example("film-00001.jpg", 1)
    example["coords"][:, 2] = np.nan
    (record,) = Flic(write_flic(tmp_path, [example]), split="train").records
    assert record.visibility.tolist() == [2, 2, 0, *[2] * 8]
    assert record.keypoints[2].tolist() == [0, 0]


def test_flags_make_the_split(tmp_path):
    examples = [flic_example(f"film-{number:05d}.jpg", number) for number in range(5)]
    examples[1] |= {"istrain": 0, "istest": 1}
    examples[3] |= {"istrain": 0, "istest": 0}
    data = f"flic:{write_flic(tmp_path, examples)}"
    assert [record.image_id for record in open_training_data(data, images=None, count=0).records] == [1, 3, 5]
    assert [record.image_id for record in open_validation_data(data, None, images=None, count=0).records] == [
        2
    ]


def test_box_holds_joints_and_torso_and_a_tenth_more(tmp_path):
    example = flic_example("film-00001.jpg", 1)
    example["coords"][:] = np.nan
    example["coords"][:, 0] = (5, 20)
    (record,) = Flic(write_flic(tmp_path, [example]), split="train").records
    # x from 5 to 40, y from 12 to 58 in MATLAB's pixels; the longer side is 46
    np.testing.assert_allclose(record.box_xywh, [4 - 4.6, 11 - 4.6, 35 + 9.2, 46 + 9.2], atol=1e-5)
    assert record.area == pytest.approx(0.53 * 44.2 * 55.2)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"coords": np.zeros((2, 28))}, r"field 'coords': expected shape \(2, 29\), got \(2, 28\)"),
        ({"coords": "none"}, "field 'coords': expected numbers, got 'none'"),
        ({"torsobox": np.zeros((1, 3))}, r"field 'torsobox': expected shape \(4,\), got \(3,\)"),
    ],
)
def test_faults_name_the_example_and_the_field(tmp_path, fields, sentence):
    write_flic(tmp_path, [flic_example("1.jpg", 1), flic_example("2.jpg", 2, **fields)])
    with pytest.raises(AnnotationError, match=r"examples\.mat: examples\(2\): " + sentence):
        Flic(tmp_path, split="train")


def test_missing_fields_and_images_are_told(tmp_path):
    example = flic_example("1.jpg", 1)
    write_flic(tmp_path, [example, flic_example("2.jpg", 2)])
    (tmp_path / "images" / "2.jpg").unlink()
    with pytest.raises(AnnotationError, match=r"images: no such file .*2\.jpg"):
        Flic(tmp_path, split="train")
    del example["istrain"]
    savemat(tmp_path / "examples.mat", {"examples": structs([example])})
    with pytest.raises(AnnotationError, match=r"examples\(1\): field 'istrain' is missing"):
        Flic(tmp_path, split="train")
    savemat(tmp_path / "examples.mat", {"examples": np.zeros(3)})
    with pytest.raises(AnnotationError, match=r"examples\(1\): field 'istrain' is missing"):
        Flic(tmp_path, split="train")
