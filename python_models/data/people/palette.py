"""Colours (RGB, 0 to 255), fixed noise and cloth patterns."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

TILE = 64  # side of a cloth pattern in pixels; it repeats
_GRAIN = 512

Colours = tuple[tuple[int, int, int], ...]

SKIN: Colours = (
    (250, 218, 192), (244, 204, 172), (234, 188, 152), (222, 170, 130), (200, 146, 108), (172, 120, 84),
    (144, 98, 66), (112, 74, 52), (84, 56, 42),
)  # fmt: skip
HAIR: Colours = (
    (28, 24, 24), (46, 34, 28), (72, 48, 34), (104, 70, 44), (150, 106, 62), (204, 164, 98), (226, 196, 140),
    (140, 62, 36), (150, 150, 150), (220, 218, 214),
)  # fmt: skip
CLOTH: Colours = (
    (240, 240, 238), (200, 200, 200), (130, 132, 136), (70, 72, 78), (28, 28, 32), (30, 42, 82),
    (52, 84, 150), (104, 150, 206), (160, 30, 38), (212, 56, 48), (226, 120, 60), (236, 190, 70),
    (244, 226, 160), (62, 110, 64), (110, 150, 92), (38, 74, 60), (92, 62, 42), (160, 124, 84),
    (216, 196, 164), (120, 70, 130), (206, 130, 170), (246, 196, 206), (60, 150, 160), (150, 206, 200),
)  # fmt: skip
TROUSERS: Colours = (
    (46, 62, 96), (66, 88, 130), (100, 124, 162), (30, 34, 50), (34, 34, 36), (84, 84, 88), (130, 126, 118),
    (172, 152, 118), (206, 190, 160), (96, 84, 60), (74, 92, 70), (120, 40, 46), (232, 230, 224),
)  # fmt: skip
SHOES: Colours = (
    (30, 28, 28), (240, 240, 238), (110, 70, 42), (70, 76, 90), (190, 50, 46), (60, 90, 150), (210, 180, 120),
)  # fmt: skip
WALLS: Colours = (
    (232, 226, 214), (206, 200, 190), (178, 184, 190), (150, 160, 172), (196, 206, 198), (222, 206, 178),
    (168, 140, 116), (150, 98, 78), (120, 124, 130), (92, 100, 112), (214, 214, 216), (186, 168, 176),
)  # fmt: skip
SKIES: Colours = (
    (148, 186, 222), (176, 206, 232), (206, 216, 224), (186, 190, 196), (120, 160, 206), (226, 206, 186),
    (84, 96, 122),
)  # fmt: skip
GROUNDS: Colours = (
    (96, 124, 66), (124, 146, 84), (72, 98, 58), (196, 178, 140), (136, 118, 96), (120, 120, 120),
    (86, 88, 92), (168, 164, 158), (142, 104, 72), (178, 138, 98), (206, 200, 192), (104, 84, 68),
)  # fmt: skip
LEAVES: Colours = (
    (58, 92, 48), (82, 116, 60), (104, 132, 70), (46, 74, 52), (134, 140, 74), (150, 116, 58), (70, 84, 66),
)  # fmt: skip


class Texture(NamedTuple):
    """A repeating pattern (TILE, TILE, 3) uint8, its size in tile pixels per stature, its mean colour."""

    tile: np.ndarray
    density: float
    colour: np.ndarray


@lru_cache(maxsize=1)
def _noise() -> np.ndarray:
    return np.random.default_rng(20240229).standard_normal((_GRAIN, _GRAIN), dtype=np.float32)


@lru_cache(maxsize=1)
def _sensor_noise() -> np.ndarray:
    layers = np.stack([_noise(), 0.8 * _noise() + 0.6 * _noise()[::-1], 0.8 * _noise() + 0.6 * _noise().T], 2)
    return np.clip(128.0 + SENSOR_NOISE_STEPS * layers, 0, 255).astype(np.uint8)


SENSOR_NOISE_STEPS = 32.0  # one standard deviation of `sensor_noise`, in its grey levels around 128


def _window(rng: np.random.Generator, noise: np.ndarray, height: int, width: int) -> np.ndarray:
    y, x = rng.integers(0, (_GRAIN + 1 - height, _GRAIN + 1 - width))
    return noise[y : y + height, x : x + width]


def grain(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return a random window of fixed unit-variance noise, float32; height and width up to 512."""
    return _window(rng, _noise(), height, width)


def sensor_noise(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return a random window (height, width, 3) of fixed uint8 noise around 128."""
    return _window(rng, _sensor_noise(), height, width)


def pick(rng: np.random.Generator, colours: Colours, jitter: float = 7.0) -> np.ndarray:
    """Choose a colour and move it a little; float32 (3,)."""
    colour = np.asarray(colours[rng.integers(len(colours))], dtype=np.float32)
    brightness, *shift = rng.normal(size=4)
    moved = colour * (1.0 + 0.05 * brightness) + jitter * np.asarray(shift)
    return np.clip(moved, 0, 255).astype(np.float32)


def _share(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Return the share of the second colour at each pixel of a patterned tile."""
    count = int(rng.integers(2, 6))
    phase = (np.arange(TILE, dtype=np.float32) * count / TILE) % 1.0
    band = (phase < rng.uniform(0.25, 0.6)).astype(np.float32)
    if kind == "hoops":
        return np.broadcast_to(band[:, None], (TILE, TILE))
    if kind == "stripes":
        return np.broadcast_to(band, (TILE, TILE))
    if kind == "checks":
        return 0.5 * (band[:, None] + band)
    if kind == "dots":
        return ((phase[:, None] - 0.5) ** 2 + (phase - 0.5) ** 2 < 0.07).astype(np.float32)
    coarse = cv2.resize(grain(rng, 8, 8), (TILE, TILE), interpolation=cv2.INTER_CUBIC)
    return (coarse > 0.3).astype(np.float32)


PATTERNS = ("hoops", "stripes", "checks", "dots", "blotches")


def cloth(
    rng: np.random.Generator,
    colour: np.ndarray,
    second: np.ndarray | None = None,
    kind: str = "",
    rough: float = 3.0,
) -> Texture:
    """Weave a tile of one colour, or of two in one of `PATTERNS`; `rough` is its relief in grey levels."""
    folds = cv2.resize(grain(rng, 10, 10), (TILE, TILE), interpolation=cv2.INTER_LINEAR)
    relief = rough * (folds + 0.5 * grain(rng, TILE, TILE))
    planes = [relief + channel for channel in colour]
    if second is not None:
        share = _share(rng, kind)
        planes = [plane + share * step for plane, step in zip(planes, second - colour, strict=True)]
    tile = cv2.merge([cv2.convertScaleAbs(cv2.max(plane, 0.0)) for plane in planes])
    return Texture(tile, rng.uniform(230, 420), colour)
