"""PoseTrack18: several videos, tracks, frames without labels, ignore regions."""

import numpy as np
import pytest

from pyposeops.metrics import COCOeval
from python_models.data import POSETRACK_SKELETON, AnnotationError, CocoKeypoints, ImagePeople, PoseTrack18
from python_models.sources import open_evaluation_data, open_training_data, open_validation_data
from tests.models.published_files import coco_content, coco_person, write_images, write_json

JOINTS = POSETRACK_SKELETON.joint_names


def frame(video, number, **fields):
    name = f"images/val/{video:06d}_mpii_test/{number:06d}.jpg"
    regions = {"ignore_regions_x": [[1, 2, 3]], "ignore_regions_y": [[4, 5, 6]]}
    return {"id": 10**10 + video * 10**4 + number, "file_name": name, "is_labeled": True, **regions, **fields}


def person(image, track, **fields):
    """A person as in the files: visibility 1 for every labelled joint."""
    entry = coco_person(image["id"] * 100 + track, image["id"], 17, track)
    entry["keypoints"] = [1 if index % 3 == 2 else value for index, value in enumerate(entry["keypoints"])]
    return {**entry, "track_id": track, "bbox_head": [10, 10, 3, 4], "scores": [], **fields}


def write_video(folder, images, people, split="val"):
    write_images(folder / image["file_name"] for image in images)
    name = f"{images[0]['file_name'].split('/')[2]}.json"
    return write_json(folder / "annotations" / split / name, coco_content(images, people, JOINTS))


@pytest.fixture
def videos(tmp_path):
    """Two videos; of the first, the second frame is not labelled."""
    frames = [frame(1, 0), frame(1, 1, is_labeled=False), frame(1, 2)]
    write_video(tmp_path, frames, [person(frames[0], 0), person(frames[1], 0), person(frames[2], 1)])
    other = frame(2, 0)
    write_video(tmp_path, [other], [person(other, 0)])
    return tmp_path


def test_people_of_all_videos_with_their_tracks(videos):
    people = PoseTrack18(videos, split="val")
    assert [(record.image_id, record.track_id) for record in people.records] == [
        (10000010000, 0),
        (10000010002, 1),
        (10000020000, 0),
    ]
    assert [record.annotation_id for record in people.records] == [1, 2, 3]
    first = people.records[0]
    assert first.head_size == pytest.approx(3.0)
    assert first.visibility.tolist() == [2] * 17
    assert first.area == pytest.approx(0.53 * 40 * 50)
    np.testing.assert_array_equal(first.box_xywh, [5, 5, 40, 50])
    assert people[0].image.shape == (60, 50, 3)


def test_labels_keep_ignore_regions_tracks_and_frames_without_people(tmp_path):
    frames = [frame(1, 0), frame(1, 1), frame(1, 2, is_labeled=False)]
    write_video(tmp_path, frames, [person(frames[0], 5)])
    labels = PoseTrack18(tmp_path, split="val").to_coco()
    assert [image["id"] for image in labels["images"]] == [frames[0]["id"], frames[1]["id"]]
    assert labels["images"][1]["ignore_regions_x"] == [[1, 2, 3]]
    assert labels["annotations"][0]["track_id"] == 5
    result = {**labels["annotations"][0], "score": 1.0}
    scoring = COCOeval(labels, [result], sigmas=POSETRACK_SKELETON.sigmas)
    scoring.evaluate()
    scoring.accumulate()
    assert scoring.figures()["AP"] == pytest.approx(1.0)


def test_ignore_regions_are_not_counted_in_whole_images(tmp_path):
    outline = {"ignore_regions_x": [[10, 20, 20, 10], [1, 2]], "ignore_regions_y": [[30, 30, 50, 50], [1, 2]]}
    frames = [frame(1, 0, **outline), frame(1, 1, ignore_regions_x=[0, 9, 9], ignore_regions_y=[0, 0, 9])]
    frames.append(frame(1, 2, ignore_regions_x=[], ignore_regions_y=[]))
    write_video(tmp_path, frames, [person(own, 5) for own in frames])
    data = ImagePeople(PoseTrack18(tmp_path, split="val"))
    assert [len(data.ignored(index)) for index in range(3)] == [1, 1, 0]
    mask = np.zeros((60, 50), np.uint8)
    data.ignored(0)[0].paint(mask)
    assert mask.sum() == 11 * 21 and mask[30:51, 10:21].all()
    np.testing.assert_array_equal(data.ignored(1)[0].box_xywh, [0, 0, 9, 9])
    other = tmp_path / "other"
    broken = frame(1, 0, ignore_regions_x=[[1, 2, 3]], ignore_regions_y=[[1, 2]])
    write_video(other, [broken], [person(broken, 1)])
    with pytest.raises(AnnotationError, match="ignore_regions_x and ignore_regions_y differ in length"):
        PoseTrack18(other, split="val")


