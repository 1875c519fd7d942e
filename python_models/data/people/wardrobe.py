"""What people look like: skin, hair and clothes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from python_models.data.people.palette import (
    CLOTH,
    HAIR,
    PATTERNS,
    SHOES,
    SKIN,
    TROUSERS,
    Colours,
    Texture,
    cloth,
    pick,
)

_HAIRSTYLES = {
    "bald": 0.08, "short": 0.34, "long": 0.20, "bun": 0.08, "tail": 0.08, "afro": 0.06,
    "cap": 0.10, "beanie": 0.06,
}  # fmt: skip
_FRONTS = {
    "plain": 0.20, "buttons": 0.20, "zip": 0.14, "open": 0.20, "tie": 0.08, "print": 0.12, "dungarees": 0.06,
}  # fmt: skip
_BACKS = {"plain": 0.55, "rucksack": 0.25, "number": 0.20}
_SLEEVES = (0.0, 0.55, 0.75, 1.4, 2.0, 2.0, 2.0)


class Outfit(NamedTuple):
    """One person's looks. Lengths count limb segments: 1 reaches elbow or knee, 2 wrist or ankle."""

    skin: Texture
    hair: Texture
    top: Texture
    inner: Texture  # seen in an open jacket and at the collar
    bottom: Texture
    shoes: Texture
    accent: np.ndarray  # colour of zips, buttons, prints
    sleeve: float
    leg: float
    skirt: float  # 0 for trousers
    front: str
    back: str
    hairstyle: str
    glasses: bool
    beard: bool


def _choose(rng: np.random.Generator, weights: dict[str, float]) -> str:
    place = rng.random() * sum(weights.values())
    for name, weight in weights.items():
        place -= weight
        if place < 0.0:
            return name
    return name


def _garment(rng: np.random.Generator, colours: Colours, patterned: float) -> Texture:
    first, second = pick(rng, colours), pick(rng, colours)
    kind = PATTERNS[rng.integers(len(PATTERNS))]
    return cloth(rng, first, second if rng.random() < patterned else None, kind, rng.uniform(3, 8))


def draw_outfit(rng: np.random.Generator) -> Outfit:
    """Draw one person's looks."""
    front, legs = _choose(rng, _FRONTS), rng.random()
    return Outfit(
        skin=cloth(rng, pick(rng, SKIN, 4.0), rough=2.0),
        hair=cloth(rng, pick(rng, HAIR, 4.0), rough=7.0),
        top=_garment(rng, CLOTH, 0.55),
        inner=_garment(rng, CLOTH, 0.2),
        bottom=_garment(rng, TROUSERS, 0.16),
        shoes=cloth(rng, pick(rng, SHOES)),
        accent=pick(rng, CLOTH),
        sleeve=2.0 if front == "open" else _SLEEVES[rng.integers(len(_SLEEVES))],
        leg=2.0 if legs < 0.66 else rng.uniform(0.45, 1.2),
        skirt=rng.uniform(0.55, 1.1) if legs > 0.86 else 0.0,
        front=front,
        back=_choose(rng, _BACKS),
        hairstyle=_choose(rng, _HAIRSTYLES),
        glasses=rng.random() < 0.15,
        beard=rng.random() < 0.15,
    )
