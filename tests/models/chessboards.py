"""Cameras that are known, and what they see of a chessboard."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from python_models.cameras import Camera

CORNERS, SQUARE = (7, 4), 30.0
SIZE = (300, 400)
MARGIN = 1.2  # of white around the squares, in squares
_SAMPLES = 3  # along each side of a pixel


def look_at(name: str, place: tuple[float, float, float], focal: float, distortion: list[float]) -> Camera:
    """A camera at `place` whose axis goes through (0, 0, 600)."""
    forwards = np.array([0.0, 0.0, 600.0]) - place
    forwards /= np.linalg.norm(forwards)
    right = np.cross([0.0, 1.0, 0.0], forwards)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forwards, right), forwards])
    matrix = np.array([[focal, 0, 205.0], [0, 1.01 * focal, 146.0], [0, 0, 1]])
    return Camera(name, SIZE, matrix, np.array(distortion), rotation, -rotation @ np.array(place))


CAMERAS = [
    look_at("left", (0.0, 0.0, 0.0), 420.0, [-0.12, 0.05, 0.001, -0.0005, 0.0]),
    look_at("middle", (230.0, -40.0, 30.0), 400.0, [-0.05, 0.0, 0.0, 0.001, 0.0]),
    look_at("right", (420.0, 20.0, 130.0), 440.0, [0.08, -0.1, 0.0, 0.0, 0.0]),
]


def board_poses(count: int, seed: int) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Rotation (3, 3) and place of the board's middle, tilted this way and that around (0, 0, 600).

    Every third is held the other way up.
    """
    generator = np.random.default_rng(seed)
    poses = []
    for number in range(count):
        upside_down = cv2.Rodrigues(np.array([0.0, 0.0, np.pi * (number % 3 == 2)]))[0]
        turn = cv2.Rodrigues(generator.uniform(-0.5, 0.5, 3))[0] @ upside_down
        place = np.array([0.0, 0.0, 600.0]) + generator.uniform([-70, -50, -80], [70, 50, 80])
        poses.append((turn, place))
    return poses


def rays_of(camera: Camera) -> NDArray[np.float64]:
    """(H s, W s, 3): the directions, before the camera, of s by s points in each pixel."""
    steps = (np.arange(_SAMPLES) + 0.5) / _SAMPLES - 0.5
    y = (np.arange(camera.size[0])[:, None] + steps).ravel()
    x = (np.arange(camera.size[1])[:, None] + steps).ravel()
    pixels = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 1, 2)
    straight = cv2.undistortPoints(pixels, camera.matrix, camera.distortion).reshape(len(y), len(x), 2)
    return np.concatenate([straight, np.ones_like(straight[..., :1])], axis=-1)


def render(
    camera: Camera, rays: NDArray[np.float64], turn: NDArray[np.float64], place: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """The grey image of the board, turned and with its middle at a place in space."""
    rotation = camera.rotation @ turn
    middle = camera.rotation @ place + camera.translation
    normal = rotation[:, 2]
    hit = rays * ((normal @ middle) / (rays @ normal))[..., None]
    on_board = (hit - middle) @ rotation[:, :2] / SQUARE  # squares from the middle
    column, row = (on_board[..., 0] + (CORNERS[0] + 1) / 2, on_board[..., 1] + (CORNERS[1] + 1) / 2)
    inside = (column >= 0) & (column < CORNERS[0] + 1) & (row >= 0) & (row < CORNERS[1] + 1)
    black = inside & ((np.floor(column) + np.floor(row)) % 2 == 0)
    paper = (
        (column > -MARGIN)
        & (column < CORNERS[0] + 1 + MARGIN)
        & (row > -MARGIN)
        & (row < CORNERS[1] + 1 + MARGIN)
    )
    shades = np.where(black, 20.0, np.where(paper, 235.0, 110.0))
    height, width = camera.size
    return shades.reshape(height, _SAMPLES, width, _SAMPLES).mean((1, 3)).round().astype(np.uint8)


def corners_in_space(turn: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 3), row after row."""
    y, x = np.mgrid[: CORNERS[1], : CORNERS[0]].astype(float)
    flat = np.stack([x - (CORNERS[0] - 1) / 2, y - (CORNERS[1] - 1) / 2, 0 * x], axis=-1).reshape(-1, 3)
    return SQUARE * flat @ turn.T + place


def project(camera: Camera, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 2) pixels, distorted."""
    turn = cv2.Rodrigues(camera.rotation)[0]
    return cv2.projectPoints(points, turn, camera.translation, camera.matrix, camera.distortion)[0][:, 0]


def write_views(folder: Path, cameras: list[Camera], count: int, seed: int = 0) -> None:
    """view0.png and so on for each camera in a folder of its name."""
    poses = board_poses(count, seed)
    for camera in cameras:
        rays = rays_of(camera)
        (folder / camera.name).mkdir(parents=True)
        for number, pose in enumerate(poses):
            cv2.imwrite(str(folder / camera.name / f"view{number}.png"), render(camera, rays, *pose))
