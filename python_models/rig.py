"""Where several cameras stand: from the board that they saw at the same time.

The reprojection error of all of them at once is minimised, as in Triggs, McLauchlan, Hartley, Fitzgibbon, "Bundle
Adjustment - A Modern Synthesis", 2000.
"""

from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np
from scipy.optimize import least_squares

from python_models.cameras import Floats
from python_models.chessboard import Views
from python_models.errors import UserError
from python_models.lens import Solved

Pose = tuple[Floats, Floats]  # rotation vector and translation
_NOWHERE: Pose = (np.zeros(3), np.zeros(3))


class _Sight(NamedTuple):
    """One camera's look at one view that others saw, too."""

    camera: int  # 0 is the one that the others are placed by
    view: int
    corners: Floats
    matrix: Floats
    distortion: Floats


def place_cameras(
    views: Mapping[str, Views], solved: Mapping[str, Solved], points: Floats
) -> tuple[dict[str, tuple[Floats, Floats]], float | None]:
    """Rotation (3, 3) and translation (3,) of every camera in space of the first.

    Cameras are placed one by one along the pairs that have the most views in common; then all of them, and the
    boards, are moved until the corners' distances in pixels are the smallest. The lenses stay.

    Returns:
        Rotations and translations by camera, and the root of the mean squared distance; None for one camera.

    Raises: UserError where no views join the cameras.
    """
    names = list(solved)
    poses = _first_guess(solved)
    shared = [
        view
        for view in sorted({view for own in solved.values() for view in own.boards})
        if sum(view in own.boards for own in solved.values()) > 1
    ]
    error = None
    if shared:
        sights = [
            _Sight(
                names.index(name), shared.index(view), views[name].corners[view], own.matrix, own.distortion
            )
            for name, own in solved.items()
            for view in shared
            if view in own.boards
        ]
        boards = [_board_in_space(view, solved, poses) for view in shared]
        moved, error = _refined([poses[name] for name in names], boards, sights, points)
        poses = dict(zip(names, moved, strict=True))
    return {name: (cv2.Rodrigues(turn)[0], place) for name, (turn, place) in poses.items()}, error


def _first_guess(solved: Mapping[str, Solved]) -> dict[str, Pose]:
    """Camera by camera, the one next that has the most views in common with one that has its place."""
    names = list(solved)
    poses = {names[0]: _NOWHERE}
    while len(poses) < len(names):
        pairs = [
            (len(solved[known].boards.keys() & solved[name].boards.keys()), known, name)
            for known in poses
            for name in names
            if name not in poses
        ]
        count, known, name = max(pairs, key=lambda pair: pair[0])
        if not count:
            raise UserError(
                f"camera {name}: saw the board in no view together with {' or '.join(poses)}; images that were "
                "taken at the same time must have the same name"
            )
        poses[name] = _chained(poses[known], _between(solved[known], solved[name]))
    return poses


def _between(first: Solved, second: Solved) -> Pose:
    """From what lies before the first camera to what lies before the second, the mean over the views of both."""
    turns, places = [], []
    for view in sorted(first.boards.keys() & second.boards.keys()):
        turn, place = _chained(_inverse(first.boards[view]), second.boards[view])
        turns.append(cv2.Rodrigues(turn)[0])
        places.append(place)
    left, _, right = np.linalg.svd(np.mean(turns, axis=0))
    nearest = left @ np.diag([1.0, 1.0, np.linalg.det(left @ right)]) @ right
    return cv2.Rodrigues(nearest)[0].ravel(), np.median(places, axis=0)


def _board_in_space(view: str, solved: Mapping[str, Solved], poses: Mapping[str, Pose]) -> Pose:
    name = next(name for name, own in solved.items() if view in own.boards)
    return _chained(solved[name].boards[view], _inverse(poses[name]))


def _chained(first: Pose, second: Pose) -> Pose:
    turn, place = cv2.composeRT(*first, *second)[:2]
    return turn.ravel(), place.ravel()


def _inverse(pose: Pose) -> Pose:
    return -pose[0], -cv2.Rodrigues(-pose[0])[0] @ pose[1]


def _refined(
    cameras: list[Pose], boards: list[Pose], sights: list[_Sight], points: Floats
) -> tuple[list[Pose], float]:
    """Cameras but the first, and boards, moved to where the sum of squared distances in pixels is the smallest."""
    start = np.concatenate([np.concatenate(pose) for pose in [*cameras[1:], *boards]])
    others = len(cameras) - 1

    def evaluate(numbers: Floats) -> tuple[Floats, Floats]:
        poses = numbers.reshape(-1, 2, 3)
        misses = np.zeros((len(sights), 2 * len(points)))
        slopes = np.zeros((len(sights), 2 * len(points), len(poses), 6))
        for row, sight in enumerate(sights):
            board = others + sight.view
            camera = np.zeros((2, 3)) if sight.camera == 0 else poses[sight.camera - 1]
            turn, place, *parts = cv2.composeRT(*poses[board], *camera)
            seen, along = cv2.projectPoints(points, turn, place, sight.matrix, sight.distortion)
            misses[row] = (seen[:, 0] - sight.corners).ravel()
            of_board, of_camera = _composition_slopes(parts)
            slopes[row, :, board] = along[:, :6] @ of_board
            if sight.camera:
                slopes[row, :, sight.camera - 1] = along[:, :6] @ of_camera
        return misses.ravel(), slopes.reshape(misses.size, -1)

    found = least_squares(
        lambda numbers: evaluate(numbers)[0],
        start,
        jac=lambda numbers: evaluate(numbers)[1],
        method="lm",
        x_scale="jac",
    )
    moved = [_NOWHERE, *((pose[0], pose[1]) for pose in found.x.reshape(-1, 2, 3)[:others])]
    distances = found.fun.reshape(-1, 2)
    return moved, float(np.sqrt((distances**2).sum(1).mean()))


def _composition_slopes(parts: list[Floats]) -> tuple[Floats, Floats]:
    """Of the composed pose, (6, 6) by the first and by the second one, from what OpenCV's `composeRT` adds."""
    dr_dr1, dr_dt1, dr_dr2, dr_dt2, dt_dr1, dt_dt1, dt_dr2, dt_dt2 = parts
    return np.block([[dr_dr1, dr_dt1], [dt_dr1, dt_dt1]]), np.block([[dr_dr2, dr_dt2], [dt_dr2, dt_dt2]])
