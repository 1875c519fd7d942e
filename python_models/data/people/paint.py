"""Painting a clothed figure, part by part from far to near."""

from __future__ import annotations

import numpy as np

from python_models.data.people.brush import Brush, capsule_outline, smooth
from python_models.data.people.figure import (
    FOOT,
    FOREARM,
    HAND,
    HEAD,
    NECK,
    SHANK,
    THIGH,
    TRUNK,
    UPPER_ARM,
    Figure,
)
from python_models.data.people.head import paint_hair_behind, paint_head, skull_of
from python_models.data.people.palette import Texture
from python_models.data.people.trunk import paint_trunk
from python_models.data.people.wardrobe import Outfit

_UPPER_BULGE, _LOWER_BULGE = 0.08, 0.16
_CLOTH_WIDENING = 1.12


def paint_figure(brush: Brush, figure: Figure, outfit: Outfit) -> None:
    """Paint one person."""
    skull = skull_of(figure)
    skirted = outfit.skirt > 0 and _thighs_come_first(figure)
    leg = 0.0 if skirted else outfit.leg
    for part in figure.order.tolist():
        if part in UPPER_ARM:
            _limb(brush, figure, part, outfit.skin, outfit.top, outfit.sleeve, _UPPER_BULGE)
        elif part in FOREARM:
            _limb(brush, figure, part, outfit.skin, outfit.top, outfit.sleeve - 1.0, _LOWER_BULGE)
        elif part in THIGH:
            _limb(brush, figure, part, outfit.skin, outfit.bottom, leg, _UPPER_BULGE)
        elif part in SHANK:
            _limb(brush, figure, part, outfit.skin, outfit.bottom, leg - 1.0, _LOWER_BULGE)
        elif part in HAND:
            _limb(brush, figure, part, outfit.skin)
        elif part in FOOT:
            _foot(brush, figure, part, outfit)
        elif part == NECK:
            paint_hair_behind(brush, outfit, skull)
            _limb(brush, figure, part, outfit.skin, gain=0.88)
        elif part == TRUNK:
            if skirted:
                _skirt(brush, figure, outfit)
            paint_trunk(brush, figure, outfit)
        elif part == HEAD:
            paint_head(brush, outfit, skull)


def _thighs_come_first(figure: Figure) -> bool:
    order = figure.order.tolist()
    return all(order.index(part) < order.index(TRUNK) for part in THIGH)


def _limb(
    brush: Brush,
    figure: Figure,
    part: int,
    skin: Texture,
    cloth: Texture | None = None,
    covered: float = 0.0,
    bulge: float = 0.0,
    gain: float = 1.0,
) -> None:
    """Paint a limb of which `covered` (0 to 1) is under cloth, counted from its upper end."""
    start, end, radii = figure.start[part], figure.end[part], figure.radii[part]
    if covered < 1.0:
        brush.textured(capsule_outline(start, end, radii, bulge), skin, start, end, radii[0], gain)
    if cloth is not None and covered > 0.05:
        share = min(covered, 1.0)
        hem = (1.0 - share) * start + share * end
        wider = _CLOTH_WIDENING * np.array([radii[0], (1.0 - share) * radii[0] + share * radii[1]])
        outline = capsule_outline(start, hem, wider, bulge, 1.0 if share == 1.0 else 0.3)
        brush.textured(outline, cloth, start, hem, wider[0], gain)


def _foot(brush: Brush, figure: Figure, part: int, outfit: Outfit) -> None:
    heel, toe, radii = figure.start[part], figure.end[part], figure.radii[part]
    brush.textured(capsule_outline(heel, toe, radii, 0.1), outfit.shoes, heel, toe, radii[0])
    if abs(toe[0] - heel[0]) > 2.0 * radii[0]:  # seen from the side, the sole shows
        down = np.array([0.0, 0.8 * radii[1]])
        brush.line(np.stack([heel + down, toe + down]), 0.4 * outfit.shoes.colour, 0.35 * radii[1])


def _skirt(brush: Brush, figure: Figure, outfit: Outfit) -> None:
    hips, knees = figure.joints[11:13, :2], figure.joints[13:15, :2]
    hem = hips + outfit.skirt * (knees - hips)
    left, right = hem[hem[:, 0].argsort()]
    flare = np.array([0.05 * brush.stature, 0.0])
    waist = figure.trunk.edges[:, 3]
    waist = waist[waist[:, 0].argsort()]
    outline = smooth(np.stack([waist[0], waist[1], right + flare, left - flare]), 1)
    brush.textured(outline, outfit.bottom, waist.mean(0), hem.mean(0), 0.11 * brush.stature)
