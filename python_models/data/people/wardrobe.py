"""Skin, hair and clothes: colours, cloth patterns and what a person wears. Colours are RGB, 0 to 255."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

TILE = 64  # side of a cloth pattern in pixels; it repeats

_SKIN = (
    (255, 224, 196), (246, 206, 172), (236, 188, 150), (224, 172, 132), (205, 150, 110), (176, 122, 84),
    (146, 98, 66), (112, 74, 52), (84, 56, 42),
)  # fmt: skip
_HAIR = (
    (28, 24, 24), (46, 34, 28), (72, 48, 34), (104, 70, 44), (150, 106, 62), (204, 164, 98), (226, 196, 140),
    (140, 62, 36), (150, 150, 150), (220, 218, 214),
)  # fmt: skip
_CLOTH = (
    (240, 240, 238), (200, 200, 200), (130, 132, 136), (70, 72, 78), (28, 28, 32), (30, 42, 82), (52, 84, 150),
    (104, 150, 206), (160, 30, 38), (212, 56, 48), (226, 120, 60), (236, 190, 70), (244, 226, 160),
    (62, 110, 64), (110, 150, 92), (38, 74, 60), (92, 62, 42), (160, 124, 84), (216, 196, 164), (120, 70, 130),
    (206, 130, 170), (246, 196, 206), (60, 150, 160), (150, 206, 200),
)  # fmt: skip
_TROUSERS = (
    (46, 62, 96), (66, 88, 130), (100, 124, 162), (30, 34, 50), (34, 34, 36), (84, 84, 88), (130, 126, 118),
    (172, 152, 118), (206, 190, 160), (96, 84, 60), (74, 92, 70), (120, 40, 46), (232, 230, 224),
)  # fmt: skip
_SHOES = ((30, 28, 28), (240, 240, 238), (110, 70, 42), (70, 76, 90), (190, 50, 46), (60, 90, 150), (210, 180, 120))


class Texture(NamedTuple):
    """A repeating pattern (TILE, TILE, 3) uint8 and its size, in tile pixels per stature."""

    tile: np.ndarray
    density: float


class Outfit(NamedTuple):
    """What one person looks like."""

    skin: Texture
    top: Texture
    inner: Texture  # seen in an open jacket or at the collar
    bottom: Texture
    shoes: Texture
    hair: Texture
    sleeve: float  # 0 none, 1 to the elbow, 2 to the wrist
    leg: float  # 0 none, 1 to the knee, 2 to the ankle
    skirt: float  # 0 none, else its length in thighs
    front: str  # "plain", "buttons", "zip", "open", "tie", "print", "dungarees"
    back: str  # "plain", "rucksack", "number"
    hairstyle: str  # "bald", "short", "long", "bun", "tail", "afro", "cap", "beanie"
    glasses: bool
    beard: bool
    accent: tuple[float, float, float]


@lru_cache(maxsize=1)
def grain() -> np.ndarray:
    """Fixed unit-variance noise (512, 512) float32 that every image takes its windows from."""
    return np.random.default_rng(20240229).standard_normal((512, 512), dtype=np.float32)


def grain_window(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Return a random window of the fixed noise; height and width up to 512."""
    y, x = rng.integers(0, 513 - height), rng.integers(0, 513 - width)
    return grain()[y : y + height, x : x + width]


def pick(rng: np.random.Generator, colours: tuple[tuple[int, int, int], ...], jitter: float) -> np.ndarray:
    """Choose a colour and move it a little."""
    colour = np.asarray(colours[rng.integers(len(colours))], dtype=np.float32)
    return np.clip(colour * rng.uniform(0.88, 1.1) + rng.normal(0, jitter, 3), 0, 255).astype(np.float32)


