"""Painting a clothed figure, part by part from far to near."""

from __future__ import annotations

import numpy as np

from .brush import Brush, capsule_outline, ellipse_outline, smooth
from .figure import FOOT, FOREARM, HAND, HEAD, NECK, SHANK, THIGH, TRUNK, UPPER_ARM, Figure
from .head import paint_hair_behind, paint_head, skull_of
from .wardrobe import Outfit, Texture

_BULGE = {"upper": 0.10, "lower": 0.16}
_CLOTH_WIDER = 1.14


def paint_figure(brush: Brush, figure: Figure, outfit: Outfit) -> None:
    """Paint one person."""
    skull = skull_of(figure)
    skirt_left = outfit.skirt > 0
    for part in figure.order:
        if part in UPPER_ARM:
            _limb(brush, figure, part, outfit.skin, outfit.top, outfit.sleeve, _BULGE["upper"])
        elif part in FOREARM:
            _limb(brush, figure, part, outfit.skin, outfit.top, outfit.sleeve - 1.0, _BULGE["lower"])
        elif part in THIGH:
            covered = 0.0 if skirt_left else outfit.leg
            _limb(brush, figure, part, outfit.skin, outfit.bottom, covered, _BULGE["upper"])
        elif part in SHANK:
            covered = -1.0 if outfit.skirt > 0 else outfit.leg - 1.0
            _limb(brush, figure, part, outfit.skin, outfit.bottom, covered, _BULGE["lower"])
        elif part in HAND:
            _limb(brush, figure, part, outfit.skin, outfit.skin, 0.0, 0.1)
        elif part in FOOT:
            _foot(brush, figure, part, outfit)
        elif part == NECK:
            paint_hair_behind(brush, figure, outfit, skull)
            _limb(brush, figure, part, outfit.skin, outfit.skin, 0.0, -0.1, gain=0.88)
        elif part == TRUNK:
            if skirt_left:
                _skirt(brush, figure, outfit)
            _trunk(brush, figure, outfit)
        elif part == HEAD:
            paint_head(brush, figure, outfit, skull)


def _limb(
    brush: Brush, figure: Figure, part: int, skin: Texture, cloth: Texture, covered: float, bulge: float, gain: float = 1.0
) -> None:
    """Paint a limb of which `covered` (0 to 1) is under cloth, from its upper end."""
    start, end, radii = figure.start[part], figure.end[part], figure.radii[part]
    if covered < 1.0:
        brush.textured(capsule_outline(start, end, radii, bulge), skin, start, end, radii.max(), gain)
    if covered > 0.05:
        share = min(covered, 1.0)
        hem = start + share * (end - start)
        wider = _CLOTH_WIDER * np.array([radii[0], radii[0] + share * (radii[1] - radii[0])])
        outline = capsule_outline(start, hem, wider, bulge, 1.0 if share == 1.0 else 0.3)
        brush.textured(outline, cloth, start, hem, wider.max(), gain)


def _foot(brush: Brush, figure: Figure, part: int, outfit: Outfit) -> None:
    start, end, radii = figure.start[part], figure.end[part], figure.radii[part]
    outline = capsule_outline(start, end, radii, 0.1)
    brush.textured(outline, outfit.shoes, start, end, radii.max())
    sole = np.array([0.0, 0.75 * radii[1]])
    brush.line(np.stack([start + sole, end + sole]), (40, 36, 34), 0.3 * radii[1])


def _skirt(brush: Brush, figure: Figure, outfit: Outfit) -> None:
    trunk, knees = figure.trunk, figure.joints[13:15, :2]
    hips = figure.joints[11:13, :2]
    hem = hips + outfit.skirt * (knees - hips)
    hem = hem[np.argsort(hem[:, 0])]
    flare = 0.065 * brush.pixels
    corners = [trunk.left_edge[3], trunk.right_edge[3]]
    corners.sort(key=lambda corner: corner[0])
    low = [hem[1] + [flare, 0.0], hem[0] - [flare, 0.0]]
    outline = smooth(np.array([corners[0], corners[1], *low]), 1)
    middle = 0.5 * (corners[0] + corners[1])
    brush.textured(outline, outfit.bottom, middle, hem.mean(0), 0.11 * brush.pixels)


def _rings(figure: Figure, first: int, last: int) -> np.ndarray:
    trunk = figure.trunk
    return np.concatenate([trunk.left_edge[first:last], trunk.right_edge[first:last][::-1]])


def _trunk(brush: Brush, figure: Figure, outfit: Outfit) -> None:
    trunk = figure.trunk
    low, high = trunk.centre[0], trunk.centre[-1]
    width = float(np.linalg.norm(trunk.right_edge[5] - trunk.left_edge[5])) / 2
    brush.textured(smooth(_rings(figure, 0, 4)), outfit.bottom, low, high, width)
    hem = 1 if outfit.front != "dungarees" else 2
    brush.textured(smooth(_rings(figure, hem, 8)), outfit.top, high, low, width)
    for i in range(2):
        if outfit.sleeve == 0:
            break
        shoulder = figure.joints[5 + i, :2]
        radius = figure.radii[UPPER_ARM[i], 0]
        if not figure.hidden[5 + i]:
            brush.textured(ellipse_outline(shoulder, radius * np.eye(2)), outfit.top, high, low, width)
    if trunk.facing > 0.12:
        _front(brush, figure, outfit)
    elif trunk.facing < -0.12:
        _back(brush, figure, outfit)


