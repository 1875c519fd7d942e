"""Painting textured, shaded shapes with smooth edges onto a uint8 RGB image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .wardrobe import TILE, Texture

_SUBPIXEL_BITS = 4
_HALF_TURN = np.linspace(0.0, np.pi, 7)


def capsule_outline(
    start: np.ndarray, end: np.ndarray, radii: Sequence[float], bulge: float = 0.0, stretch: float = 1.0
) -> np.ndarray:
    """Return the outline (M, 2) of a limb with round ends.

    bulge: how much the limb swells (as muscle does) a third of its way, as a fraction of the radius there;
    stretch: the caps reach this fraction of the radius beyond the ends, 0 cuts them straight.
    """
    along = end - start
    length = float(np.hypot(*along))
    forward = along / length if length > 1e-6 else np.array([0.0, 1.0])
    across = np.array([-forward[1], forward[0]])
    arc = np.stack([np.cos(_HALF_TURN), np.sin(_HALF_TURN)], axis=1)
    far = end + radii[1] * (arc[:, :1] * across + stretch * arc[:, 1:] * forward)
    near = start + radii[0] * (-arc[:, :1] * across - stretch * arc[:, 1:] * forward)
    swell = (1.0 + bulge) * (0.65 * radii[0] + 0.35 * radii[1])
    third = start + 0.35 * along
    return np.concatenate([far, [third - swell * across], near, [third + swell * across]])


def smooth(outline: np.ndarray, rounds: int = 2) -> np.ndarray:
    """Round the corners of a closed outline by cutting them (Chaikin's rule)."""
    for _ in range(rounds):
        following = np.roll(outline, -1, axis=0)
        pair = np.stack([0.75 * outline + 0.25 * following, 0.25 * outline + 0.75 * following], axis=1)
        outline = pair.reshape(-1, 2)
    return outline


def ellipse_outline(centre: np.ndarray, axes: np.ndarray, count: int = 20) -> np.ndarray:
    """Return points of the ellipse centre + axes @ (cos, sin); axes is (2, 2), in pixels."""
    turn = np.linspace(0.0, 2.0 * np.pi, count, endpoint=False)
    return centre + np.stack([np.cos(turn), np.sin(turn)], axis=1) @ axes.T


def _fixed_point(points: np.ndarray) -> np.ndarray:
    return np.round(points * (1 << _SUBPIXEL_BITS)).astype(np.int32)


class Brush:
    """Paints on one image; `pixels` is the stature in pixels and `light` the light's direction (x, y)."""

    def __init__(self, image: np.ndarray, pixels: float, light: np.ndarray, relief: float) -> None:
        self.image, self.pixels, self.light, self.relief = image, pixels, light, relief

    def flat(self, outline: np.ndarray, colour: Sequence[float]) -> None:
        """Fill a shape with one colour."""
        tone = tuple(float(value) for value in colour)
        cv2.fillPoly(self.image, [_fixed_point(outline)], tone, cv2.LINE_AA, _SUBPIXEL_BITS)

    def line(self, points: np.ndarray, colour: Sequence[float], width: float) -> None:
        """Draw a line through points; it is at least one pixel wide."""
        tone, thickness = tuple(float(value) for value in colour), max(1, round(width))
        cv2.polylines(
            self.image, [_fixed_point(points)], False, tone, thickness, cv2.LINE_AA, _SUBPIXEL_BITS
        )

    def textured(
        self, outline: np.ndarray, texture: Texture, start: np.ndarray, end: np.ndarray, radius: float, gain: float = 1.0
    ) -> None:
        """Fill a shape with a pattern that lies along an axis, shaded as if the shape were round about it."""
        x0, y0 = np.maximum(np.floor(outline.min(0)).astype(int) - 1, 0)
        x1, y1 = np.minimum(np.ceil(outline.max(0)).astype(int) + 2, self.image.shape[1::-1])
        if x1 <= x0 or y1 <= y0:
            return
        mask = np.zeros((y1 - y0, x1 - x0), dtype=np.uint8)
        cv2.fillPoly(mask, [_fixed_point(outline - (x0, y0))], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
        along = end - start
        length = float(np.hypot(*along))
        forward = along / length if length > 1e-6 else np.array([0.0, 1.0])
        across = np.array([-forward[1], forward[0]])
        x = np.arange(x0, x1, dtype=np.float32) - np.float32(start[0])
        y = np.arange(y0, y1, dtype=np.float32)[:, None] - np.float32(start[1])
        place = (x * across[0] + y * across[1]) * np.float32(1.0 / max(radius, 1e-3))
        np.clip(place, -1.0, 1.0, out=place)
        lit = float(across @ self.light)
        shade = gain * ((1.0 + 0.25 * self.relief) + self.relief * place * (lit - place))
        tile = self._tile(texture, mask.shape, (x0, y0), start, forward, across)
        weight = mask.astype(np.float32)[..., None] * np.float32(1.0 / 255.0)
        region = self.image[y0:y1, x0:x1]
        colour = np.minimum(tile * shade[..., None], 255.0)
        region[:] = region + weight * (colour - region) + 0.5

    def _tile(
        self,
        texture: Texture,
        shape: tuple[int, ...],
        corner: tuple[int, int],
        start: np.ndarray,
        forward: np.ndarray,
        across: np.ndarray,
    ) -> np.ndarray:
        rows = np.stack([across, forward]) * (texture.density / self.pixels)
        shift = rows @ (np.asarray(corner) - start) + TILE / 2
        return cv2.warpAffine(
            texture.tile,
            np.column_stack([rows, shift]),
            shape[1::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_WRAP,
        )
