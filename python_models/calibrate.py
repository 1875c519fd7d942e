"""The command that makes a file of cameras from images of a chessboard."""

import math
from collections.abc import Mapping
from pathlib import Path

from python_models.cameras import Camera, save_cameras
from python_models.chessboard import Board, Views, camera_folders, find_boards
from python_models.errors import UserError
from python_models.lens import Solved, solve_camera
from python_models.rig import place_cameras


def calibrate(
    *, images: str, corners: tuple[int, int] = (9, 6), square: float = 1.0, out: str = "cameras.json"
) -> None:
    """Write the lenses and places of cameras that saw a chessboard, as JSON.

    Args:
        images: folder with a subfolder of images for each camera; what was taken at the same time has the same
            name in all of them. A folder of images alone is one camera.
        corners: inner corners along the board's sides, one less than squares; for several cameras an even and an
            odd number.
        square: side of a square, in the unit in which points in space are wanted.
        out: file to write.
    """
    if min(corners) < 3:
        raise UserError(f"corners: expected 3 or more along each side, got {corners[0]} x {corners[1]}")
    if not (math.isfinite(square) and square > 0):
        raise UserError(f"square: expected a length above 0, got {square}")
    if Path(out).is_dir():
        raise UserError(f"out {out}: expected a file, got a folder")
    board = Board((corners[0], corners[1]), square)
    folders = camera_folders(images)
    if len(folders) > 1 and sum(corners) % 2 == 0:
        raise UserError(
            f"corners {corners[0]} x {corners[1]}: such a board looks the same the other way up, so that cameras "
            "may not mean the same corner; take one with an even and an odd number of inner corners"
        )
    views = {name: find_boards(files, board) for name, files in folders.items()}
    cameras, solved, error = calibrate_cameras(views, board)
    path = save_cameras(
        out,
        cameras,
        board={"corners": list(board.corners), "square": square},
        reprojection_px=error,
        views={name: _of_camera(views[name], own) for name, own in solved.items()},
    )
    for name, own in solved.items():
        print(_line(name, views[name], own))
    if error is not None:
        print(f"all {len(cameras)} cameras together: {error:.3f} px")
    print(f"written: {path}")


def calibrate_cameras(
    views: Mapping[str, Views], board: Board
) -> tuple[list[Camera], dict[str, Solved], float | None]:
    """All cameras, in space of the first one; each by itself; and the error of all at once, None for one camera.

    Raises: UserError for a camera with too few views, and for cameras that no views join.
    """
    solved = {name: solve_camera(name, own, board) for name, own in views.items()}
    placed, error = place_cameras(views, solved, board.points)
    cameras = [
        Camera(name, views[name].size, own.matrix, own.distortion, *placed[name])
        for name, own in solved.items()
    ]
    return cameras, solved, error


def _of_camera(views: Views, solved: Solved) -> dict[str, object]:
    return {
        "reprojection_px": solved.error_px,
        "by_view_px": solved.errors_px,
        "without_board": views.without_board,
    }


def _line(name: str, views: Views, solved: Solved) -> str:
    worst = max(solved.errors_px, key=lambda view: solved.errors_px[view])
    text = (
        f"{name}: {solved.error_px:.3f} px over {len(solved.errors_px)} views, at worst "
        f"{solved.errors_px[worst]:.3f} px in {worst}"
    )
    return text + (f"; no board in {', '.join(views.without_board)}" if views.without_board else "")
