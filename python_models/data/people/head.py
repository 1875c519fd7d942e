"""Painting a head: skull, hair, hat, face. Places on it are directions from the skull's centre."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from python_models.data.people.body import EARS, EYES, HEAD_AXES, NOSE
from python_models.data.people.brush import Brush, circle, ellipse_outline
from python_models.data.people.figure import HEAD, Figure
from python_models.data.people.palette import Texture
from python_models.data.people.wardrobe import Outfit

_RIM = circle(24)
# Where the face begins under the hair: tilt of its middle and half its opening, in degrees.
_FACE_BY_HAIR = {
    "short": (-14.0, 70.0), "long": (-14.0, 60.0), "bun": (-10.0, 70.0), "tail": (-10.0, 70.0),
    "afro": (-16.0, 64.0), "cap": (-26.0, 66.0), "beanie": (-24.0, 66.0),
}  # fmt: skip
_FORWARD = np.array([0.0, 0.0, 1.0])
_JAW = np.array(
    [
        [0.7, -0.35, 0.6],
        [0.45, -0.85, 0.5],
        [0, -1, 0.45],
        [-0.45, -0.85, 0.5],
        [-0.7, -0.35, 0.6],
        [0, -0.42, 1],
    ]
)
_MOUTH = np.array([[0.26, -0.5, 0.83], [0.0, -0.53, 0.88], [-0.26, -0.5, 0.83]])
_NOSE_SIDES = np.array([[0.0, 0.05, 0.98], [0.13, -0.24, 0.93], [0.0, -0.28, 1.0], [-0.13, -0.24, 0.93]])
_BROW = np.array(
    [[0.5, 1.26, 1.09], [1.45, 1.24, 0.89]]
)  # inner and outer end, as factors of the eye's place
_HAT_BAND = np.stack([1.04 * _RIM[:, 0], np.full(24, 0.40), 1.04 * _RIM[:, 1]], axis=1)
_HAT_CROWN = np.array([[0, 1.2, 0], [0.5, 1.04, 0], [-0.5, 1.04, 0], [0, 1.04, 0.5], [0, 1.04, -0.5]])
_PEAK = np.array([[0.75, 0.42, 0.7], [0.55, 0.3, 1.65], [-0.55, 0.3, 1.65], [-0.75, 0.42, 0.7]])


class Skull(NamedTuple):
    """The head in the image; `map` (3, 3) takes a direction on it to pixels right, pixels down and depth."""

    centre: np.ndarray
    map: np.ndarray
    silhouette: np.ndarray  # (2, 2): the outline is centre + silhouette @ unit circle
    size: float  # mean radius in pixels

    def place(self, directions: np.ndarray) -> np.ndarray:
        """Return image positions (…, 2) of directions (…, 3)."""
        return self.centre + directions @ self.map[:2].T

    def nearness(self, directions: np.ndarray) -> np.ndarray:
        """Return how much places on the head face the camera: 1 fully, 0 on the outline, below 0 not."""
        return directions @ self.map[2] / np.sqrt(self.map[2] @ self.map[2])


def skull_of(figure: Figure) -> Skull:
    """Place the head of a figure."""
    camera, body = figure.camera, figure.body
    mapping = camera.frame @ body.head_frame * (HEAD_AXES * body.build.head * camera.pixels)
    mapping[1] *= -1.0
    silhouette = np.linalg.cholesky(mapping[:2] @ mapping[:2].T)
    size = float(np.sqrt(silhouette[0, 0] * silhouette[1, 1]))
    return Skull(figure.start[HEAD], mapping, silhouette, size)


def paint_hair_behind(brush: Brush, outfit: Outfit, skull: Skull) -> None:
    """Paint the hair that hangs or stands around the skull; neck and head cover parts of it."""
    style, hair = outfit.hairstyle, outfit.hair
    if style == "afro":
        cloud = ellipse_outline(skull.place(np.array([0.0, 0.25, -0.2])), 1.4 * skull.silhouette, 28)
        _fill(brush, cloud, hair, skull)
    elif style == "long":
        top, low = skull.place(np.array([[0.0, 0.2, -0.3], [0.0, -1.5, -0.75]]))
        side = np.array([0.95 * skull.size, 0.0])
        outline = np.stack([top - side, top + side, low + 0.9 * side, low - 0.9 * side])
        brush.textured(outline, hair, top, low, 0.95 * skull.size, 0.85)
    elif style in ("bun", "tail"):
        knot = skull.place(np.array([0.0, 0.75, -0.95] if style == "bun" else [0.0, 0.2, -1.25]))
        brush.textured(ellipse_outline(knot, 0.42 * skull.size), hair, knot, skull.centre, skull.size)


def paint_head(brush: Brush, outfit: Outfit, skull: Skull) -> None:
    """Paint skull, hair and, as far as they face the camera, the features."""
    bald = outfit.hairstyle == "bald"
    _paint_ears(brush, outfit, skull, near=False)
    outline = ellipse_outline(skull.centre, skull.silhouette * (1.0 if bald else 1.07), 28)
    _fill(brush, outline, outfit.skin if bald else outfit.hair, skull)
    face = None if bald else _patch(skull, *_FACE_BY_HAIR[outfit.hairstyle])
    if face is not None:
        _fill(brush, face, outfit.skin, skull)
    _paint_ears(brush, outfit, skull, near=True)
    if outfit.hairstyle in ("cap", "beanie"):
        _paint_hat(brush, outfit, skull)
    _paint_eyes(brush, outfit, skull)
    _paint_nose_and_mouth(brush, outfit, skull)


def _fill(brush: Brush, outline: np.ndarray, texture: Texture, skull: Skull, gain: float = 1.0) -> None:
    up = skull.map[:2, 1]
    brush.textured(outline, texture, skull.centre + 0.1 * up, skull.centre - up, 1.1 * skull.size, gain)


def _patch(skull: Skull, tilt_deg: float, opening_deg: float) -> np.ndarray | None:
    """Return the outline of a round patch on the front of the head, as far as it is seen, or None.

    Points of its rim that lie behind the head are moved onto the head's outline.
    """
    tilt, opening = np.radians(tilt_deg), np.radians(opening_deg)
    middle = np.array([0.0, np.sin(tilt), np.cos(tilt)])
    across = np.array([[0.92, 0.0, 0.0], [0.0, np.cos(tilt), -np.sin(tilt)]])
    rim = np.cos(opening) * middle + np.sin(opening) * _RIM @ across
    behind = skull.nearness(rim) <= 0.0
    if behind.all():
        return None
    flat = np.linalg.solve(skull.silhouette, (rim @ skull.map[:2].T).T).T
    flat[behind] /= np.maximum(np.hypot(flat[behind, 0], flat[behind, 1]), 1e-6)[:, None]
    return skull.centre + flat @ skull.silhouette.T


def _paint_ears(brush: Brush, outfit: Outfit, skull: Skull, near: bool) -> None:
    if outfit.hairstyle in ("long", "afro"):
        return
    for ear, facing in zip(EARS, skull.nearness(EARS), strict=True):
        if (facing > 0.0) == near:
            lobe = ellipse_outline(skull.place(ear), skull.size * np.diag([0.17, 0.27]))
            brush.flat(lobe, 0.86 * outfit.skin.colour)


def _paint_hat(brush: Brush, outfit: Outfit, skull: Skull) -> None:
    points = skull.place(np.concatenate([_HAT_BAND, _HAT_CROWN])).astype(np.float32)
    _fill(brush, cv2.convexHull(points)[:, 0].astype(np.float64), outfit.top, skull)
    if outfit.hairstyle == "cap" and skull.nearness(_FORWARD) > -0.25:
        brush.flat(skull.place(_PEAK), outfit.accent)


def _paint_eyes(brush: Brush, outfit: Outfit, skull: Skull) -> None:
    for eye, facing in zip(EYES, skull.nearness(EYES), strict=True):
        if facing < 0.12:
            continue
        spot = skull.place(eye)
        brush.flat(ellipse_outline(spot, skull.size * np.diag([0.20 * facing, 0.13])), (238, 236, 232))
        brush.flat(ellipse_outline(spot, skull.size * np.diag([0.11 * facing, 0.12]), 8), (36, 28, 26))
        brush.line(skull.place(eye * _BROW), 0.6 * outfit.hair.colour, 0.09 * skull.size)
        if outfit.glasses:
            ring = ellipse_outline(spot, skull.size * np.diag([0.30 * facing, 0.25]))
            brush.line(np.concatenate([ring, ring[:1]]), (30, 30, 34), 0.06 * skull.size)


def _paint_nose_and_mouth(brush: Brush, outfit: Outfit, skull: Skull) -> None:
    skin = outfit.skin.colour
    if outfit.beard and skull.nearness(_JAW[2]) > 0.1:
        brush.flat(skull.place(_JAW), 0.85 * outfit.hair.colour)
    if skull.nearness(NOSE) > -0.1:
        brush.flat(skull.place(_NOSE_SIDES), 0.82 * skin)
        brush.flat(ellipse_outline(skull.place(NOSE), 0.1 * skull.size, 8), 0.93 * skin)
    if skull.nearness(_MOUTH).min() > 0.05:
        brush.line(skull.place(_MOUTH), skin * (0.65, 0.5, 0.5), 0.12 * skull.size)
