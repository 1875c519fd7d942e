"""What surrounds a person: background, seat, shadow, things in front, light, blur and noise."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from python_models.data.people.brush import Brush, capsule_outline, circle, ellipse_outline, smooth
from python_models.data.people.palette import (
    CLOTH,
    GROUNDS,
    LEAVES,
    SENSOR_NOISE_STEPS,
    SKIES,
    SKIN,
    TROUSERS,
    WALLS,
    grain,
    pick,
    sensor_noise,
)

_FROM_ABOVE = np.array([0.0, -1.0])


class Occluder(NamedTuple):
    """Something in front of the person: its outline (M, 2) in pixels and its colour."""

    outline: np.ndarray
    colour: np.ndarray


def paint_background(rng: np.random.Generator, height: int, width: int, ground: float) -> np.ndarray:
    """Paint a place without people, uint8 (H, W, 3); `ground` is the row of the person's feet."""
    outdoors = rng.random() < 0.5
    horizon = int(np.clip(ground - rng.uniform(0.03, 0.45) * height, 0, height))
    image = _far_field(rng, height, width, horizon, outdoors)
    brush = Brush(image, float(height), _FROM_ABOVE, 0.15)
    for _ in range(rng.integers(2, 6)):
        (_paint_landscape if outdoors else _paint_interior)(rng, brush, horizon)
    for _ in range(rng.integers(0, 4)):
        _paint_distractor(rng, brush)
    if rng.random() < 0.55:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.2))
    return image


