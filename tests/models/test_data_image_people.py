"""Data sets seen image by image: who is in an image, what does not count, and the batch that a network sees."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from python_models.data import (
    COCO_SKELETON,
    OPENPOSE_18_SKELETON,
    Augmentation,
    CocoKeypoints,
    GeneratedCrowds,
    ImagePeople,
    PeopleBatch,
    PeoplePreparer,
    PoseLoader,
    Skeleton,
)
from python_models.data.regions import Region
from python_models.errors import UserError
from tests.models.tiny import STILL
from tests.models.tiny_crowds import CHAIN, COLOURS, HEIGHT, WIDTH, TwoPeople


def test_every_image_comes_once_with_all_its_people():
    crowds = GeneratedCrowds(1, 5)
    images = ImagePeople(crowds)
    assert [record.image for record in images.records] == list(range(5))
    assert [number for own in images.members for number in own] == list(range(len(crowds)))
    people = images.people(2)
    own = [record for record in crowds.records if record.image == 2]
    np.testing.assert_array_equal(people.keypoints, [record.keypoints for record in own])
    np.testing.assert_array_equal(people.visibility, [record.visibility for record in own])
    np.testing.assert_array_equal(images[2].image, crowds.load_image(own[-1]))


def test_the_neck_lies_between_shoulders_that_are_labelled():
    crowds = GeneratedCrowds(1, 20, 1.0)
    given, made = ImagePeople(crowds).people(3), ImagePeople(crowds, OPENPOSE_18_SKELETON).people(3)
    names = OPENPOSE_18_SKELETON.joint_names
    for joint, name in enumerate(COCO_SKELETON.joint_names):
        assert torch.equal(made.keypoints[:, names.index(name)], given.keypoints[:, joint])
    both = (given.visibility[:, 5] > 0) & (given.visibility[:, 6] > 0)
    assert torch.equal(made.visibility[:, 1] > 0, both)
    middle = (given.keypoints[:, 5] + given.keypoints[:, 6]) / 2
    torch.testing.assert_close(made.keypoints[both, 1], middle[both])
    with pytest.raises(UserError, match="do not follow from those of the data, left_shoulder"):
        ImagePeople(TwoPeople(1), OPENPOSE_18_SKELETON)


def coco_file(folder: Path) -> Path:
    """One labelled person, a crowd with run lengths, somebody without joints with an outline, and one with a box."""
    cv2.imwrite(str(folder / "1.png"), np.full((40, 60, 3), 90, np.uint8))
    crowd = np.zeros((40, 60), int)
    crowd[5:15, 40:55] = 1
    flat = crowd.T.ravel()
    changes = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *changes, flat.size]).tolist()
    nobody = {"image_id": 1, "category_id": 1, "area": 9.0, "keypoints": [0, 0, 0] * 3}
    annotations = [
        {**nobody, "id": 1, "bbox": [2, 2, 10, 10], "keypoints": [3, 3, 2, 9, 3, 2, 6, 9, 2]},
        {
            **nobody,
            "id": 2,
            "iscrowd": 1,
            "bbox": [40, 5, 15, 10],
            "segmentation": {"size": [40, 60], "counts": runs},
        },
        {**nobody, "id": 3, "bbox": [20, 20, 9, 9], "segmentation": [[20, 20, 28, 20, 28, 28, 20, 28]]},
        {**nobody, "id": 4, "bbox": [0, 30, 10, 9]},
    ]
    category = {"id": 1, "name": "chain", "keypoints": list(CHAIN.joint_names), "skeleton": [[1, 3], [3, 2]]}
    images = [{"id": 1, "file_name": "1.png", "height": 40, "width": 60}]
    path = folder / "annotations.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [category]}))
    return path


def test_crowds_and_people_without_joints_do_not_count(tmp_path: Path):
    images = ImagePeople(CocoKeypoints(coco_file(tmp_path)))
    mask = np.zeros((40, 60), np.uint8)
    for region in images.ignored(0):
        region.paint(mask)
    wanted = np.zeros((40, 60), np.uint8)
    wanted[5:15, 40:55] = wanted[20:29, 20:29] = wanted[30:40, 0:11] = 1
    np.testing.assert_array_equal(mask, wanted)
    prepare = PeoplePreparer(images, size=(80, 120))
    batch = prepare([images[0]])
    assert batch.people.counted.shape == (1, 20, 30)
    expected = cv2.resize(1.0 - wanted, (30, 20), interpolation=cv2.INTER_AREA) == 1.0
    agree = (batch.people.counted[0].numpy() == expected).mean()
    assert agree > 0.93  # cells that lie partly in a region fall to either side
    flipped = PeoplePreparer(
        images, size=(80, 120), augmentation=Augmentation(**{**vars(STILL), "flip_probability": 1.0})
    )
    mirrored = flipped([images[0]], torch.Generator().manual_seed(0)).people.counted[0]
    assert (mirrored.flip(1) == batch.people.counted[0]).float().mean() > 0.93


def test_a_mask_that_is_not_understood_is_its_box():
    packed = Region.of({"bbox": [1, 2, 3, 4], "segmentation": {"size": [9, 9], "counts": "PXo1"}})
    wrong = Region.of({"bbox": [1, 2, 3, 4], "segmentation": {"size": [9, 9], "counts": [5, 5]}})
    masks = [np.zeros((9, 9), np.uint8) for _ in range(2)]
    for region, mask in zip((packed, wrong), masks, strict=True):
        region.paint(mask)
    assert masks[0].sum() == 20 and np.array_equal(*masks)


def prepared(count: int, augmentation: Augmentation | None, seed: int = 0, **options) -> PeopleBatch:
    images = ImagePeople(TwoPeople(count))
    samples = [images[index] for index in range(count)]
    prepare = PeoplePreparer(
        images, size=(64, 128), augmentation=augmentation, mean=(0, 0, 0), std=(1, 1, 1), **options
    )
    return prepare(samples, torch.Generator().manual_seed(seed))


WILD = Augmentation(
    scale=0.3, rotation_deg=60.0, rotation_probability=1.0, brightness=0.0, tint=0.0, offset=0.0
)


@pytest.mark.parametrize("augmentation", [None, STILL, WILD])
def test_boxes_go_where_the_people_go(augmentation: Augmentation | None):
    """Four pixels around the joints, in the image; upright around what becomes of their corners."""
    batch, records = prepared(12, augmentation), TwoPeople(12).records
    for image, (affine, boxes) in enumerate(zip(batch.affines, batch.people.boxes, strict=True)):
        for record, box in zip(records[2 * image : 2 * image + 2], boxes.tolist(), strict=True):
            low, high = record.keypoints.min(0) - 4, record.keypoints.max(0) + 4
            corners = [affine.numpy() @ (x, y, 1) for x in (low[0], high[0]) for y in (low[1], high[1])]
            wanted = [*np.min(corners, axis=0), *np.ptp(corners, axis=0)]
            np.testing.assert_allclose(box, wanted, atol=1e-3)


@pytest.mark.parametrize("augmentation", [None, STILL, WILD])
def test_joints_lie_on_their_dots_whatever_is_drawn(augmentation: Augmentation | None):
    batch = prepared(12, augmentation)
    assert batch.images.shape == (12, 3, 64, 128) and batch.people.counted is None
    seen = 0
    for image, affine, keypoints, visibility in zip(
        batch.images, batch.affines, *batch.people[:2], strict=True
    ):
        mirrored = torch.linalg.det(affine[:, :2]) < 0  # left and right joints have traded places
        order = CHAIN.flip_order if mirrored else range(3)
        for person in range(2):
            for joint, (x, y) in enumerate(keypoints[person].tolist()):
                if visibility[person, joint]:
                    colour = torch.from_numpy(COLOURS[order[joint]]) / 255
                    assert (image[:, round(y), round(x)] - colour).abs().max() < 0.25
                    seen += 1
                else:
                    assert not (0 <= x <= 127 and 0 <= y <= 63)
    assert seen > 30


def test_without_augmentation_images_are_fitted_and_centred():
    batch = prepared(2, None)
    affine = batch.affines[0]
    assert affine[0, 0] == affine[1, 1] == 1.0 and HEIGHT == 64  # the height fits, the width has room
    assert affine[0, 2] == pytest.approx((128 - WIDTH) / 2)
    assert torch.equal(batch.people.visibility, torch.full((2, 2, 3), 2.0))


def test_the_same_generator_gives_the_same_batch_and_another_another():
    first, again, other = prepared(4, WILD), prepared(4, WILD), prepared(4, WILD, seed=1)
    assert torch.equal(first.images, again.images) and torch.equal(
        first.people.keypoints, again.people.keypoints
    )
    assert not torch.equal(first.people.keypoints, other.people.keypoints)


def test_translation_moves_images_by_up_to_its_share_of_the_longer_side():
    moved = prepared(12, replace(STILL, translation=0.25))
    still = prepared(12, STILL)
    shift = moved.affines[:, 0, 2] - still.affines[:, 0, 2]
    # affected by rounding only: no rotation, no scale
    assert shift.abs().max() <= 0.25 * WIDTH + 0.5 and shift.std() > 5


def test_images_differ_in_how_many_people_they_show():
    crowds = ImagePeople(GeneratedCrowds(3, 6))
    prepare = PeoplePreparer(crowds, size=(64, 96))
    (samples,) = PoseLoader(crowds, 6, training=False)
    batch = prepare(samples)
    counts = [len(own) for own in crowds.members]
    assert batch.people.keypoints.shape == (6, max(counts), 17, 2)
    assert [int((own.sum(1) > 0).sum()) for own in batch.people.visibility] == counts
    assert sum(1 for _ in batch.tensors()) == 6


def test_mirrors_need_partners_and_draws_a_generator():
    class OneSided(TwoPeople):
        def __init__(self) -> None:
            super().__init__(1)
            self.skeleton = Skeleton.from_names("odd", ("left_eye", "right_shoulder", "neck"), ())

    with pytest.raises(UserError, match="flip_probability: 'left_eye' has no partner"):
        PeoplePreparer(ImagePeople(OneSided()), size=(32, 32), augmentation=Augmentation())
    with pytest.raises(UserError, match="generator: needed"):
        PeoplePreparer(ImagePeople(TwoPeople(1)), size=(32, 32), augmentation=STILL)(
            [ImagePeople(TwoPeople(1))[0]]
        )


def test_ignored_regions_of_coco(pose_data: Path):
    people = CocoKeypoints(pose_data / "coco_people")
    left_out = people.left_out["crowd region"] + people.left_out["without a labelled joint"]
    assert sum(len(regions) for regions in people.ignored.values()) >= left_out > 0
