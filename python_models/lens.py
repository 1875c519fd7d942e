"""What one camera's views of a chessboard tell of its lens.

Source: Zhang, "A Flexible New Technique for Camera Calibration", TPAMI 2000, as OpenCV's `calibrateCamera` has it.
"""

from typing import NamedTuple

import cv2
import numpy as np

from python_models.cameras import Floats
from python_models.chessboard import Board, Views
from python_models.errors import UserError

FEWEST_VIEWS = 3


class Solved(NamedTuple):
    """One camera by itself."""

    matrix: Floats
    distortion: Floats
    boards: dict[
        str, tuple[Floats, Floats]
    ]  # by view, rotation vector and place of the board before the camera
    error_px: float  # root of the mean squared distance between corners and where they are projected to
    errors_px: dict[str, float]  # by view


def solve_camera(name: str, views: Views, board: Board) -> Solved:
    """The lens of one camera and where the board was.

    Raises: UserError for fewer than three views with the board, and where they do not tell the lens.
    """
    if len(views.corners) < FEWEST_VIEWS:
        raise UserError(
            f"camera {name}: expected the board of {board.corners[0]} x {board.corners[1]} inner corners in "
            f"{FEWEST_VIEWS} images or more, got {len(views.corners)} of "
            f"{len(views.corners) + len(views.without_board)}"
        )
    height, width = views.size
    points = board.points.astype(np.float32)
    seen = [corners.astype(np.float32)[:, None] for corners in views.corners.values()]
    error, matrix, distortion, turns, places, _, _, errors = cv2.calibrateCameraExtended(
        [points] * len(seen), seen, (width, height), None, None
    )
    if not (np.isfinite(error) and np.isfinite(matrix).all() and np.isfinite(distortion).all()):
        raise UserError(
            f"camera {name}: the views do not tell its lens; tilt the board more from view to view"
        )
    boards = {
        view: (turn.ravel(), place.ravel())
        for view, turn, place in zip(views.corners, turns, places, strict=True)
    }
    by_view = dict(zip(views.corners, errors.ravel().tolist(), strict=True))
    return Solved(matrix, distortion.ravel()[:5], boards, float(error), by_view)