def test_person_without_box_gets_that_of_the_joints(tmp_path):
    image = frame(1, 0)
    without = person(image, 0)
    del without["bbox"], without["bbox_head"]
    write_video(tmp_path, [image], [without, person(image, 1, keypoints=[])])
    people = PoseTrack18(tmp_path, split="val")
    (record,) = people.records
    extent = np.ptp(record.keypoints, axis=0)
    np.testing.assert_allclose(record.box_xywh[2:], extent + 0.2 * extent.max(), atol=1e-4)
    assert record.head_size is None
    assert people.left_out == {"without a labelled joint": 1}


def test_folder_of_videos_or_one_video_may_be_named(videos):
    data = f"posetrack18:{videos}"
    image = frame(7, 0)
    write_video(videos, [image], [person(image, 0)], split="train")
    assert len(open_training_data(data, images=None, count=0)) == 1
    assert len(open_validation_data(data, None, images=None, count=0)) == 3
    assert len(open_training_data(f"{data}/annotations/train", images=None, count=0)) == 1
    assert len(open_evaluation_data(f"{data}/annotations/val", images=None, count=0)) == 3
    one = f"{data}/annotations/val/000001_mpii_test.json"
    assert len(open_evaluation_data(one, images=None, count=0)) == 2


def test_faults_name_the_video(videos):
    image = frame(3, 0)
    path = write_video(videos, [image], [person(image, 0, keypoints=[1, 2, 1])])
    with pytest.raises(
        AnnotationError, match=r"000003_mpii_test\.json: annotations\[0\]: field 'keypoints': expect"
    ):
        PoseTrack18(videos, split="val")
    write_json(path, coco_content([frame(1, 0)], [], JOINTS))
    with pytest.raises(
        AnnotationError, match=r"000003_mpii_test\.json: images\[0\]: field 'id': .* is used twice"
    ):
        PoseTrack18(videos, split="val")
    write_json(path, coco_content([image], [person(frame(4, 0), 0)], JOINTS))
    with pytest.raises(
        AnnotationError, match=r"annotations\[0\]: field 'image_id': no image has id 10000040000"
    ):
        PoseTrack18(videos, split="val")
    write_json(path, coco_content([image], [person(image, 0)], reversed(JOINTS)))
    with pytest.raises(AnnotationError, match="field 'keypoints': expected the joints nose, head_bottom"):
        PoseTrack18(videos, split="val")


def test_faults_of_the_folder_are_told(tmp_path):
    with pytest.raises(AnnotationError, match=r"holds no annotations/val/\*\.json"):
        PoseTrack18(tmp_path, split="val")
    write_json(tmp_path / "annotations" / "val" / "a.json", "not yet read")
    with pytest.raises(AnnotationError, match="images: no such folder of images"):
        PoseTrack18(tmp_path, split="val")


def test_real_people_have_tracks_and_heads(pose_data):
    path = pose_data / "posetrack_mini" / "annotations.json"
    people = PoseTrack18(path, split="val")
    plain = CocoKeypoints(path)
    assert people.skeleton.flip_pairs == plain.skeleton.flip_pairs
    by_place = {tuple(record.keypoints.ravel()): record for record in people.records}
    for expected in plain.records:
        record = by_place[tuple(expected.keypoints.ravel())]
        np.testing.assert_array_equal(record.visibility > 0, expected.visibility > 0)
        np.testing.assert_array_equal(record.box_xywh, expected.box_xywh)
        assert record.area == pytest.approx(expected.area, rel=1e-3)
        assert record.track_id is not None
    assert any(image["ignore_regions_x"] for image in people.to_coco()["images"])
