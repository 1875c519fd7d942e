"""Painting a head: skull, hair, face. Places on the head are directions from the skull's centre."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .body import HEAD_AXES
from .brush import Brush, ellipse_outline
from .figure import HEAD, Figure
from .wardrobe import Outfit

_TURN = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
_EYES = np.array([[0.36, 0.10, 0.90], [-0.36, 0.10, 0.90]])
_EARS = np.array([[1.0, -0.05, -0.08], [-1.0, -0.05, -0.08]])
# Where the face begins below the hair: middle of the face and half its opening, in degrees.
_FACE_BY_HAIR = {
    "short": (-14.0, 70.0), "long": (-14.0, 60.0), "bun": (-10.0, 70.0), "tail": (-10.0, 70.0),
    "afro": (-16.0, 64.0), "cap": (-26.0, 66.0), "beanie": (-24.0, 66.0),
}  # fmt: skip


class Skull(NamedTuple):
    """The head in the image. `map` (3, 3) takes a direction on the head to pixels right, pixels down, depth."""

    centre: np.ndarray
    map: np.ndarray
    silhouette: np.ndarray  # (2, 2): the outline is centre + silhouette @ unit circle
    size: float  # mean radius in pixels

    def place(self, directions: np.ndarray) -> np.ndarray:
        """Return image positions (…, 2) of directions (…, 3)."""
        return self.centre + directions @ self.map[:2].T

    def nearness(self, directions: np.ndarray) -> np.ndarray:
        """Return how much a place on the head faces the camera: 1 fully, 0 at the outline, below 0 not."""
        return (directions @ self.map[2]) / np.linalg.norm(self.map[2])


def skull_of(figure: Figure) -> Skull:
    """Place the head of a figure."""
    camera, body = figure.camera, figure.body
    axes = np.diag(HEAD_AXES * body.build.head)
    mapping = camera.frame @ body.head_frame @ axes * camera.pixels
    mapping[1] *= -1.0
    silhouette = np.linalg.cholesky(mapping[:2] @ mapping[:2].T)
    return Skull(figure.start[HEAD], mapping, silhouette, float(np.sqrt(abs(np.linalg.det(silhouette)))))


def _patch(skull: Skull, tilt_deg: float, opening_deg: float) -> np.ndarray | None:
    """Return the visible outline of a round patch on the front of the head, or None if it faces away."""
    tilt, opening = np.radians(tilt_deg), np.radians(opening_deg)
    middle = np.array([0.0, np.sin(tilt), np.cos(tilt)])
    upward = np.array([0.0, np.cos(tilt), -np.sin(tilt)])
    rim = np.cos(opening) * middle + np.sin(opening) * (
        np.cos(_TURN)[:, None] * np.array([0.92, 0.0, 0.0]) + np.sin(_TURN)[:, None] * upward
    )
    if (skull.nearness(rim) <= 0).all():
        return None
    flat = np.linalg.solve(skull.silhouette, (rim @ skull.map[:2].T).T).T
    behind = skull.nearness(rim) < 0
    flat[behind] /= np.maximum(np.linalg.norm(flat[behind], axis=1, keepdims=True), 1e-6)
    return skull.centre + flat @ skull.silhouette.T


def _shaded(brush: Brush, outline: np.ndarray, texture, skull: Skull, gain: float = 1.0) -> None:
    up = skull.place(np.array([0.0, 1.0, 0.0])) - skull.centre
    radius = float(np.linalg.norm(outline - skull.centre, axis=1).max())
    brush.textured(outline, texture, skull.centre + 0.1 * up, skull.centre - up, radius, gain)


def paint_hair_behind(brush: Brush, figure: Figure, outfit: Outfit, skull: Skull) -> None:
    """Paint the hair that hangs or stands around the skull, before neck and head."""
    if outfit.hairstyle == "afro":
        _shaded(brush, ellipse_outline(skull.place(np.array([0, 0.25, -0.2])), 1.4 * skull.silhouette), outfit.hair, skull)
    elif outfit.hairstyle == "long":
        top = skull.place(np.array([0.0, 0.2, -0.3]))
        down = skull.place(np.array([0.0, -1.5, -0.75]))
        wide = 0.95 * skull.size
        sides = np.array([[-wide, 0.0], [wide, 0.0]])
        outline = np.concatenate([top + sides, (down + 0.9 * sides)[::-1]])
        brush.textured(outline, outfit.hair, top, down, wide, 0.85)
    elif outfit.hairstyle in ("bun", "tail"):
        knot = skull.place(np.array([0.0, 0.75, -0.95] if outfit.hairstyle == "bun" else [0.0, 0.2, -1.25]))
        brush.textured(
            ellipse_outline(knot, 0.42 * skull.size * np.eye(2)), outfit.hair, knot, skull.centre, skull.size
        )


def _paint_ears(brush: Brush, outfit: Outfit, skull: Skull, near: bool) -> None:
    if outfit.hairstyle in ("long", "afro"):
        return
    for ear, facing in zip(_EARS, skull.nearness(_EARS), strict=True):
        if (facing > 0) == near:
            outline = ellipse_outline(skull.place(ear), np.diag([0.17, 0.27]) * skull.size, 10)
            _shaded(brush, outline, outfit.skin, skull, 0.9)


def paint_head(brush: Brush, figure: Figure, outfit: Outfit, skull: Skull) -> None:
    """Paint skull, hair and, as far as they face the camera, the features."""
    covered = outfit.hairstyle not in ("bald",)
    outline = ellipse_outline(skull.centre, skull.silhouette * (1.07 if covered else 1.0), 28)
    _paint_ears(brush, outfit, skull, near=False)
    _shaded(brush, outline, outfit.hair if covered else outfit.skin, skull)
    if covered:
        face = _patch(skull, *_FACE_BY_HAIR[outfit.hairstyle])
        if face is not None:
            _shaded(brush, face, outfit.skin, skull)
    _paint_ears(brush, outfit, skull, near=True)
    if outfit.hairstyle in ("cap", "beanie"):
        _paint_hat(brush, outfit, skull)
    _paint_features(brush, outfit, skull)


def _paint_hat(brush: Brush, outfit: Outfit, skull: Skull) -> None:
    turn = _TURN
    band = np.stack([np.cos(turn) * 0.98, np.full_like(turn, 0.38), np.sin(turn) * 0.98], axis=1) * 1.06
    crown = np.array([[0.0, 1.18, 0.0], [0.5, 1.0, 0.0], [-0.5, 1.0, 0.0], [0.0, 1.0, 0.5], [0.0, 1.0, -0.5]])
    points = skull.place(np.concatenate([band, crown])).astype(np.float32)
    _shaded(brush, _hull(points), outfit.top, skull)
    if outfit.hairstyle == "cap":
        peak = np.array([[0.75, 0.42, 0.7], [0.55, 0.3, 1.65], [-0.55, 0.3, 1.65], [-0.75, 0.42, 0.7]])
        if skull.nearness(np.array([0.0, 0.0, 1.0])) > -0.25:
            brush.flat(skull.place(peak), outfit.accent)


def _hull(points: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.convexHull(points)[:, 0].astype(np.float64)


def _paint_features(brush: Brush, outfit: Outfit, skull: Skull) -> None:
    skin = outfit.skin.tile.reshape(-1, 3).mean(0)
    hair = outfit.hair.tile.reshape(-1, 3).mean(0)
    unit = skull.size
    if outfit.beard and skull.nearness(np.array([0.0, -0.6, 0.8])) > 0.1:
        jaw = np.array([[0.7, -0.35, 0.6], [0.45, -0.85, 0.5], [0, -1.0, 0.45], [-0.45, -0.85, 0.5], [-0.7, -0.35, 0.6], [0, -0.42, 1.0]])
        brush.flat(skull.place(jaw), 0.85 * hair)
    for eye, facing in zip(_EYES, skull.nearness(_EYES), strict=True):
        if facing < 0.12:
            continue
        spot = skull.place(eye)
        white = ellipse_outline(spot, np.diag([0.2 * facing, 0.13]) * unit, 10)
        brush.flat(white, (238, 236, 232))
        brush.flat(ellipse_outline(spot, np.diag([0.11 * facing, 0.12]) * unit, 8), (36, 28, 26))
        inner, outer = eye + [-0.5 * eye[0], 0.26, 0.08], eye + [0.45 * eye[0], 0.24, -0.1]
        brush.line(skull.place(np.stack([inner, outer])), 0.6 * hair, 0.09 * unit)
        if outfit.glasses:
            ring = ellipse_outline(spot, np.diag([0.3 * facing, 0.25]) * unit, 12)
            brush.line(np.concatenate([ring, ring[:1]]), (30, 30, 34), 0.06 * unit)
    bridge, tip = np.array([0.0, 0.05, 0.98]), np.array([0.0, -0.2, 1.06])
    if skull.nearness(tip) > -0.1:
        under = tip + [0.0, -0.08, -0.06]
        wing = np.array([0.13, -0.24, 0.93])
        brush.flat(skull.place(np.stack([bridge, wing, under, wing * [-1, 1, 1]])), 0.82 * skin)
        brush.flat(ellipse_outline(skull.place(tip), 0.1 * unit * np.eye(2), 8), 0.93 * skin)
    mouth = np.array([[0.26, -0.5, 0.83], [0.0, -0.53, 0.88], [-0.26, -0.5, 0.83]])
    if (skull.nearness(mouth) > 0.05).all():
        brush.line(skull.place(mouth), 0.65 * skin * [1.0, 0.8, 0.8], 0.12 * unit)
