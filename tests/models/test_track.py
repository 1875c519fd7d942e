"""The command that tracks: frames of videos and folders, boxes carried over by the flow, poses from files."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pyposeops.metrics import evaluate_posetrack
from python_models.__main__ import main
from python_models.data import GeneratedClip
from python_models.data.clips import noisy_poses
from python_models.draw import person_colour
from python_models.errors import UserError
from python_models.files import save_checkpoint
from python_models.frame_people import InBoxes, ListedBoxes
from python_models.frames import Frame, FrameSource
from python_models.given_poses import GivenPoses
from python_models.methods import Method
from python_models.model_card import ModelCard
from python_models.people import People
from python_models.track import follow, track
from python_models.tracking import PoseTracker
from python_models.tracks import FrameTracks, draw_tracks, posetrack_content
from python_models.video import VideoReader, VideoWriter
from tests.models.tiny import DOTS, TINY_OPTIONS

FRAMES = 24


@pytest.fixture(scope="module")
def clip() -> GeneratedClip:
    return GeneratedClip(3, frames=FRAMES, people=2, overlap=0.0, joints="posetrack18")


@pytest.fixture(scope="module")
def folder(clip: GeneratedClip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The frames as images, from 000000.png."""
    path = tmp_path_factory.mktemp("images") / "walk"
    path.mkdir()
    for frame in range(clip.frames):
        cv2.imwrite(str(path / f"{frame:06d}.png"), clip.paint(frame)[..., ::-1])
    return path


