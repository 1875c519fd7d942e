"""Painting shapes with smooth edges onto a uint8 RGB image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from python_models.data.people.palette import TILE, Texture

_SUBPIXEL_BITS = 4
_ARC = np.stack([np.cos(np.linspace(0.0, np.pi, 7)), np.sin(np.linspace(0.0, np.pi, 7))], axis=1)


def circle(count: int) -> np.ndarray:
    """Return `count` points (cos, sin) around the unit circle."""
    turn = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


_CIRCLES = {count: circle(count) for count in (8, 12, 28)}


def ellipse_outline(centre: np.ndarray, axes: np.ndarray | float, count: int = 12) -> np.ndarray:
    """Return 8, 12 or 28 points of the ellipse centre + axes @ (cos, sin); a number makes it a circle."""
    points = _CIRCLES[count]
    return centre + (points * axes if isinstance(axes, float) else points @ axes.T)


def axis_frame(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return the unit vectors across and along an axis as rows; an axis without length points down."""
    x, y = (end - start).tolist()
    length = (x * x + y * y) ** 0.5
    if length < 1e-6:
        return np.array([[-1.0, 0.0], [0.0, 1.0]])
    return np.array([[-y, x], [x, y]]) / length


def capsule_outline(
    start: np.ndarray, end: np.ndarray, radii: np.ndarray, bulge: float = 0.0, far_cap: float = 1.0
) -> np.ndarray:
    """Return the outline (M, 2) of a limb: round at both ends, swollen at a third of its length.

    bulge: of the swelling, as a fraction of the radius there. far_cap: how far the cap at the end reaches,
    as a fraction of the radius; a small one cuts the limb almost straight.
    """
    frame = axis_frame(start, end)
    far = end + (_ARC * [radii[1], far_cap * radii[1]]) @ frame
    near = start - radii[0] * _ARC @ frame
    third = 0.65 * start + 0.35 * end
    swell = (1.0 + bulge) * (0.65 * radii[0] + 0.35 * radii[1]) * frame[:1]
    return np.concatenate([far, third - swell, near, third + swell])


def smooth(outline: np.ndarray, rounds: int = 2) -> np.ndarray:
    """Round the corners of a closed outline by cutting them (Chaikin's rule)."""
    for _ in range(rounds):
        following = np.concatenate([outline[1:], outline[:1]])
        step = 0.25 * (following - outline)
        outline = np.stack([outline + step, following - step], axis=1).reshape(-1, 2)
    return outline


def _fixed_point(points: np.ndarray) -> np.ndarray:
    return np.rint(points * (1 << _SUBPIXEL_BITS)).astype(np.int32)


class Brush:
    """Paints on one image.

    Args:
        image: uint8 (H, W, 3), changed in place.
        stature: length in pixels that a texture's density refers to.
        light: direction toward the light in the image (x, y), at most 1 long.
        relief: how strongly round shapes are shaded.
    """

    def __init__(self, image: np.ndarray, stature: float, light: np.ndarray, relief: float) -> None:
        self.image, self.stature, self.light, self.relief = image, stature, light, relief

    def flat(self, outline: np.ndarray, colour: Sequence[float] | np.ndarray) -> None:
        """Fill a shape with one colour."""
        tone = tuple(map(float, colour))
        cv2.fillPoly(self.image, [_fixed_point(outline)], tone, cv2.LINE_AA, _SUBPIXEL_BITS)

    def line(self, points: np.ndarray, colour: Sequence[float] | np.ndarray, width: float) -> None:
        """Draw a line through points, at least one pixel wide."""
        tone, thickness = tuple(map(float, colour)), max(1, round(width))
        cv2.polylines(self.image, [_fixed_point(points)], False, tone, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)

    def textured(
        self,
        outline: np.ndarray,
        texture: Texture,
        start: np.ndarray,
        end: np.ndarray,
        radius: float,
        gain: float = 1.0,
    ) -> None:
        """Fill a shape with a pattern that lies along an axis, shaded as if the shape were round about it."""
        height, width = self.image.shape[:2]
        (left, top), (right, bottom) = outline.min(0).tolist(), outline.max(0).tolist()
        x0, y0 = max(int(left) - 1, 0), max(int(top) - 1, 0)
        x1, y1 = min(int(right) + 3, width), min(int(bottom) + 3, height)
        if x1 <= x0 or y1 <= y0:
            return
        mask = np.zeros((y1 - y0, x1 - x0), dtype=np.uint8)
        cv2.fillPoly(mask, [_fixed_point(outline - (x0, y0))], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
        frame = axis_frame(start, end)
        origin = np.array([x0, y0]) - start
        pattern = self._pattern(texture, mask.shape, frame, origin)
        shade = self._shade(mask.shape, frame[0], origin, radius, gain)
        colour = cv2.multiply(pattern, shade, scale=1.0 / 128.0)
        weight = mask * np.float32(1.0 / 255.0)
        region = self.image[y0:y1, x0:x1]
        region[:] = cv2.blendLinear(colour, region, weight, 1.0 - weight)

    def _pattern(
        self, texture: Texture, shape: tuple[int, ...], frame: np.ndarray, origin: np.ndarray
    ) -> np.ndarray:
        rows = frame * (texture.density / self.stature)
        matrix = np.column_stack([rows, rows @ origin + TILE / 2])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(texture.tile, matrix, shape[1::-1], flags=flags, borderMode=cv2.BORDER_WRAP)

    def _shade(
        self, shape: tuple[int, ...], across: np.ndarray, origin: np.ndarray, radius: float, gain: float
    ) -> np.ndarray:
        """Return brightness in 128ths, (h, w, 3): darker toward the edges, more so away from the light."""
        slope = (across / max(radius, 1e-3)).astype(np.float32)
        x = (np.arange(shape[1], dtype=np.float32) + np.float32(origin[0])) * slope[0]
        y = (np.arange(shape[0], dtype=np.float32) + np.float32(origin[1])) * slope[1]
        place = np.clip(x + y[:, None], -1.0, 1.0)
        lit, relief = np.float32(across @ self.light), np.float32(128.0 * gain * self.relief)
        brightness = np.float32(128.0 * gain) + 0.25 * relief + relief * place * (lit - place)
        tone = brightness.astype(np.uint8)
        return cv2.merge((tone, tone, tone))
