"""AI Challenger: visibility by its own numbers, boxes from corners, several people to an image."""

import numpy as np
import pytest

from python_models.data import AIC_SKELETON, AiChallenger, AnnotationError
from python_models.sources import open_training_data, open_validation_data
from tests.models.published_files import aic_entry, write_images, write_json

TRAIN = "ai_challenger_keypoint_train_20170909"
VAL = "ai_challenger_keypoint_validation_20170911"
BOX = [4, 6, 44, 56]


def joints(flag=1):
    places = np.random.default_rng(2).integers(5, 45, (14, 2))
    return np.concatenate([places, np.full((14, 1), flag)], axis=1).astype(np.float64)


def write_aic(folder, train, val=()):
    write_images(folder / TRAIN / "keypoint_train_images_20170902" / f"{e['image_id']}.jpg" for e in train)
    write_json(folder / TRAIN / "keypoint_train_annotations_20170909.json", train)
    if val:
        write_images(
            folder / VAL / "keypoint_validation_images_20170911" / f"{e['image_id']}.jpg" for e in val
        )
        write_json(folder / VAL / "keypoint_validation_annotations_20170911.json", val)
    return folder


def test_visibility_box_and_area(tmp_path):
    labels = joints()
    labels[1, 2], labels[2, 2] = 2, 3
    entries = [
        aic_entry("a1", {"human1": (BOX, labels), "human2": (BOX, joints(3))}),
        aic_entry("b2", {"human1": (BOX, joints())}),
    ]
    people = AiChallenger(write_aic(tmp_path, entries), split="train")
    assert people.skeleton is AIC_SKELETON
    first, second = people.records
    assert first.visibility.tolist() == [2, 1, 0, *[2] * 11]
    np.testing.assert_array_equal(first.keypoints[:2], labels[:2, :2])
    assert first.box_xywh.tolist() == [4, 6, 40, 50]
    assert first.area == 40 * 50
    assert (first.image_id, second.image_id, second.annotation_id) == (1, 2, 3)
    assert people.left_out == {"without a labelled joint": 1}
    assert people[0].image.shape == (60, 50, 3)


def test_both_splits_or_one_folder_may_be_named(tmp_path):
    one, two = ([aic_entry(name, {"human1": (BOX, joints())}) for name in names] for names in ("a", "bc"))
    data = f"aic:{write_aic(tmp_path, one, two)}"
    assert len(open_training_data(data, images=None, count=0)) == 1
    assert len(open_validation_data(data, None, images=None, count=0)) == 2
    assert len(open_training_data(f"{data}/{TRAIN}", images=None, count=0)) == 1
    assert AiChallenger.splits(tmp_path / VAL) == ("val",)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"keypoint_annotations": {"human1": [1, 2, 1]}},
            r"entry 0, human1: field 'human1': expected shape \(42,\)",
        ),
        ({"keypoint_annotations": {"human1": [1, 2, 0] * 14}}, "every third value .* must be 1, 2 or 3"),
        (
            {"keypoint_annotations": []},
            r"entry 0: field 'keypoint_annotations': expected an object, got \[\]",
        ),
        ({"human_annotations": {}}, "entry 0, human1: field 'human1' is missing"),
    ],
)
def test_faults_name_entry_and_field(tmp_path, change, sentence):
    write_aic(tmp_path, [aic_entry("a", {"human1": (BOX, joints())}) | change])
    with pytest.raises(AnnotationError, match=r"20170909\.json: .*" + sentence):
        AiChallenger(tmp_path, split="train")