@pytest.fixture(scope="module")
def video(clip: GeneratedClip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "walk.mp4"
    with VideoWriter(path, 12.0) as writer:
        for frame in range(clip.frames):
            writer.add(clip.paint(frame))
    return path


@pytest.fixture
def weights(tmp_path: Path) -> str:
    card = ModelCard("pose_resnet18", (32, 32), DOTS, options=TINY_OPTIONS)
    content = {"card": card.to_dict(), "state_dict": card.create().state_dict()}
    return str(save_checkpoint(tmp_path / "best.pt", content))


def write(path: Path, content: object) -> str:
    path.write_text(json.dumps(content))
    return str(path)


def truth_of(clip: GeneratedClip) -> dict:
    """The clip's labels, under the names of the fixture's images."""
    content = clip.to_posetrack()
    for image in content["images"]:
        image["file_name"] = f"walk/{int(image['id']) - 1:06d}.png"
    return content


def results_of(clip: GeneratedClip, name: str, *, frames: bool) -> list[dict]:
    """Noisy poses as `predict` writes them."""
    return [
        {
            "image_id": frame,
            "file_name": name if frames else f"{frame:06d}.png",
            "category_id": 1,
            "keypoints": np.concatenate([joints, scores[:, None]], 1).ravel().tolist(),
            "score": 0.9,
        }
        | ({"frame": frame} if frames else {})
        for frame, found in enumerate(noisy_poses(clip, 0.05))
        for joints, scores in zip(found.keypoints, found.scores, strict=True)
    ]


class Looked:
    """A finder that finds the joints of a clip's people whose boxes it is given, and remembers the boxes."""

    def __init__(self, clip: GeneratedClip) -> None:
        self.clip, self.boxes, self.frame = clip, [], 0

    def __call__(self, images, boxes):
        (given,) = boxes
        self.boxes.append(given)
        people = self.clip.people_in(self.frame)
        self.frame += 1
        middles = given[:, :2] + given[:, 2:4] / 2
        nearest = [
            min(people, key=lambda person: np.hypot(*(middle.numpy() - person.keypoints.mean(0))))
            for middle in middles
        ]
        joints = torch.from_numpy(np.stack([person.keypoints for person in nearest]))
        sure = torch.full(joints.shape[:2], 0.9)
        return [People(joints, sure, sure.mean(1), given[:, :4])]


def boxes_of(clip: GeneratedClip, frames: range) -> list[dict]:
    return [
        {
            "image_id": frame,
            "file_name": f"{frame:06d}.png",
            "bbox": person.box_xywh.tolist(),
            "category_id": 1,
        }
        for frame in frames
        for person in clip.people_in(frame)
    ]


def test_given_poses_of_a_folder_are_tracked_and_scored_by_posetrack(clip, folder, tmp_path, capsys):
    truth, poses = truth_of(clip), write(tmp_path / "predictions.json", results_of(clip, "", frames=False))
    out = tmp_path / "out"
    arguments = ["track", str(folder), "--poses", poses, "--skeleton", "posetrack18", "--out", str(out)]
    assert main([*arguments, "--flow", "lk", "--matching", "hungarian"]) == 0
    assert "2 people in 24 frames (poses of" in capsys.readouterr().out
    results = json.loads((out / "tracks.json").read_text())
    assert {path.name for path in out.iterdir()} == {"tracks.json", "walk_tracks.mp4"}
    figures = evaluate_posetrack([truth], [results])
    assert figures.mota.mean == 1.0 and figures.ap.mean == 1.0 and figures.mota.switches.sum() == 0
    assert len(list(VideoReader(out / "walk_tracks.mp4"))) == FRAMES


def test_people_who_are_not_tracked_are_not_written(clip, folder, tmp_path):
    found = results_of(clip, "", frames=False)
    for person in found[::2]:
        person["keypoints"][2::3] = [0.39] * clip.skeleton.num_joints
    poses = write(tmp_path / "poses.json", found)
    results = track(
        video=str(folder), poses=poses, skeleton="posetrack18", out=str(tmp_path / "out"), draw=False
    )
    assert len(results["annotations"]) == FRAMES and len(found) == 2 * FRAMES
    assert all(person["track_id"] >= 0 for person in results["annotations"])


def test_poses_of_a_video_belong_to_its_frames(clip, video, tmp_path):
    poses = write(tmp_path / "poses.json", results_of(clip, "walk.mp4", frames=True))
    results = track(video=str(video), poses=poses, skeleton="posetrack18", out=str(tmp_path / "out"))
    assert [image["frame"] for image in results["images"]] == list(range(FRAMES))
    assert evaluate_posetrack([clip.to_posetrack()], [results]).mota.mean == 1.0
    assert VideoReader(tmp_path / "out" / "walk_tracks.mp4").rate == pytest.approx(12.0)
    found, out = str(tmp_path / "out" / "tracks.json"), tmp_path / "again"
    again = track(video=str(video), poses=found, out=str(out), draw=False)
    assert again == results  # what was tracked is tracked again
    assert [path.name for path in out.iterdir()] == ["tracks.json"]


def test_annotations_keep_their_image_ids_and_unlabelled_joints_are_not_found(clip, folder, tmp_path):
    truth = truth_of(clip)
    for image in truth["images"]:
        image["id"] += 1000
    for person in truth["annotations"]:
        person["image_id"] += 1000
        person["keypoints"][9:15] = [0.0] * 6  # ears
    results = track(
        video=str(folder), poses=write(tmp_path / "truth.json", truth), out=str(tmp_path / "out"), draw=False
    )
    assert [image["id"] for image in results["images"]] == [1001 + n for n in range(FRAMES)]
    assert all(person["keypoints"][9:15] == [0.0] * 6 for person in results["annotations"])
    assert {score for person in results["annotations"] for score in person["scores"]} == {0.0, 1.0}
    assert evaluate_posetrack([truth], [results]).mota.mean == 1.0


def test_boxes_of_the_first_frame_are_carried_on_by_the_flow(clip, folder, tmp_path):
    boxes = write(tmp_path / "boxes.json", boxes_of(clip, range(1)))
    source, finder = FrameSource(folder), Looked(clip)
    own = ListedBoxes(source, boxes, category_id=1, min_score=0.0)
    people = InBoxes(finder, own, clip.skeleton, overlap=0.5, similarity=0.9)
    tracked = [found for _, found in follow(source, people, PoseTracker(clip.skeleton.sigmas))]
    assert [found.ids.tolist() for found in tracked] == [[0, 1]] * FRAMES
    for frame in range(1, FRAMES):
        low, extent = finder.boxes[frame].numpy()[:, :4].reshape(2, 2, 2).transpose(1, 0, 2)
        for person in clip.people_in(frame):
            middle = person.keypoints.mean(0)
            assert ((low < middle) & (middle < low + extent)).all(1).any()


def test_one_of_two_boxes_of_a_person_stays(clip, folder, tmp_path):
    boxes = write(tmp_path / "boxes.json", boxes_of(clip, range(FRAMES)))
    source, finder = FrameSource(folder), Looked(clip)
    own = ListedBoxes(source, boxes, category_id=1, min_score=0.0)
    people = InBoxes(finder, own, clip.skeleton, overlap=0.3, similarity=0.9)
    for _, found in follow(source, people, PoseTracker(clip.skeleton.sigmas)):
        assert len(found.ids) == 2
    assert all((given[:, 4] == 1).all() for given in finder.boxes)  # the given ones, which score more


def test_of_two_poses_of_a_person_one_stays(clip, folder):
    class Twice:
        origin, image_ids = "here", {}

        def boxes_in(self, frame):
            x, y, width, height = clip.people_in(frame.number)[0].box_xywh.tolist()
            return torch.tensor([[x, y, width, height, 1], [x + 0.7 * width, y, width, height, 1]])

    frame = next(iter(FrameSource(folder)))
    for similarity, count in ((0.9, 1), (1.0, 2)):
        people = InBoxes(Looked(clip), Twice(), clip.skeleton, overlap=0.5, similarity=similarity)
        assert len(people.people_in(frame, np.zeros((0, 5), np.float32)).keypoints) == count


def test_a_network_tracks_from_the_command_line(folder, weights, tmp_path, capsys):
    boxes = write(
        tmp_path / "boxes.json", {"000000.png": [[60, 30, 50, 100]], "000003.png": [[70, 30, 50, 100]]}
    )
    options = ["--boxes", boxes, "--min-joint-score", "-10", "--accelerator", "cpu", "--rate", "5"]
    assert main(["track", str(folder), "--weights", weights, "--out", str(tmp_path / "out"), *options]) == 0
    results = json.loads((tmp_path / "out" / "tracks.json").read_text())
    assert len(results["images"]) == FRAMES and results["categories"][0]["keypoints"] == list(
        DOTS.joint_names
    )
    assert {person["image_id"] for person in results["annotations"]} >= {1, 4}
    assert [image["id"] for image in results["images"]] == list(range(1, FRAMES + 1))
    assert VideoReader(tmp_path / "out" / "walk_tracks.mp4").rate == pytest.approx(5.0)


class TwoWalkers:
    """Stands for a network of whole images: the people of a clip, in another order in each frame."""

    def __init__(self, clip: GeneratedClip) -> None:
        self.found = noisy_poses(clip, 0.05)

    def __call__(self, images, boxes):
        assert len(images) == 1 and boxes == [None]
        poses = next(self.found)
        scores = torch.from_numpy(poses.scores)
        return [People(torch.from_numpy(poses.keypoints), scores, scores.mean(1))]


def test_people_of_whole_images_are_tracked_without_boxes(clip, folder, tmp_path, monkeypatch):
    way = Method(lambda network, card, settings: TwoWalkers(clip), ("*",))
    card = ModelCard("openpose_body_coco", (64, 64), clip.skeleton)
    monkeypatch.setattr("python_models.track.load_model", lambda path, model: (torch.nn.Identity(), card))
    monkeypatch.setattr("python_models.track.method_for", lambda name, model: way)
    results = track(video=str(folder), weights="unread.pt", out=str(tmp_path), draw=False, accelerator="cpu")
    assert evaluate_posetrack([clip.to_posetrack()], [results]).mota.mean == 1.0
    assert all(len(person["bbox"]) == 4 and person["bbox"][2] > 10 for person in results["annotations"])
    with pytest.raises(UserError, match="finds people in whole images; leave them out"):
        track(video=str(folder), weights="unread.pt", boxes="b.json", out=str(tmp_path), accelerator="cpu")


def test_boxes_of_a_detector_are_used_and_given_ones_refused(clip, folder, weights, tmp_path, monkeypatch):
    class Found:
        def __init__(self, name, weights, *, device, min_score):
            assert (name, weights, min_score) == ("fixed", None, 0.5)
            self.frame = -1

        def __call__(self, images):
            self.frame += 1
            return [[(*person.box_xywh.tolist(), 0.8) for person in clip.people_in(self.frame)]]

    monkeypatch.setattr("python_models.track.Detector", Found)
    options = {
        "video": str(folder),
        "weights": weights,
        "detector": "fixed",
        "accelerator": "cpu",
        "draw": False,
    }
    results = track(**options, flow="none", min_joint_score=-10.0, out=str(tmp_path / "out"))
    boxes = {tuple(person["bbox"]) for person in results["annotations"] if person["image_id"] == 1}
    assert boxes == {tuple(np.round(person.box_xywh.astype(float), 3)) for person in clip.people_in(0)}
    with pytest.raises(UserError, match="finds the boxes itself"):
        track(**options, boxes="b.json", out=str(tmp_path / "no"))
    assert not (tmp_path / "no").exists()


def test_each_id_has_its_colour():
    image = np.full((120, 160, 3), 128, np.uint8)
    joints = np.float32(
        [[[20, 40], [20, 100], [50, 40], [50, 100]], [[100, 40], [100, 100], [140, 40], [140, 100]]]
    )
    for ids in ([3, 8], [8, 3]):
        found = FrameTracks(
            1, "a", np.array(ids), joints, np.ones((2, 4), np.float32), np.zeros((2, 4), np.float32)
        )
        picture = draw_tracks(image, found, DOTS)
        for column, id in zip((20, 140), ids, strict=True):
            assert np.abs(picture[70, column] - np.array(person_colour(id))).max() < 25  # smooth edges
    assert (image == 128).all()


def test_joints_that_score_low_are_not_written():
    scores = np.float32([[0.9, 0.39, np.nan, 0.4]])
    found = FrameTracks(
        7, "a.png", np.array([5]), np.full((1, 4, 2), 3.0, np.float32), scores, np.ones((1, 4), np.float32)
    )
    content = posetrack_content([found], DOTS, video="a")
    (person,) = content["annotations"]
    assert person["keypoints"] == [3, 3, 0.9, 0, 0, 0, 0, 0, 0, 3, 3, 0.4] and person["track_id"] == 5
    assert person["scores"] == [0.9, 0.39, 0.0, 0.4]
    assert content["images"] == [{"id": 7, "frame_id": 7, "vid_id": "a", "file_name": "a.png"}]
    json.dumps(content, allow_nan=False)


def test_frames_of_a_folder_come_in_the_order_of_their_names(tmp_path):
    for name, shade in (("b.png", 2), ("a.png", 1), ("c.JPG", 3)):
        cv2.imwrite(str(tmp_path / name), np.full((40, 50, 3), shade, np.uint8))
    (tmp_path / "notes.txt").write_text("no frame")
    frames = list(FrameSource(tmp_path))
    assert [frame.path.name for frame in frames] == ["a.png", "b.png", "c.JPG"]
    assert [frame.number for frame in frames] == [0, 1, 2] and frames[1].image[0, 0, 0] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "weights, poses: expected one of them"),
        ({"poses": "p.json", "weights": "w.pt"}, "weights, poses: expected one of them"),
        ({"poses": "none.json"}, "poses none.json: no such file"),
        ({"poses": "p.json", "boxes": "b.json"}, "given poses need none"),
        ({"weights": "w.pt", "rate": 0.0}, "rate: expected frames per second"),
        ({"weights": "w.pt", "box_overlap": 1.5}, "box_overlap: expected a number from 0 to 1"),
        ({"weights": "w.pt", "queue_length": 0}, "queue_length: expected 1 or more"),
        ({"weights": "w.pt", "flow": "dis"}, "flow 'dis' is not known"),
        ({"weights": "w.pt", "batch_size": 0}, "batch_size: expected 1 or more"),
        ({"weights": "none.pt"}, "none.pt"),
    ],
)
def test_wrong_options_are_named_before_anything_is_written(folder, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        track(video=str(folder), out=str(tmp_path / "out"), **options)
    assert not (tmp_path / "out").exists()


def test_a_file_where_the_folder_would_be_is_named_before_weights_are_read(folder, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UserError, match=r"out .*out: expected a folder, got a file"):
        track(video=str(folder), weights="none.pt", out=str(tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "holds no poses"),
        ('[{"image_id": 1, "file_name": "000000.png", "bbox": [0, 0, 9, 9]}]', "holds no poses"),
        ("[1, 2]", "expected COCO or PoseTrack annotations"),
        (
            '[{"image_id": 1, "file_name": "x.png", "keypoints": [1, 2, 1]}]',
            "--skeleton says what its 1 joints are",
        ),
        (
            json.dumps([{"image_id": 1, "file_name": "x.png", "keypoints": [1] * 51}]),
            "none of its poses belongs",
        ),
        (
            json.dumps(
                [
                    {"image_id": 1, "file_name": "000000.png", "keypoints": [1] * 51},
                    {"image_id": 1, "file_name": "000000.png", "keypoints": [1] * 48},
                ]
            ),
            "keypoints",
        ),
        (
            json.dumps([{"image_id": 1, "file_name": "000000.png", "keypoints": [1e999] * 51}]),
            "finite numbers",
        ),
        (
            json.dumps([{"image_id": 1, "file_name": "000000.png", "keypoints": [1] * 51, "scores": [1]}]),
            "scores",
        ),
    ],
)
def test_a_malformed_file_of_poses_is_named(folder, tmp_path, content, message):
    (tmp_path / "poses.json").write_text(content)
    with pytest.raises(UserError, match=message) as error:
        GivenPoses(tmp_path / "poses.json", FrameSource(folder))
    assert "poses.json" in str(error.value)