def _far_field(rng: np.random.Generator, height: int, width: int, horizon: int, outdoors: bool) -> np.ndarray:
    """Paint wall or sky above the horizon and ground below, with smooth stains; at a quarter of the size."""
    rows, columns = -(-height // 4), -(-width // 4)
    field = np.empty((rows, columns, 3), dtype=np.float32)
    fade = np.linspace(*rng.uniform(0.85, 1.15, 2), rows, dtype=np.float32)[:, None, None]
    field[:] = pick(rng, SKIES if outdoors else WALLS, 10.0)
    field[horizon // 4 :] = pick(rng, GROUNDS, 10.0)
    coarse = cv2.resize(grain(rng, 5, 4), (columns, rows), interpolation=cv2.INTER_CUBIC)
    stains = coarse + 0.6 * cv2.resize(grain(rng, 24, 18), (columns, rows))
    field = field * fade + (rng.uniform(2, 18) * stains)[..., None]
    small = np.clip(field, 0, 255).astype(np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def _paint_landscape(rng: np.random.Generator, brush: Brush, horizon: int) -> None:
    """Paint a house, a tree, a fence or a hill."""
    height, width = brush.image.shape[:2]
    kind = rng.integers(4)
    if kind == 0:
        _paint_interior(rng, brush, horizon)
    elif kind == 1:
        crown = rng.uniform((-0.1, 0.05), (1.1, 0.6)) * (width, height)
        stem = np.array([crown, [crown[0], max(horizon, crown[1]) + 0.05 * height]])
        brush.line(stem, pick(rng, GROUNDS) * 0.6, 0.03 * height)
        reach = rng.uniform(0.08, 0.25) * height * rng.uniform(0.75, 1.15, (12, 1))
        brush.flat(smooth(crown + reach * circle(12), 1), pick(rng, LEAVES))
    elif kind == 2:
        _paint_bars(rng, brush, pick(rng, TROUSERS), horizon)
    else:
        left, middle, right = rng.uniform((-0.3, 0.1, 0.5), (0.2, 0.7, 1.3)) * width
        top = horizon - rng.uniform(0.05, 0.25) * height
        hill = np.array([[left, horizon], [middle, top], [right, horizon], [right, horizon + 3]])
        brush.flat(smooth(hill, 2), pick(rng, LEAVES))


def _paint_interior(rng: np.random.Generator, brush: Brush, horizon: int) -> None:
    """Paint a door, a window, a picture, a cupboard or a blind."""
    height, width = brush.image.shape[:2]
    if rng.random() < 0.2:
        _paint_bars(rng, brush, pick(rng, WALLS), horizon)
        return
    half = rng.uniform((0.05, 0.06), (0.3, 0.3)) * (width, height)
    centre = rng.uniform((-0.1, 0.05), (1.1, 0.7)) * (width, height)
    box = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    frame = pick(rng, WALLS if rng.random() < 0.6 else CLOTH)
    brush.flat(centre + box, frame)
    brush.flat(centre + rng.uniform(0.75, 0.92) * box, np.clip(frame * rng.uniform(0.6, 1.3), 0, 255))
    if rng.random() < 0.5:
        brush.line(centre + np.array([[0, -0.8], [0, 0.8]]) * half, frame, 0.012 * height)


def _paint_bars(rng: np.random.Generator, brush: Brush, colour: np.ndarray, horizon: int) -> None:
    """Paint a fence or a blind: parallel bars, lying or standing."""
    height, width = brush.image.shape[:2]
    first, step = rng.uniform(0.0, 0.5) * height, rng.uniform(0.03, 0.08) * height
    thickness = rng.uniform(0.006, 0.02) * height
    for place in first + step * np.arange(rng.integers(3, 9)):
        if rng.random() < 0.9:
            lying = np.array([[0.0, place], [width, place]])
            standing = np.array([[place, horizon - 0.2 * height], [place, horizon + 0.05 * height]])
            brush.line(lying if first < 0.25 * height else standing, colour, thickness)


def _paint_distractor(rng: np.random.Generator, brush: Brush) -> None:
    """Paint something that resembles a limb or a head."""
    height, width = brush.image.shape[:2]
    start = rng.random(2) * (width, height)
    colour = pick(rng, (SKIN, CLOTH, TROUSERS)[rng.integers(3)])
    if rng.random() < 0.3:
        brush.flat(ellipse_outline(start, np.diag(rng.uniform(0.02, 0.06, 2)) * height), colour)
        return
    turn, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.3) * height
    end = start + length * np.array([np.cos(turn), np.sin(turn)])
    brush.flat(capsule_outline(start, end, rng.uniform(0.01, 0.035, 2) * height), colour)


def paint_shadow(image: np.ndarray, corners: np.ndarray, darkness: float) -> None:
    """Darken the ground under a person whose box has these corners."""
    (left, _), (right, bottom) = corners
    centre = np.array([0.5 * (left + right), bottom])
    reach = (right - left) * np.array([0.55, 0.12])
    x0, y0 = np.maximum(centre - reach - 2, 0).astype(int)
    x1, y1 = np.maximum(centre + reach + 2, 0).astype(int)
    region = image[y0:y1, x0:x1]
    if region.size == 0:
        return
    mask = np.full(region.shape[:2], 255, dtype=np.uint8)
    box = (tuple((centre - (x0, y0)).tolist()), tuple((2.0 * reach).tolist()), 0.0)
    cv2.ellipse(mask, box, int(255 * (1.0 - darkness)), -1, cv2.LINE_AA)
    region[:] = cv2.multiply(region, cv2.merge((mask, mask, mask)), scale=1.0 / 255.0)


def paint_seat(rng: np.random.Generator, brush: Brush, hips: np.ndarray, ground: float) -> None:
    """Paint a stool, bench or chair under hips (2, 2) in the image; `ground` is the row of the feet."""
    unit, centre = brush.stature, hips.mean(0)
    colour = pick(rng, GROUNDS if rng.random() < 0.6 else CLOTH)
    half, top = rng.uniform(0.12, 0.3) * unit, centre[1] + 0.04 * unit
    left, right = centre[0] - half, centre[0] + half
    if rng.random() < 0.45:
        back = np.array([[left, top], [left, top - 0.36 * unit], [right, top - 0.36 * unit], [right, top]])
        brush.flat(back, 0.8 * colour)
    depth = rng.uniform(0.04, 0.09) * unit
    for leg in (left + 0.03 * unit, right - 0.03 * unit):
        brush.line(np.array([[leg, top], [leg, ground]]), 0.6 * colour, 0.03 * unit)
    brush.flat(np.array([[left, top], [right, top], [right, top + depth], [left, top + depth]]), colour)


def draw_occluder(rng: np.random.Generator, corners: np.ndarray) -> Occluder:
    """Draw something in front of a person whose box has these corners: a table, a pole, a ball or a bag."""
    (left, top), (right, bottom) = corners
    width, height = right - left, bottom - top
    kind = rng.integers(4)
    if kind == 0:
        edge = bottom - rng.uniform(0.08, 0.3) * height
        start, end = left - rng.uniform(0.1, 0.6) * width, right + rng.uniform(0.1, 0.6) * width
        tilt = rng.uniform(-4, 4)
        outline = np.array(
            [[start, edge], [end, edge + tilt], [end, bottom + height], [start, bottom + height]]
        )
    elif kind == 1:
        x, half = rng.uniform(left, right), rng.uniform(0.015, 0.045) * height
        outline = np.array(
            [
                [x - half, top - height],
                [x + half, top - height],
                [x + half, bottom + height],
                [x - half, bottom + height],
            ]
        )
    else:
        centre = rng.uniform((left, top + 0.35 * height), (right, bottom))
        count = 28 if kind == 2 else 7
        uneven = 1.0 if kind == 2 else rng.uniform(0.7, 1.2, (count, 1))
        outline = centre + rng.uniform(0.05, 0.11) * height * uneven * circle(count)
    return Occluder(outline, pick(rng, (CLOTH, GROUNDS, LEAVES)[rng.integers(3)]))


def paint_occluder(brush: Brush, occluder: Occluder) -> None:
    """Paint an occluder with a lighter rim on top."""
    brush.flat(occluder.outline, occluder.colour)
    rim = occluder.outline[np.argsort(occluder.outline[:, 1], kind="stable")[:2]]
    brush.line(rim, np.minimum(1.25 * occluder.colour, 255.0), 2.0)


def finish(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Apply blur, uneven light, a colour cast and sensor noise."""
    height, width = image.shape[:2]
    if rng.random() < 0.35:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 0.9))
    across, down = rng.uniform(-0.2, 0.2, 2)
    light = 1.0 + np.linspace(-across, across, width, dtype=np.float32)
    light = light + np.linspace(-down, down, height, dtype=np.float32)[:, None]
    cast = rng.uniform(0.78, 1.15) * rng.uniform(0.94, 1.06, 3)
    planes = [cv2.convertScaleAbs(light, alpha=128.0 * float(factor)) for factor in cast]
    image = cv2.multiply(image, cv2.merge(planes), scale=1.0 / 128.0)
    amount = rng.uniform(0.5, 5.0) / SENSOR_NOISE_STEPS
    return cv2.addWeighted(image, 1.0, sensor_noise(rng, height, width), amount, -128.0 * amount)
