"""Motion between two frames, read at joints, forward and backward: OpenCV's dense inverse search or Lucas-Kanade."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from python_models.errors import UserError, unknown_name

_PRESETS = {
    "dis_ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "dis_fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "dis_medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
FLOWS = (*_PRESETS, "lk", "none")

# Lengths are pixels of the picture that is searched: joints move by many of them, so it need not be larger.
_LONGEST_SIDE = 640
_SMALLEST_SIDE = 32  # below it the patches of the search do not fit
_RETURN_PX = 2.0  # a point that comes back farther from its start was covered, or not found
_ALIKE = 25.0  # grey levels: a point whose surroundings change more was covered too
_SURROUNDINGS = (5, 5)
_LK_WINDOW, _LK_LEVELS = (21, 21), 3
# A cut: most of the picture changes by so many grey levels, and of its corners at most this share comes back.
_CHANGED, _CHANGED_SHARE = 16, 0.4
_CORNERS, _CORNER_QUALITY, _CORNER_SPACING = 200, 0.02, 8.0
_CUT_SHARE = 0.25

Points = NDArray[np.float32]
Image = NDArray[np.uint8]


class Moved(NamedTuple):
    """Points in the next frame, (..., 2) float32, and whether each comes back to its start, (...) bool."""

    points: Points
    trusted: NDArray[np.bool_]


class Flow(ABC):
    """The motion from one frame to the next; `flow_between` makes one."""

    @abstractmethod
    def move(self, points: Points) -> Moved:
        """Follow points (..., 2), in pixels of the frame; a point outside moves as the border nearest to it."""

    @property
    @abstractmethod
    def is_cut(self) -> bool:
        """Whether the next frame shows another scene."""


def flow_between(before: Image, after: Image, method: str = "dis_medium") -> Flow:
    """The motion between two frames.

    Args:
        before, after: uint8 (H, W, 3) RGB of one size. Longer sides than 640 pixels are searched at that size.
        method: "dis_ultrafast", "dis_fast" or "dis_medium": dense inverse search, by OpenCV's presets; "lk":
            pyramidal Lucas-Kanade at the points alone; "none": nothing moves, as a baseline.

    Raises:
        UserError: frames of two sizes or smaller than 32 pixels, a method that is none.

    Source: Kroeger et al., Fast Optical Flow using Dense Inverse Search, ECCV 2016; Bouguet, Pyramidal Implementation
    of the Lucas Kanade Feature Tracker, Intel 2000.
    """
    if method not in FLOWS:
        raise unknown_name("flow", method, FLOWS)
    if before.shape != after.shape or min(before.shape[:2]) < _SMALLEST_SIDE:
        wanted = f"two frames of one size, at least {_SMALLEST_SIDE} pixels wide and high"
        raise UserError(f"flow: expected {wanted}, got {before.shape} and {after.shape}")
    if method == "none":
        return _Stillness()
    return _LucasKanade(before, after) if method == "lk" else _DenseSearch(before, after, method)


class _Stillness(Flow):
    def move(self, points: Points) -> Moved:
        return Moved(np.asarray(points, np.float32), np.ones(points.shape[:-1], bool))

    @property
    def is_cut(self) -> bool:
        return False


class _Searched(Flow):
    """Follows points by `step` there and back, in a grey picture that may be smaller than the frame."""

    def __init__(self, before: Image, after: Image) -> None:
        self.first, self.second = _grey(before), _grey(after)
        self._smooth = [cv2.blur(picture, _SURROUNDINGS) for picture in (self.first, self.second)]
        # Pixel centres are whole numbers: a point x of the frame lies at (x + 0.5) * scale - 0.5 of the picture.
        self._scale = np.array(self.first.shape[::-1], np.float32) / np.array(before.shape[1::-1], np.float32)

    @abstractmethod
    def step(self, points: Points, *, forward: bool) -> Points:
        """Points (N, 2) of one picture in the other, N at least 1; NaN where they are not found."""

    def move(self, points: Points) -> Moved:
        if points.size == 0:
            return Moved(np.asarray(points, np.float32), np.zeros(points.shape[:-1], bool))
        there, trusted = self._move_in_picture(
            (np.asarray(points, np.float32).reshape(-1, 2) + 0.5) * self._scale - 0.5
        )
        moved = (there + 0.5) / self._scale - 0.5
        return Moved(moved.reshape(points.shape).astype(np.float32), trusted.reshape(points.shape[:-1]))

    @property
    def is_cut(self) -> bool:
        changed = cv2.absdiff(*self._smooth) > _CHANGED
        if changed.mean() < _CHANGED_SHARE:  # somebody moves fast before a scene that stays
            return False
        corners = cv2.goodFeaturesToTrack(self.first, _CORNERS, _CORNER_QUALITY, _CORNER_SPACING)
        if corners is None:  # nothing to be seen, and nothing to be lost
            return False
        return float(self._move_in_picture(corners.reshape(-1, 2)).trusted.mean()) <= _CUT_SHARE

    def _move_in_picture(self, points: Points) -> Moved:
        there = self.step(points, forward=True)
        found = np.isfinite(there).all(-1)
        there = np.where(found[:, None], there, points)
        back = self.step(there, forward=False)
        returned = np.hypot(*(back - points).T) < _RETURN_PX
        was, is_now = (
            _sample(picture[..., None], at) for picture, at in zip(self._smooth, (points, there), strict=True)
        )
        return Moved(there, found & returned & (np.abs(is_now - was)[:, 0] < _ALIKE))


class _DenseSearch(_Searched):
    def __init__(self, before: Image, after: Image, method: str) -> None:
        super().__init__(before, after)
        search = cv2.DISOpticalFlow.create(_PRESETS[method])
        self._fields = {
            True: search.calc(self.first, self.second, None),
            False: search.calc(self.second, self.first, None),
        }

    def step(self, points: Points, *, forward: bool) -> Points:
        return points + _sample(self._fields[forward], points)


class _LucasKanade(_Searched):
    def step(self, points: Points, *, forward: bool) -> Points:
        before, after = (self.first, self.second) if forward else (self.second, self.first)
        height, width = before.shape
        inside = np.clip(points, 0, [width - 1, height - 1]).astype(np.float32)
        there, found, _ = cv2.calcOpticalFlowPyrLK(
            before, after, inside[:, None], None, winSize=_LK_WINDOW, maxLevel=_LK_LEVELS
        )
        step = np.where(found == 1, there[:, 0] - inside, np.float32(np.nan))
        return np.asarray(points + step, np.float32)


def _grey(frame: Image) -> Image:
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    shrink = _LONGEST_SIDE / max(grey.shape)
    if shrink >= 1:
        return np.asarray(grey, np.uint8)
    size = [max(_SMALLEST_SIDE, round(side * shrink)) for side in grey.shape[::-1]]
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _sample(field: NDArray[Any], points: Points) -> Points:
    """Read a field (H, W, C) at points (N, 2), bilinearly; outside as at the border."""
    height, width = field.shape[:2]
    inside = np.clip(points, 0, [width - 1, height - 1])
    low = np.minimum(inside.astype(np.int64), [width - 2, height - 2])
    right, down = (inside - low).T.astype(np.float32)[..., None]
    x, y = low.T
    upper = field[y, x] * (1 - right) + field[y, x + 1] * right
    lower = field[y + 1, x] * (1 - right) + field[y + 1, x + 1] * right
    return np.asarray(upper * (1 - down) + lower * down, np.float32)