def test_frames_that_do_not_fit_are_named(tmp_path):
    with pytest.raises(UserError, match="no such video file or folder of images"):
        FrameSource(tmp_path / "none")
    with pytest.raises(UserError, match="holds no image"):
        FrameSource(tmp_path)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 50, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((40, 60, 3), np.uint8))
    with pytest.raises(UserError, match=r"b\.png: expected the size of the first frame, 50x40, got 60x40"):
        list(FrameSource(tmp_path))
    (tmp_path / "b.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"b\.png: cannot be decoded"):
        list(FrameSource(tmp_path))


def test_a_run_that_fails_half_way_leaves_no_file(clip, folder, tmp_path):
    poses = write(tmp_path / "poses.json", results_of(clip, "", frames=False))
    broken = shutil.copytree(folder, tmp_path / "walk")
    (broken / "000004.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="cannot be decoded"):
        track(video=str(broken), poses=poses, skeleton="posetrack18", out=str(tmp_path / "out"))
    assert list((tmp_path / "out").iterdir()) == []


def test_the_labelled_mouse_is_tracked(pose_data, tmp_path):
    data = pose_data / "openfield"
    options = {"flow": "lk", "min_similarity": 0.05, "draw": False, "out": str(tmp_path)}
    results = track(video=str(data / "images"), poses=str(data / "annotations.json"), **options)
    ids = [person["track_id"] for person in results["annotations"]]
    assert len(results["images"]) == len(ids) == 116
    assert len(set(ids)) <= 6  # it jumps by half its length and more between some of the frames


def test_frames_of_boxes_that_are_there_are_looked_up_by_frame(video, tmp_path):
    boxes = [{"image_id": 1, "file_name": "walk.mp4", "frame": 2, "bbox": [1, 2, 30, 40], "category_id": 1}]
    own = ListedBoxes(FrameSource(video), write(tmp_path / "boxes.json", boxes), category_id=1, min_score=0.0)
    image = np.zeros((40, 40, 3), np.uint8)
    assert own.boxes_in(Frame(2, video, image)).tolist() == [[1, 2, 30, 40, 1]]
    assert own.boxes_in(Frame(3, video, image)).shape == (0, 5)
