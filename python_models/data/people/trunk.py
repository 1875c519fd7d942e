"""Painting a clothed trunk, with the marks that tell its front from its back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from python_models.data.people.brush import Brush, ellipse_outline, smooth
from python_models.data.people.figure import RING_COUNT, Figure, Trunk
from python_models.data.people.wardrobe import Outfit

_HEM, _BELT, _CHEST, _ARMPIT, _COLLAR, _THROAT = 1, 3, 4, 5, 6, 7
_TURNED = 0.12  # how much the chest must face toward or away from the camera for its marks to show


def paint_trunk(brush: Brush, figure: Figure, outfit: Outfit) -> None:
    """Paint trousers' top, shirt or jacket, and what is on its front or back."""
    trunk = figure.trunk
    low, high = trunk.centre[0], trunk.centre[-1]
    width = 0.5 * float(np.hypot(*(trunk.edges[1, _ARMPIT] - trunk.edges[0, _ARMPIT])))
    brush.textured(smooth(_between(trunk, 0, _BELT)), outfit.bottom, low, high, width)
    brush.textured(smooth(_between(trunk, _HEM, RING_COUNT - 1)), outfit.top, high, low, width)
    if trunk.facing > _TURNED:
        _paint_front(brush, trunk, outfit)
    elif trunk.facing < -_TURNED:
        _paint_back(brush, trunk, outfit)


def _between(trunk: Trunk, first: int, last: int) -> np.ndarray:
    """Return the outline between two rings."""
    left, right = trunk.edges[:, first : last + 1]
    return np.concatenate([left, right[::-1]])


def _on_chest(trunk: Trunk, ring: int, places: Sequence[float]) -> np.ndarray:
    """Return points on the front of a ring, at fractions of the half width toward the person's left."""
    lateral = np.asarray(places)[:, None]
    return (
        trunk.centre[ring]
        + lateral * trunk.side[ring]
        + np.sqrt(1.0 - lateral**2) * (trunk.front[ring] - trunk.centre[ring])
    )


def _column(trunk: Trunk, first: int, last: int, low: float, high: float) -> np.ndarray:
    """Return points from ring to ring on the chest, from one fraction of the half width to another."""
    rings = range(first, last + 1)
    places = np.linspace(low, high, len(rings))
    return np.concatenate(
        [_on_chest(trunk, ring, (place,)) for ring, place in zip(rings, places, strict=True)]
    )


def _panel(trunk: Trunk, first: int, last: int, low: float, high: float) -> np.ndarray:
    """Return a panel in the middle of the chest, `low` half wide below and `high` above."""
    left = _column(trunk, first, last, low, high)
    return np.concatenate([left, _column(trunk, first, last, -low, -high)[::-1]])


def _dark(outfit: Outfit) -> np.ndarray:
    """Return the colour of seams."""
    return 0.55 * outfit.top.colour


def _paint_front(brush: Brush, trunk: Trunk, outfit: Outfit) -> None:
    _paint_collar(brush, trunk, outfit)
    if outfit.front in _FRONT_PAINTERS:
        _FRONT_PAINTERS[outfit.front](brush, trunk, outfit)
    if outfit.front in ("buttons", "zip", "tie"):
        _paint_pocket(brush, trunk, outfit)


def _paint_open_jacket(brush: Brush, trunk: Trunk, outfit: Outfit) -> None:
    panel = _panel(trunk, _HEM, _COLLAR, 0.32, 0.22)
    brush.textured(panel, outfit.inner, trunk.centre[-1], trunk.centre[_HEM], 0.08 * brush.stature)
    for lapel in np.split(panel, 2):
        brush.line(lapel, _dark(outfit), 0.006 * brush.stature)


def _paint_dungarees(brush: Brush, trunk: Trunk, outfit: Outfit) -> None:
    bib = _panel(trunk, _HEM, _CHEST, 0.7, 0.48)
    brush.textured(bib, outfit.bottom, trunk.centre[-1], trunk.centre[_HEM], 0.1 * brush.stature)
    for side in (-0.48, 0.48):
        strap = _column(trunk, _CHEST, _COLLAR, side, 1.1 * side)
        brush.line(strap, outfit.bottom.colour, 0.022 * brush.stature)


