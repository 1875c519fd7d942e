"""Cameras from rendered chessboards, and points in space from what they see."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch

import pyposeops
from python_models.__main__ import main
from python_models.cameras import (
    Camera,
    joints_in_space,
    load_cameras,
    projection_matrices,
    save_cameras,
    undistorted,
)
from python_models.chessboard import find_corners
from python_models.errors import UserError
from tests.models.chessboards import (
    CAMERAS,
    CORNERS,
    SIZE,
    SQUARE,
    board_poses,
    corners_in_space,
    project,
    rays_of,
    render,
    write_views,
)

VIEWS = 9
DISTANCE = 600.0
BOARD = ["--corners", str(list(CORNERS)), "--square", str(SQUARE)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine views of three cameras; one of them was covered once."""
    images = tmp_path_factory.mktemp("boards")
    write_views(images, CAMERAS, VIEWS)
    cv2.imwrite(str(images / "middle" / "view3.png"), np.full(SIZE, 90, np.uint8))
    return images


class Run(NamedTuple):
    path: Path
    said: str


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The command on those views, and what it prints."""
    path, said = tmp_path_factory.mktemp("out") / "cameras.json", io.StringIO()
    with contextlib.redirect_stdout(said):
        assert main(["calibrate", "--images", str(folder), *BOARD, "--out", str(path)]) == 0
    return Run(path, said.getvalue())


@pytest.fixture(scope="module")
def cameras(run: Run) -> list[Camera]:
    return load_cameras(run.path)


def points_around(count: int, seed: int = 5) -> np.ndarray:
    """(N, 3), where the board was held."""
    generator = np.random.default_rng(seed)
    return np.array([0.0, 0.0, DISTANCE]) + generator.uniform([-70, -50, -80], [70, 50, 80], (count, 3))


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["calibrate", *arguments]) == 2
    line = capsys.readouterr().err.strip()
    assert "\n" not in line
    return line


@pytest.mark.parametrize("number", [0, 1, 2])
def test_corners_are_found_in_the_boards_order_whichever_way_up(number: int):
    camera, pose = CAMERAS[number], board_poses(3, seed=7)[number]
    found = find_corners(render(camera, rays_of(camera), *pose), CORNERS)
    assert found is not None
    assert np.abs(found - project(camera, corners_in_space(*pose))).max() < 0.3


def test_lenses_and_places_are_those_that_drew_the_boards(cameras: list[Camera]):
    assert [camera.name for camera in cameras] == ["left", "middle", "right"]
    first = CAMERAS[0]
    for got, true in zip(cameras, CAMERAS, strict=True):
        assert got.size == SIZE
        assert np.abs(got.matrix[[0, 1], [0, 1]] / true.matrix[[0, 1], [0, 1]] - 1).max() < 0.01
        # In space of the first camera, whatever space the boards were drawn in.
        rotation = true.rotation @ first.rotation.T
        translation = true.translation - rotation @ first.translation
        apart = cv2.Rodrigues(got.rotation @ rotation.T)[0]
        assert np.linalg.norm(apart) < np.deg2rad(1.0)
        assert np.linalg.norm(got.translation - translation) < 0.015 * DISTANCE


def test_points_in_space_come_back_within_half_a_percent(cameras: list[Camera]):
    points = points_around(40)
    seen = torch.from_numpy(np.stack([project(camera, points) for camera in CAMERAS]))
    found = joints_in_space(seen, torch.ones(3, 40), cameras)
    first = CAMERAS[0]
    wanted = points @ first.rotation.T + first.translation
    errors = np.linalg.norm(found.points.numpy() - wanted, axis=1)
    assert errors.max() < 0.005 * DISTANCE
    assert float(found.errors.max()) < 0.3 and found.views.eq(3).all()


def test_distances_in_space_have_the_boards_unit(cameras: list[Camera]):
    points = corners_in_space(*board_poses(1, seed=11)[0])
    seen = torch.from_numpy(np.stack([project(camera, points) for camera in CAMERAS]))
    found = joints_in_space(seen, torch.ones(3, len(points)), cameras).points.numpy()
    assert np.linalg.norm(found[1] - found[0]) == pytest.approx(SQUARE, rel=0.005)
    longest = SQUARE * np.hypot(CORNERS[0] - 1, CORNERS[1] - 1)
    assert np.linalg.norm(found[-1] - found[0]) == pytest.approx(longest, rel=0.003)


def test_true_cameras_give_the_points_exactly():
    points = points_around(20)
    seen = torch.from_numpy(np.stack([project(camera, points) for camera in CAMERAS]))
    assert np.abs(joints_in_space(seen, torch.ones(3, 20), CAMERAS).points.numpy() - points).max() < 1e-5
    projected = pyposeops.project_points(torch.from_numpy(points), projection_matrices(CAMERAS))
    torch.testing.assert_close(undistorted(seen, CAMERAS), projected, rtol=0, atol=1e-5)


def test_without_undistortion_points_are_farther_off():
    points = points_around(20)
    seen = torch.from_numpy(np.stack([project(camera, points) for camera in CAMERAS]))
    crooked = pyposeops.triangulate_points(seen, projection_matrices(CAMERAS)).points.numpy()
    assert np.abs(crooked - points).max() > 0.3


def test_joints_below_the_score_are_not_used():
    points = points_around(2)
    seen = torch.from_numpy(np.stack([project(camera, points) for camera in CAMERAS]))
    seen[0, 0] += 50.0
    scores = torch.tensor([[0.1, 0.9], [0.9, 0.1], [0.9, 0.1]])
    found = joints_in_space(seen, scores, CAMERAS)
    assert found.views.tolist() == [2, 1]
    assert np.abs(found.points[0].numpy() - points[0]).max() < 1e-5 and found.points[1].isnan().all()


def test_undistorted_nan_stays_and_unreachable_pixels_become_nan():
    pincushion = CAMERAS[0]._replace(distortion=np.array([-0.5, 0.0, 0.0, 0.0, 0.0]))
    pixels = torch.tensor([[[200.0, 150.0], [torch.nan, 3.0], [40000.0, 30000.0]]])
    straight = undistorted(pixels, [pincushion])
    assert straight[0, 0].isfinite().all() and straight[0, 1:].isnan().all()
    with pytest.raises(UserError, match=r"keypoints: expected \(2, \.\.\., 2\), got \(1, 3, 2\)"):
        undistorted(pixels, CAMERAS[:2])


def test_the_report_names_views_without_the_board_and_errors(run: Run):
    content = json.loads(run.path.read_text())
    assert content["board"] == {"corners": list(CORNERS), "square": SQUARE}
    assert content["views"]["middle"]["without_board"] == ["view3"]
    assert content["views"]["left"]["without_board"] == []
    assert len(content["views"]["left"]["by_view_px"]) == VIEWS
    assert 0 < content["views"]["left"]["reprojection_px"] < 0.2 and content["reprojection_px"] < 0.3
    assert "no board in view3" in run.said and "all 3 cameras together: 0." in run.said


def test_one_camera_needs_no_subfolder(folder: Path, tmp_path: Path):
    out = tmp_path / "camera.json"
    assert main(["calibrate", "--images", str(folder / "left"), *BOARD, "--out", str(out)]) == 0
    (camera,) = load_cameras(out)
    assert camera.name == "left" and np.array_equal(camera.rotation, np.eye(3))
    assert json.loads(out.read_text())["reprojection_px"] is None


def test_cameras_are_joined_over_others(folder: Path, tmp_path: Path, capsys):
    """The left and the right camera saw no view together, but each some with the one between."""
    for name, numbers in (("left", range(0, 5)), ("middle", range(9)), ("right", range(5, 9))):
        (tmp_path / "in" / name).mkdir(parents=True)
        for number in numbers:
            (tmp_path / "in" / name / f"view{number}.png").symlink_to(folder / name / f"view{number}.png")
    out = tmp_path / "cameras.json"
    assert main(["calibrate", "--images", str(tmp_path / "in"), *BOARD, "--out", str(out)]) == 0
    right, true = load_cameras(out)[2], CAMERAS[2]
    assert np.linalg.norm(right.translation - true.translation) < 0.05 * DISTANCE
    for path in (tmp_path / "in" / "middle").glob("view[5678].png"):
        path.unlink()
    with pytest.raises(
        UserError, match="camera right: saw the board in no view together with left or middle"
    ):
        from python_models.calibrate import calibrate

        calibrate(images=str(tmp_path / "in"), corners=CORNERS, square=SQUARE, out=str(out))


def test_wrong_input_is_one_sentence(folder: Path, tmp_path: Path, capsys):
    out = tmp_path / "none.json"
    into = ["--out", str(out)]
    assert "no such folder" in fails(["--images", str(tmp_path / "nowhere"), *into], capsys)
    (tmp_path / "empty" / "camera").mkdir(parents=True)
    assert "camera: holds no image" in fails(["--images", str(tmp_path / "empty"), *into], capsys)
    said = fails(["--images", str(folder), "--corners", "[6, 4]", *into], capsys)
    assert "looks the same the other way up" in said
    assert "corners: expected 3 or more" in fails(
        ["--images", str(folder), "--corners", "[2, 5]", *into], capsys
    )
    assert "square: expected a length above 0" in fails(
        ["--images", str(folder), "--square", "0", *into], capsys
    )
    (tmp_path / "few").mkdir()
    for number in range(2):
        (tmp_path / "few" / f"{number}.png").symlink_to(folder / "left" / f"view{number}.png")
    said = fails(["--images", str(tmp_path / "few"), *BOARD, *into], capsys)
    assert "camera few: expected the board of 7 x 4 inner corners in 3 images or more, got 2 of 2" in said
    (tmp_path / "mixed").mkdir()
    cv2.imwrite(str(tmp_path / "mixed" / "a.png"), np.zeros((40, 50), np.uint8))
    cv2.imwrite(str(tmp_path / "mixed" / "b.png"), np.zeros((40, 60), np.uint8))
    said = fails(["--images", str(tmp_path / "mixed"), *into], capsys)
    assert "b.png: expected 50 x 40 as the camera's others, got 60 x 40" in said
    (tmp_path / "mixed" / "a.png").write_bytes(b"no image")
    assert "a.png: cannot be decoded" in fails(["--images", str(tmp_path / "mixed"), *into], capsys)
    assert not out.exists()


def test_files_that_are_none_of_cameras(tmp_path: Path):
    path = tmp_path / "cameras.json"
    with pytest.raises(UserError, match="no such file"):
        load_cameras(path)
    path.write_text("{}")
    with pytest.raises(UserError, match="expected what calibrate wrote"):
        load_cameras(path)
    save_cameras(path, [CAMERAS[0]])
    (camera,) = load_cameras(path)
    assert all(np.array_equal(a, b) for a, b in zip(camera[2:], CAMERAS[0][2:], strict=True))
    path.write_text(path.read_text().replace('"rotation"', '"rotated"'))
    with pytest.raises(UserError, match="rotation"):
        load_cameras(path)
    path.write_text('{"cameras": []}')
    with pytest.raises(UserError, match="holds no camera"):
        load_cameras(path)
