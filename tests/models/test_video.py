"""Videos: frames in and out, boxes by frame, and a detector's."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from python_models.boxes import find_tasks
from python_models.detector import Detector
from python_models.drawings import Drawings
from python_models.errors import UserError
from python_models.files import save_checkpoint
from python_models.model_card import ModelCard
from python_models.people import People
from python_models.predict import predict
from python_models.video import VideoReader, VideoWriter
from tests.models.tiny import DOTS, TINY_OPTIONS

SHADES = (20, 90, 160, 230)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Four frames of 60x80 pixels, each of one shade."""
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, 12.0) as writer:
        for shade in SHADES:
            writer.add(np.full((60, 80, 3), (shade, 100, 250 - shade), np.uint8))
    return path


@pytest.fixture
def weights(tmp_path: Path) -> str:
    card = ModelCard("pose_resnet18", (32, 32), DOTS, options=TINY_OPTIONS)
    return str(
        save_checkpoint(
            tmp_path / "best.pt", {"card": card.to_dict(), "state_dict": card.create().state_dict()}
        )
    )


def test_frames_come_back_in_order_and_in_rgb(clip: Path):
    reader = VideoReader(clip)
    frames = list(reader)
    assert reader.rate == pytest.approx(12.0) and reader.expected_frames == 4
    for frame, shade in zip(frames, SHADES, strict=True):
        assert frame.shape == (60, 80, 3)
        np.testing.assert_allclose(frame.mean((0, 1)), [shade, 100, 250 - shade], atol=6)


def test_an_interrupted_video_leaves_no_file(tmp_path: Path):
    path = tmp_path / "late.mp4"
    with pytest.raises(KeyboardInterrupt), VideoWriter(path, 25.0) as writer:
        writer.add(np.zeros((31, 41, 3), np.uint8))
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_video_is_named(tmp_path: Path):
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"not a video")
    with pytest.raises(UserError, match=r"broken.mp4: not a video that OpenCV reads"):
        VideoReader(path)


def test_boxes_go_to_their_frames(clip: Path):
    boxes = clip.parent / "boxes.json"
    entries = [
        {"image_id": 1, "file_name": "clip.mp4", "frame": frame, "bbox": [frame, 0, 10, 10]}
        for frame in (0, 2)
    ]
    boxes.write_text(json.dumps(entries))
    (task,), _ = find_tasks([str(clip)], str(boxes))
    assert [task.at(frame).boxes for frame in range(3)] == [[(0, 0, 10, 10, 1)], [], [(2, 0, 10, 10, 1)]]
    assert (task.at(2).frame, task.at(2).image_id) == (2, 1_000_002)


def test_boxes_of_a_video_go_to_all_of_its_frames(clip: Path):
    boxes = clip.parent / "boxes.json"
    boxes.write_text(json.dumps({"clip.mp4": [[1, 2, 30, 40]]}))
    (task,), _ = find_tasks([str(clip)], str(boxes))
    assert task.at(0).boxes == task.at(3).boxes == [(1, 2, 30, 40, 1)]


def test_a_video_is_predicted_and_drawn_frame_by_frame(
    clip: Path, weights: str, capsys: pytest.CaptureFixture[str]
):
    out = clip.parent / "found"
    results = predict(weights=weights, images=[str(clip)], out=str(out), accelerator="cpu", batch_size=3)
    assert [result["frame"] for result in results] == [0, 1, 2, 3]
    assert {result["file_name"] for result in results} == {"clip.mp4"}
    assert len({result["image_id"] for result in results}) == 4
    assert results == json.loads((out / "predictions.json").read_text())
    drawn = list(VideoReader(out / "clip.mp4"))
    assert len(drawn) == 4 and drawn[0].shape == (60, 80, 3)
    assert "images/s" in capsys.readouterr().out


def test_what_was_found_serves_as_boxes_again(clip: Path, weights: str):
    out = clip.parent / "found"
    first = predict(weights=weights, images=[str(clip)], out=str(out), accelerator="cpu", draw=False)
    (clip.parent / "some.json").write_text(json.dumps(first[1:3]))
    again = predict(
        weights=weights,
        images=[str(clip)],
        boxes=str(clip.parent / "some.json"),
        out=str(out),
        accelerator="cpu",
    )
    assert [result["frame"] for result in again] == [1, 2]
    assert len(list(VideoReader(out / "clip.mp4"))) == 4  # frames without people are in the video too


def test_images_and_videos_mix(clip: Path, weights: str):
    cv2.imwrite(str(clip.parent / "photo.png"), np.zeros((40, 40, 3), np.uint8))
    out = clip.parent / "found"
    results = predict(
        weights=weights, images=[str(clip.parent / "photo.png"), str(clip)], out=str(out), accelerator="cpu"
    )
    assert len(results) == 5 and {path.name for path in out.iterdir()} == {
        "predictions.json",
        "clip.mp4",
        "photo_1.jpg",
    }


