"""Finding a chessboard in the images of cameras."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from python_models.boxes import IMAGE_SUFFIXES
from python_models.cameras import Floats
from python_models.data.photos import read_image
from python_models.data.records import ImageReadError
from python_models.errors import UserError

_SEARCH = cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_ACCURACY
_WINDOW_SHARE, _WINDOWS = 0.35, (2, 11)  # of the distance to the nearest corner; half sides in pixels
_STEPS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-4)


@dataclass(frozen=True)
class Board:
    """A chessboard: inner corners along its sides, and how long a side of a square is."""

    corners: tuple[int, int]
    square: float

    @property
    def points(self) -> Floats:
        """(N, 3), the corners in the board's own plane, row after row."""
        across, down = self.corners
        y, x = np.mgrid[:down, :across]
        flat = np.stack([x.ravel(), y.ravel(), np.zeros(across * down)], axis=1)
        return np.asarray(self.square * flat, np.float64)


class Views(NamedTuple):
    """What one camera saw."""

    size: tuple[int, int]  # (height, width) of the images
    corners: dict[str, Floats]  # by the name of the view, (N, 2) in pixels
    without_board: list[str]


def camera_folders(folder: str | Path) -> dict[str, list[Path]]:
    """Image files by camera: those in each subfolder, or, without subfolders, those in the folder itself.

    Raises: UserError for a folder that is not there, a camera without images, two images of one name.
    """
    root = Path(folder)
    if not root.is_dir():
        raise UserError(f"images {root}: no such folder")
    inside = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = {}
    for path in inside or [root]:
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
        if not files:
            raise UserError(f"images {path}: holds no image ({', '.join(IMAGE_SUFFIXES)})")
        stems = [file.stem for file in files]
        if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
            raise UserError(f"images {path}: two images are called {twice[0]}")
        found[path.name] = files
    return found


def find_boards(files: Sequence[Path], board: Board) -> Views:
    """Look for the board in every image of one camera.

    Raises: UserError for a file that cannot be read and for images of several sizes.
    """
    corners, without, size = {}, [], None
    for file in files:
        try:
            image = cv2.cvtColor(read_image(file, honour_exif=True), cv2.COLOR_RGB2GRAY)
        except ImageReadError as error:
            raise UserError(f"image {error}") from error
        size = size or image.shape
        if image.shape != size:
            raise UserError(
                f"image {file}: expected {size[1]} x {size[0]} as the camera's others, "
                f"got {image.shape[1]} x {image.shape[0]}"
            )
        found = find_corners(image, board.corners)
        if found is None:
            without.append(file.stem)
        else:
            corners[file.stem] = found
    assert size is not None
    return Views((size[0], size[1]), corners, without)


def find_corners(image: NDArray[np.uint8], corners: tuple[int, int]) -> Floats | None:
    """(N, 2) in pixels, in the same order whatever way up the board is held; None where there is no board.

    The first square between corners is black. Boards whose two numbers are both even or both odd look the same the
    other way up: there the order is that of the search.
    """
    seen, found = cv2.findChessboardCornersSB(image, corners, flags=_SEARCH)
    if not seen:
        return None
    across, down = corners
    grid: Floats = _refined(image, found).reshape(down, across, 2)
    right, below = grid[0, -1] - grid[0, 0], grid[-1, 0] - grid[0, 0]
    if right[0] * below[1] - right[1] * below[0] < 0:  # the order of a board seen in a mirror
        grid = grid[::-1]
    middles = (grid[:-1, :-1] + grid[1:, :-1] + grid[:-1, 1:] + grid[1:, 1:]) / 4
    x, y = np.rint(middles).astype(int).transpose(2, 0, 1)
    shades = image[y.clip(0, image.shape[0] - 1), x.clip(0, image.shape[1] - 1)].astype(np.float64)
    like_first = np.indices(shades.shape).sum(0) % 2 == 0
    if (across + down) % 2 and shades[like_first].mean() > shades[~like_first].mean():
        grid = grid[::-1, ::-1]
    return np.ascontiguousarray(grid.reshape(-1, 2))


def _refined(image: NDArray[np.uint8], corners: NDArray[np.float32]) -> Floats:
    """(N, 2), moved to where the gradients around say, in a window that no other corner lies in."""
    points = corners.reshape(-1, 2)
    apart = np.linalg.norm(points[:, None] - points, axis=-1)
    nearest = apart[apart > 0].min()
    reach = int(np.clip(_WINDOW_SHARE * nearest, *_WINDOWS))
    moved = cv2.cornerSubPix(image, points[:, None].copy(), (reach, reach), (-1, -1), _STEPS)
    return np.asarray(moved[:, 0], np.float64)