def _paint_print(brush: Brush, trunk: Trunk, outfit: Outfit) -> None:
    brush.flat(smooth(_panel(trunk, _BELT, _ARMPIT, 0.42, 0.4), 1), outfit.accent)


def _paint_tie(brush: Brush, trunk: Trunk, outfit: Outfit) -> None:
    knot, tip = _on_chest(trunk, _COLLAR, (-0.1, 0.1)), _on_chest(trunk, _BELT, (0.13, 0.0, -0.13))
    brush.flat(np.concatenate([knot, tip]), outfit.accent)


def _paint_zip(brush: Brush, trunk: Trunk, outfit: Outfit) -> None:
    brush.line(_column(trunk, _HEM, _COLLAR, 0.0, 0.0), outfit.accent, 0.007 * brush.stature)


def _paint_buttons(brush: Brush, trunk: Trunk, outfit: Outfit) -> None:
    middle = _column(trunk, _HEM, _COLLAR, 0.0, 0.0)
    brush.line(middle, _dark(outfit), 0.007 * brush.stature)
    for spot in middle:
        brush.flat(ellipse_outline(spot, 0.008 * brush.stature, 8), outfit.accent)


_FRONT_PAINTERS = {
    "open": _paint_open_jacket,
    "dungarees": _paint_dungarees,
    "print": _paint_print,
    "tie": _paint_tie,
    "zip": _paint_zip,
    "buttons": _paint_buttons,
}


def _paint_pocket(brush: Brush, trunk: Trunk, outfit: Outfit) -> None:
    """Paint the pocket on the person's left breast."""
    corners = np.concatenate([_on_chest(trunk, _CHEST, (0.38, 0.62)), _on_chest(trunk, _ARMPIT, (0.6, 0.36))])
    corners = 0.6 * corners + 0.4 * corners.mean(0)
    brush.line(np.concatenate([corners, corners[:1]]), _dark(outfit), 0.005 * brush.stature)


def _paint_collar(brush: Brush, trunk: Trunk, outfit: Outfit) -> None:
    """Paint the opening at the throat and, on shirts, the collar's two sides."""
    deep = 0.6 if outfit.front in ("open", "buttons", "tie") else 0.15
    throat = _on_chest(trunk, _THROAT, (-0.8, 0.8))
    lowest = (1.0 - deep) * _on_chest(trunk, _COLLAR, (0.0,)) + deep * _on_chest(trunk, _ARMPIT, (0.0,))
    outline = smooth(np.concatenate([throat, lowest]), 1)
    brush.textured(outline, outfit.skin, trunk.centre[-1], lowest[0], 0.05 * brush.stature, 0.95)
    if outfit.front in ("buttons", "tie"):
        for corner in throat:
            brush.line(np.stack([corner, lowest[0]]), outfit.inner.colour, 0.013 * brush.stature)


def _paint_back(brush: Brush, trunk: Trunk, outfit: Outfit) -> None:
    behind = 2.0 * trunk.centre - trunk.front

    def place(ring: int, fraction: float) -> np.ndarray:
        return behind[ring] + fraction * trunk.side[ring]

    if outfit.back == "rucksack":
        corners = np.stack([place(2, -0.8), place(2, 0.8), place(_COLLAR, 0.6), place(_COLLAR, -0.6)])
        brush.textured(smooth(corners, 1), outfit.inner, behind[_COLLAR], behind[2], 0.09 * brush.stature)
        flap = np.stack([place(_ARMPIT, fraction) for fraction in (-0.55, 0.0, 0.55)])
        brush.line(flap, outfit.accent, 0.012 * brush.stature)
    elif outfit.back == "number":
        for digit in (-0.22, 0.22):
            stroke = np.stack([place(_CHEST, digit), place(_ARMPIT, digit)])
            brush.line(stroke, outfit.accent, 0.03 * brush.stature)
    else:
        yoke = np.stack([place(_COLLAR, fraction) for fraction in (-0.8, 0.0, 0.8)])
        brush.line(yoke, 0.7 * outfit.top.colour, 0.006 * brush.stature)