def test_videos_of_one_name_do_not_take_each_other_s_place(clip: Path, tmp_path: Path):
    other = tmp_path / "other" / clip.name
    other.parent.mkdir()
    other.write_bytes(clip.read_bytes())
    frame = np.zeros((60, 80, 3), np.uint8)
    tasks, _ = find_tasks([str(clip), str(other)])
    with Drawings(tmp_path / "out", DOTS, 0.2) as drawings:
        for task in tasks:
            drawings.add(task.at(0), frame, People.nobody(4))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["clip.mp4", "clip_2.mp4"]


def test_a_video_is_not_written_over_itself(clip: Path, weights: str):
    before = clip.read_bytes()
    with pytest.raises(UserError, match=r"clip\.mp4, which is to be read, lies there"):
        predict(weights=weights, images=[str(clip)], out=str(clip.parent), accelerator="cpu")
    assert clip.read_bytes() == before


def test_nothing_to_read_is_an_error(tmp_path: Path, weights: str):
    (tmp_path / "photo.jpg").write_bytes(b"no image")
    with pytest.raises(UserError, match="none of 1 can be read"):
        predict(weights=weights, images=[str(tmp_path / "photo.jpg")], out=str(tmp_path / "out"))
    with pytest.raises(UserError, match="expected a folder, got a file"):
        predict(weights=weights, images=[str(tmp_path)], out=str(tmp_path / "photo.jpg"))


def test_a_crash_leaves_no_half_video(tmp_path: Path, clip: Path):
    (task,), _ = find_tasks([str(clip)])
    with pytest.raises(RuntimeError), Drawings(tmp_path / "out", DOTS, 0.2) as drawings:
        drawings.add(task.at(0), np.zeros((60, 80, 3), np.uint8), People.nobody(4))
        raise RuntimeError
    assert list((tmp_path / "out").iterdir()) == []


class FixedDetector(torch.nn.Module):
    """What torchvision's detectors give: a dictionary per image, corners of boxes."""

    def forward(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
        assert all(image.shape[0] == 3 and image.min() >= 0 and image.max() <= 1 for image in images)
        boxes = torch.tensor(
            [[2.0, 3.0, 32.0, 43.0], [5.0, 5.0, 20.0, 20.0], [9.0, 9.0, 9.0, 30.0], [0, 0, 8, 8]]
        )
        labels, scores = torch.tensor([1, 3, 1, 1]), torch.tensor([0.9, 0.9, 0.8, 0.1])
        return [{"boxes": boxes, "labels": labels, "scores": scores} for _ in images]


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    """A torchvision of one detector; the real one need not fit the installed torch."""
    package: Any = ModuleType("torchvision")
    package.models = SimpleNamespace(
        detection=None, list_models=lambda module: ["fixed"], get_model=lambda name, **_: FixedDetector()
    )
    monkeypatch.setitem(sys.modules, "torchvision", package)


def test_a_detector_gives_the_people_alone(torchvision: None, clip: Path, weights: str):
    finder = Detector("fixed", None, device=torch.device("cpu"))
    ((box,),) = finder([torch.zeros(60, 80, 3, dtype=torch.uint8)])
    assert box == pytest.approx((2.0, 3.0, 30.0, 40.0, 0.9))
    results = predict(
        weights=weights,
        images=[str(clip)],
        detector="fixed",
        out=str(clip.parent / "found"),
        accelerator="cpu",
    )
    assert [result["bbox"] for result in results] == [[2.0, 3.0, 30.0, 40.0]] * 4
    with pytest.raises(
        UserError, match="detector other: not a detector of this torchvision; known are fixed"
    ):
        Detector("other", None, device=torch.device("cpu"))


def test_weights_of_another_detector_are_told_in_a_sentence(torchvision: None, tmp_path: Path):
    torch.save({"backbone.weight": torch.zeros(2)}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"detector_weights .*w\.pth: not weights of fixed \("):
        Detector("fixed", str(tmp_path / "w.pth"), device=torch.device("cpu"))


def test_without_torchvision_a_detector_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(UserError, match="detector fixed: needs torchvision"):
        Detector("fixed", None, device=torch.device("cpu"))


@pytest.mark.parametrize("size", [(1, 40), (40, 1)])
def test_frames_too_small_for_a_video_are_named(tmp_path, size):
    wanted = f"frames of 2 x 2 pixels or more, got {size[1]} x {size[0]}"
    with pytest.raises(UserError, match=wanted), VideoWriter(tmp_path / "small.mp4", 10.0) as writer:
        writer.add(np.zeros((*size, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_video_without_frames_is_named_as_an_unreadable_image_is(tmp_path, clip, weights, capsys):
    path = tmp_path / "cut.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"movi") + 4])
    predict(weights=weights, images=[str(path), str(clip)], out=str(tmp_path / "out"), draw=False)
    assert "1 unreadable images skipped" in capsys.readouterr().out
    with pytest.raises(UserError, match="images: none of 1 can be read"):
        predict(weights=weights, images=[str(path)], out=str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()