def _across(figure: Figure, ring: int, places: tuple[float, ...]) -> np.ndarray:
    """Return points on the chest at fractions of the half width to the person's left."""
    trunk = figure.trunk
    bend = np.sqrt(np.maximum(0.0, 1.0 - np.square(places)))[:, None]
    return (
        trunk.centre[ring]
        + np.array(places)[:, None] * trunk.side[ring]
        + bend * (trunk.front[ring] - trunk.centre[ring])
    )


def _panel(figure: Figure, first: int, last: int, low: tuple[float, float], high: tuple[float, float]) -> np.ndarray:
    """Return a panel on the chest between two rings, by its edges below and above."""
    left = [(1 - t) * low[0] + t * high[0] for t in np.linspace(0, 1, last - first + 1)]
    right = [(1 - t) * low[1] + t * high[1] for t in np.linspace(0, 1, last - first + 1)]
    sides = [
        np.concatenate([_across(figure, ring, (edge,)) for ring, edge in zip(range(first, last + 1), edges, strict=True)])
        for edges in (left, right)
    ]
    return np.concatenate([sides[0], sides[1][::-1]])


def _front(brush: Brush, figure: Figure, outfit: Outfit) -> None:
    trunk = figure.trunk
    low, high = trunk.centre[1], trunk.centre[-1]
    middle = np.concatenate([_across(figure, ring, (0.0,)) for ring in range(1, 8)])
    dark = 0.55 * outfit.top.tile.reshape(-1, 3).mean(0)
    unit = brush.pixels
    _collar(brush, figure, outfit)
    if outfit.front == "open":
        panel = _panel(figure, 1, 6, (-0.34, 0.30), (-0.22, 0.22))
        brush.textured(panel, outfit.inner, high, low, 0.08 * unit)
        for edge in (panel[:6], panel[6:]):
            brush.line(edge, dark, 0.006 * unit)
    elif outfit.front in ("buttons", "zip"):
        brush.line(middle, dark if outfit.front == "buttons" else outfit.accent, 0.007 * unit)
        if outfit.front == "buttons":
            for spot in middle[:-1]:
                brush.flat(ellipse_outline(spot, 0.008 * unit * np.eye(2), 8), outfit.accent)
    elif outfit.front == "tie":
        tie = np.concatenate([_across(figure, 6, (-0.1, 0.1)), _across(figure, 3, (0.13, 0.0, -0.13))])
        brush.flat(tie, outfit.accent)
    elif outfit.front == "print":
        brush.flat(smooth(_panel(figure, 3, 5, (-0.42, 0.42), (-0.4, 0.4)), 1), outfit.accent)
    elif outfit.front == "dungarees":
        brush.textured(_panel(figure, 1, 4, (-0.7, 0.7), (-0.48, 0.48)), outfit.bottom, high, low, 0.1 * unit)
        for side in (-0.44, 0.44):
            strap = np.concatenate([_across(figure, ring, (side * 1.1,)) for ring in (4, 5, 6)])
            brush.line(strap, outfit.bottom.tile[0, 0], 0.022 * unit)
    if outfit.front in ("buttons", "zip", "tie"):
        pocket = np.concatenate([_across(figure, 4, (0.3, 0.62)), _across(figure, 5, (0.6, 0.3))])
        pocket = 0.6 * pocket + 0.4 * pocket.mean(0)
        brush.line(np.concatenate([pocket, pocket[:1]]), dark, 0.005 * unit)


def _collar(brush: Brush, figure: Figure, outfit: Outfit) -> None:
    """Paint the opening at the throat: skin, or the cloth underneath."""
    depth = 0.55 if outfit.front in ("open", "buttons", "tie") else 0.3
    throat = _across(figure, 7, (-0.75, 0.75))
    bottom = (1 - depth) * _across(figure, 6, (0.0,)) + depth * _across(figure, 5, (0.0,))
    outline = smooth(np.concatenate([throat, bottom]), 1)
    brush.textured(outline, outfit.skin, figure.trunk.centre[-1], bottom[0], 0.05 * brush.pixels, 0.95)
    if outfit.front in ("buttons", "tie"):
        for side in (0, 1):
            brush.line(np.stack([throat[side], bottom[0]]), outfit.inner.tile[0, 0], 0.013 * brush.pixels)


def _back(brush: Brush, figure: Figure, outfit: Outfit) -> None:
    trunk = figure.trunk
    unit = brush.pixels
    behind = 2 * trunk.centre - trunk.front
    if outfit.back == "rucksack":
        corners = [
            behind[ring] + place * trunk.side[ring] for ring, place in ((2, -0.8), (2, 0.8), (6, 0.6), (6, -0.6))
        ]
        brush.textured(smooth(np.array(corners), 1), outfit.inner, behind[6], behind[2], 0.09 * unit)
        flap = np.array([behind[5] + place * trunk.side[5] for place in (-0.55, 0.0, 0.55)])
        brush.line(flap, outfit.accent, 0.012 * unit)
    elif outfit.back == "number":
        for place in (-0.22, 0.22):
            stroke = np.array([behind[4] + place * trunk.side[4], behind[5] + place * trunk.side[5]])
            brush.line(stroke, outfit.accent, 0.03 * unit)
    else:
        yoke = np.array([behind[6] + place * trunk.side[6] for place in (-0.8, 0.0, 0.8)])
        brush.line(yoke, 0.7 * outfit.top.tile.reshape(-1, 3).mean(0), 0.006 * unit)