def _pattern(rng: np.random.Generator, kind: str, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the share of the second colour at each pixel of a tile."""
    place = np.arange(TILE, dtype=np.float32)
    count = int(rng.integers(2, 6))
    wave = (place * count / TILE) % 1.0 < rng.uniform(0.25, 0.6)
    band = wave.astype(np.float32)
    if kind == "hoops":
        return np.broadcast_to(band[:, None], (TILE, TILE))
    if kind == "stripes":
        return np.broadcast_to(band, (TILE, TILE))
    if kind == "checks":
        return 0.5 * (band[:, None] + band)
    if kind == "dots":
        cell = (place * count / TILE) % 1.0 - 0.5
        return (cell[:, None] ** 2 + cell**2 < 0.07).astype(np.float32)
    if kind == "blotches":
        coarse = cv2.resize(grain_window(rng, 8, 8), (TILE, TILE), interpolation=cv2.INTER_CUBIC)
        return (coarse > 0.3).astype(np.float32)
    return np.zeros((TILE, TILE), dtype=np.float32)


def cloth(
    rng: np.random.Generator, kind: str, first: np.ndarray, second: np.ndarray, roughness: float
) -> Texture:
    """Weave a pattern of two colours with some roughness (grey levels)."""
    share = _pattern(rng, kind, first, second)[..., None]
    colours = first + share * (second - first)
    folds = cv2.resize(grain_window(rng, 12, 12), (TILE, TILE), interpolation=cv2.INTER_LINEAR)
    rough = roughness * (0.6 * grain_window(rng, TILE, TILE) + folds)
    return Texture(np.clip(colours + rough[..., None], 0, 255).astype(np.uint8), rng.uniform(230, 420))


def _choose(rng: np.random.Generator, names: tuple[str, ...], weights: tuple[float, ...]) -> str:
    place = rng.random() * sum(weights)
    for name, weight in zip(names, weights, strict=True):
        place -= weight
        if place < 0:
            return name
    return names[-1]


_KINDS = ("plain", "hoops", "stripes", "checks", "dots", "blotches")


def draw_outfit(rng: np.random.Generator) -> Outfit:
    """Draw one person's looks."""
    kind = _choose(rng, _KINDS, (0.45, 0.16, 0.1, 0.14, 0.06, 0.09))
    top, second, inner = (pick(rng, _CLOTH, 8) for _ in range(3))
    bottom, skin, hair = pick(rng, _TROUSERS, 7), pick(rng, _SKIN, 5), pick(rng, _HAIR, 5)
    bottom_kind = _choose(rng, _KINDS, (0.84, 0.01, 0.05, 0.05, 0.01, 0.04))
    front = _choose(
        rng, ("plain", "buttons", "zip", "open", "tie", "print", "dungarees"), (0.2, 0.2, 0.14, 0.2, 0.08, 0.12, 0.06)
    )
    styles = ("bald", "short", "long", "bun", "tail", "afro", "cap", "beanie")
    legs = rng.random()
    return Outfit(
        skin=cloth(rng, "plain", skin, skin, 2.5),
        top=cloth(rng, kind, top, second, rng.uniform(3, 9)),
        inner=cloth(rng, "plain", inner, inner, 4),
        bottom=cloth(rng, bottom_kind, bottom, pick(rng, _TROUSERS, 7), rng.uniform(3, 9)),
        shoes=cloth(rng, "plain", pick(rng, _SHOES, 6), skin, 4),
        hair=cloth(rng, "plain", hair, hair, 9),
        sleeve=2.0 if front == "open" else (0.0, 0.55, 0.75, 1.4, 2.0, 2.0, 2.0)[rng.integers(7)],
        leg=2.0 if legs < 0.66 else rng.uniform(0.45, 1.2),
        skirt=rng.uniform(0.55, 1.1) if legs > 0.86 else 0.0,
        front=front,
        back=_choose(rng, ("plain", "rucksack", "number"), (0.55, 0.25, 0.2)),
        hairstyle=_choose(rng, styles, (0.08, 0.34, 0.2, 0.08, 0.08, 0.06, 0.1, 0.06)),
        glasses=rng.random() < 0.15,
        beard=rng.random() < 0.15,
        accent=tuple(float(value) for value in pick(rng, _CLOTH, 8)),
    )
