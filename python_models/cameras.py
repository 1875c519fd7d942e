"""Calibrated cameras: what is known of them, as a file, and from their pixels to points in space."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import pyposeops
from python_models.errors import UserError
from python_models.files import save_json

Floats = NDArray[np.float64]
_SHAPES = {"matrix": (3, 3), "distortion": (5,), "rotation": (3, 3), "translation": (3,)}


class Camera(NamedTuple):
    """One calibrated camera: a point X of space is at `rotation @ X + translation` for it, z forwards."""

    name: str
    size: tuple[int, int]  # (height, width) of its images in pixels
    matrix: Floats  # (3, 3), from what lies before the camera to pixels, centre of the first pixel 0.0
    distortion: Floats  # (5,), k1, k2, p1, p2, k3 as in OpenCV
    rotation: Floats  # (3, 3)
    translation: Floats  # (3,), in the units of the board's squares


def save_cameras(path: str | Path, cameras: Sequence[Camera], **more: Any) -> Path:
    """Write cameras as JSON, and beside them whatever else there is to say."""
    entries = [
        {
            "name": camera.name,
            "height": camera.size[0],
            "width": camera.size[1],
            **{name: getattr(camera, name).tolist() for name in _SHAPES},
        }
        for camera in cameras
    ]
    return save_json(path, {"cameras": entries, **more})


def load_cameras(path: str | Path) -> list[Camera]:
    """The cameras of a file that `save_cameras` or the command `calibrate` wrote.

    Raises: UserError for a file that is not there or is none of cameras.
    """
    try:
        entries = json.loads(Path(path).read_bytes())["cameras"]
        cameras = [_camera(entry) for entry in entries]
    except OSError as error:
        raise UserError(f"cameras {path}: no such file") from error
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"cameras {path}: expected what calibrate wrote; {error!r}") from error
    if not cameras:
        raise UserError(f"cameras {path}: holds no camera")
    return cameras


def _camera(entry: dict[str, Any]) -> Camera:
    numbers = {name: np.asarray(entry[name], np.float64) for name in _SHAPES}
    for name, shape in _SHAPES.items():
        if numbers[name].shape != shape or not np.isfinite(numbers[name]).all():
            raise ValueError(f"{name}: expected {shape} finite numbers, got {entry[name]}")
    return Camera(str(entry["name"]), (int(entry["height"]), int(entry["width"])), **numbers)


def projection_matrices(cameras: Sequence[Camera]) -> Tensor:
    """(V, 3, 4) float64, from space to undistorted pixels, as `pyposeops.triangulate_points` wants them."""
    return torch.stack(
        [
            torch.from_numpy(camera.matrix @ np.column_stack([camera.rotation, camera.translation]))
            for camera in cameras
        ]
    )


def undistorted(keypoints: Tensor, cameras: Sequence[Camera]) -> Tensor:
    """Where joints would be without the lenses' distortion, (V, ..., 2) float64, from (V, ..., 2), a view per camera.

    What is NaN or infinite is NaN, and so is a pixel, far outside of the image, that no point in space is seen at.

    Raises: UserError for another number of views than of cameras.
    """
    if keypoints.ndim < 2 or keypoints.shape[-1] != 2 or len(keypoints) != len(cameras):
        raise UserError(f"keypoints: expected ({len(cameras)}, ..., 2), got {tuple(keypoints.shape)}")
    straight = torch.full(keypoints.shape, torch.nan, dtype=torch.float64)
    for view, points, camera in zip(straight, keypoints.double().cpu(), cameras, strict=True):
        usable = points.isfinite().all(-1)
        view[usable] = torch.from_numpy(_straight(points[usable].numpy(), camera))
    return straight


_MOST_STEPS, _BACK_PX = 30, 1e-6


def _straight(points: Floats, camera: Camera) -> Floats:
    """(N, 2) -> (N, 2), by Newton's method on the distortion; NaN where that does not get back to the pixel."""
    if not len(points):
        return points
    focal, middle = camera.matrix[[0, 1], [0, 1]], camera.matrix[:2, 2]
    here, still = np.zeros(3), np.ones(len(points))
    flat = (points - middle) / focal
    for _ in range(_MOST_STEPS):
        space = np.column_stack([flat, still])
        seen, slopes = cv2.projectPoints(space, here, here, camera.matrix, camera.distortion)
        missed = points - seen[:, 0]
        if (np.abs(missed) <= _BACK_PX).all():
            break
        # A shift of the camera to the side moves points at depth 1 as a shift of their own would.
        across = slopes.reshape(-1, 2, slopes.shape[1])[:, :, 3:5]
        flat = flat + np.einsum("nij,nj->ni", np.linalg.pinv(across), missed)
    result: Floats = flat * focal + middle
    result[~_in_sight(flat, missed, camera)] = np.nan
    return result


def _in_sight(flat: Floats, missed: Floats, camera: Camera) -> NDArray[np.bool_]:
    """Where the pixel was reached before the distortion folds the image over, where both slopes are positive."""
    space = np.column_stack([flat, np.ones(len(flat))])
    slopes = cv2.projectPoints(space, np.zeros(3), np.zeros(3), camera.matrix, camera.distortion)[1]
    across = slopes.reshape(-1, 2, slopes.shape[1])[:, :, 3:5]
    upright = (np.linalg.det(across) > 0) & (np.trace(across, axis1=1, axis2=2) > 0)
    reached: NDArray[np.bool_] = upright & (np.abs(missed).max(axis=1) <= _BACK_PX)
    return reached


def joints_in_space(
    keypoints: Tensor,
    scores: Tensor,
    cameras: Sequence[Camera],
    *,
    min_score: float = 0.2,
    refine_steps: int = 10,
) -> pyposeops.Triangulation:
    """One person's joints in space from what every camera sees: undistorted, then triangulated.

    Args:
        keypoints: (V, K, 2), (x, y) in pixels of each camera's image.
        scores: (V, K); joints below `min_score` are not used.
        cameras: V of them.
        min_score: As in OpenPose's 3D module.
        refine_steps: See `pyposeops.triangulate_points`.
    """
    weights = (scores >= min_score).double()
    return pyposeops.triangulate_points(
        undistorted(keypoints, cameras),
        projection_matrices(cameras),
        weights=weights,
        refine_steps=refine_steps,
    )
