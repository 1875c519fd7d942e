"""What surrounds a person: background, things in front, light, blur and noise."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from .brush import Brush, capsule_outline, ellipse_outline, smooth
from .wardrobe import grain_window


class Occluder(NamedTuple):
    """Something in front of the person: a closed outline (M, 2) in pixels and its colour."""

    outline: np.ndarray
    colour: np.ndarray


def _colour(rng: np.random.Generator) -> np.ndarray:
    """Draw a colour, mostly of low saturation."""
    grey = rng.uniform(25, 235)
    return np.clip(grey + rng.normal(0, rng.choice((8.0, 22.0, 55.0)), 3), 0, 255).astype(np.float32)


def _clouds(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return smooth noise of two scales around 0, (height, width)."""
    coarse = cv2.resize(grain_window(rng, 5, 4), (width, height), interpolation=cv2.INTER_CUBIC)
    fine = cv2.resize(grain_window(rng, 24, 18), (width, height), interpolation=cv2.INTER_LINEAR)
    return 0.7 * coarse + 0.4 * fine


def paint_background(rng: np.random.Generator, height: int, width: int, ground: float) -> np.ndarray:
    """Paint a place without people; `ground` is the row where a floor may begin."""
    above, below = _colour(rng), _colour(rng)
    image = np.empty((height, width, 3), dtype=np.float32)
    fade = np.linspace(0.85, 1.12, height, dtype=np.float32)[:, None, None]
    image[:] = above * fade
    horizon = int(np.clip(ground - rng.uniform(0.02, 0.4) * height, 0, height))
    if rng.random() < 0.75:
        image[horizon:] = below * fade[horizon:][::-1]
    image += rng.uniform(3, 28) * _clouds(rng, height, width)[..., None]
    canvas = np.clip(image, 0, 255).astype(np.uint8)
    brush = Brush(canvas, float(height), np.array([0.0, -1.0]), 0.15)
    for _ in range(rng.integers(2, 6)):
        _furnish(rng, brush, horizon)
    for _ in range(rng.integers(0, 7)):
        _distract(rng, brush)
    if rng.random() < 0.55:
        canvas = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.6, 2.5))
    return canvas


def _furnish(rng: np.random.Generator, brush: Brush, horizon: int) -> None:
    """Paint something large and angular or leafy: a door, a window, a wall's end, a tree, a hill."""
    height, width = brush.image.shape[:2]
    centre = np.array([rng.uniform(-0.1, 1.1) * width, rng.uniform(0.05, 0.75) * height])
    size = rng.uniform(0.06, 0.32, 2) * (width, height)
    colour = _colour(rng)
    kind = rng.integers(4)
    if kind == 0:
        box = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size
        brush.flat(centre + box, colour)
        brush.flat(centre + 0.8 * box, np.clip(colour * rng.uniform(0.7, 1.3), 0, 255))
        if rng.random() < 0.5:
            brush.line(centre + np.array([[0, -0.8], [0, 0.8]]) * size, colour, 0.012 * height)
    elif kind == 1:
        turn = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        reach = size * rng.uniform(0.75, 1.15, (14, 1))
        trunk = np.array([[centre[0], centre[1]], [centre[0], max(horizon, centre[1])]])
        brush.line(trunk, 0.5 * colour, 0.03 * height)
        brush.flat(smooth(centre + reach * np.stack([np.cos(turn), np.sin(turn)], 1), 1), colour)
    elif kind == 2:
        for row in np.arange(centre[1], centre[1] + size[1], rng.uniform(0.03, 0.09) * height):
            brush.line(np.array([[0, row], [width, row + rng.uniform(-6, 6)]]), colour, 1.5)
    else:
        hill = [[-5, horizon], [0.3 * width, horizon - size[1]], [0.7 * width, horizon - 0.5 * size[1]]]
        brush.flat(smooth(np.array([*hill, [width + 5, horizon], [width + 5, horizon + 3]]), 2), colour)


def _distract(rng: np.random.Generator, brush: Brush) -> None:
    """Paint something that resembles a limb or a head."""
    height, width = brush.image.shape[:2]
    start = rng.uniform(0, 1, 2) * (width, height)
    turn, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.3) * height
    end = start + length * np.array([np.cos(turn), np.sin(turn)])
    radii = rng.uniform(0.01, 0.04, 2) * height
    if rng.random() < 0.25:
        brush.flat(ellipse_outline(start, np.diag(rng.uniform(0.02, 0.06, 2)) * height), _colour(rng))
    else:
        brush.flat(capsule_outline(start, end, radii), _colour(rng))


def draw_occluder(rng: np.random.Generator, low: np.ndarray, high: np.ndarray) -> Occluder:
    """Draw something in front of a person whose box is given: a table, a pole, a ball, a bag, a bush."""
    extent = high - low
    kind = rng.integers(4)
    if kind == 0:
        top = high[1] - rng.uniform(0.08, 0.3) * extent[1]
        left, right = low[0] - rng.uniform(0.1, 0.6, 2) * extent[0] * (1, -1) + (0, extent[0])
        outline = np.array([[left, top], [right, top + rng.uniform(-4, 4)], [right, high[1] + 30], [left, high[1] + 30]])
    elif kind == 1:
        x, half = rng.uniform(low[0], high[0]), rng.uniform(0.015, 0.05) * extent[1]
        outline = np.array([[x - half, -5], [x + half, -5], [x + 1.1 * half, 1e3], [x - 1.1 * half, 1e3]])
    else:
        centre = low + rng.uniform((0.0, 0.35), (1.0, 1.0)) * extent
        count = 16 if kind == 2 else 7
        turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
        reach = rng.uniform(0.05, 0.11) * extent[1] * (1.0 if kind == 2 else rng.uniform(0.7, 1.2, (count, 1)))
        outline = centre + reach * np.stack([np.cos(turn), np.sin(turn)], 1)
    return Occluder(outline, _colour(rng))


def paint_occluder(rng: np.random.Generator, brush: Brush, occluder: Occluder) -> None:
    """Paint an occluder with a lighter rim on top."""
    brush.flat(occluder.outline, occluder.colour)
    top = occluder.outline[np.argsort(occluder.outline[:, 1])[:2]]
    brush.line(top, np.clip(1.2 * occluder.colour, 0, 255), 2)


def paint_shadow(image: np.ndarray, centre: np.ndarray, width: float) -> None:
    """Darken the ground under a person."""
    layer = np.zeros(image.shape[:2], dtype=np.uint8)
    Brush(layer[..., None], 1.0, np.zeros(2), 0.0)
    cv2.ellipse(layer, (tuple(map(float, centre)), (2.0 * width, 0.5 * width), 0.0), 90, -1, cv2.LINE_AA)
    image -= (image * (layer[..., None] * np.float32(1 / 255))).astype(np.uint8)


def finish(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Apply uneven light, colour cast, blur and sensor noise."""
    height, width = image.shape[:2]
    if rng.random() < 0.4:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.1))
    slope = rng.uniform(-0.22, 0.22, 2)
    light = 1.0 + slope[0] * np.linspace(-1, 1, width, dtype=np.float32)
    light = light + slope[1] * np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    cast = (rng.uniform(0.75, 1.15) * rng.uniform(0.93, 1.07, 3)).astype(np.float32)
    result = image * (light[..., None] * cast)
    result += (rng.uniform(0.5, 7.0) * grain_window(rng, height, width))[..., None]
    return np.clip(result, 0, 255).astype(np.uint8)
