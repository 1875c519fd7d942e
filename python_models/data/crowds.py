"""Generated crowds: several people in one image, who overlap as much as is asked for.

Every image follows from (seed, index, crowding) alone, and the same people in the same poses and clothes stand closer
to each other where `crowding` is higher.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from python_models.data.generated import draw_figure, draw_light, label_figure
from python_models.data.people.brush import Brush
from python_models.data.people.figure import Figure, covering_parts, inside_polygon
from python_models.data.people.paint import paint_figure
from python_models.data.people.surroundings import (
    Occluder,
    draw_occluder,
    finish,
    paint_background,
    paint_occluder,
    paint_seat,
    paint_shadow,
)
from python_models.data.people.wardrobe import draw_outfit
from python_models.data.records import PersonRecord, PoseDataset
from python_models.data.skeletons import COCO_SKELETON

MOST_PEOPLE = 6
# Of the image's height: how tall people are and where their feet stand, for the farthest and the nearest.
_TALL, _FEET = (0.42, 0.72), (0.66, 0.97)
# At full crowding the middles of neighbours in a group are so many of their widths apart.
_CLOSEST = 0.3
# What an image draws: its plan, what is around people, and each person's clothes.
_PLAN, _PLACE, _CLOTHES = 10, 11, 12


class Member(NamedTuple):
    """Somebody in a crowd."""

    figure: Figure
    seated: bool
    number: int  # whose clothes these are


class Crowd(NamedTuple):
    """An image of several people before it is painted."""

    size: tuple[int, int]  # height, width
    members: list[Member]  # the nearest last
    occluders: list[Occluder]  # in front of all


def plan_crowd(seed: int, index: int, crowding: float) -> Crowd:
    """Draw who is there, where, and what hides parts of them."""
    rng = np.random.default_rng((seed, index, _PLAN))
    height, width = (int(side) for side in rng.integers((224, 336), (289, 433)))
    count = int(rng.integers(2, MOST_PEOPLE + 1))
    depths = rng.random(count)
    drawn = [draw_figure(rng) for _ in range(count)]
    figures = [_stood(figure, height, depth) for (figure, _), depth in zip(drawn, depths, strict=True)]
    middles = _middles(rng, [_width(figure) for figure in figures], width, crowding)
    members = []
    for number in np.argsort(depths, kind="stable").tolist():
        figure = figures[number]
        offset = middles[number] - figure.corners()[:, 0].mean()
        members.append(Member(figure.placed(1.0, np.array([offset, 0.0])), drawn[number][1], number))
    behind = members[int(rng.integers(count))].figure
    occluders = [draw_occluder(rng, behind.corners()) for _ in range(int(rng.random() < 0.25))]
    return Crowd((height, width), members, occluders)


def _stood(figure: Figure, height: int, depth: float) -> Figure:
    """Size somebody by how near they are (0 far, 1 near) and set them on the ground of the image."""
    _, high = figure.corners()
    # A pose that is lower than a standing one stays lower: people are sized by their stature.
    zoom = height * np.interp(depth, (0, 1), _TALL) / figure.camera.pixels
    feet = height * np.interp(depth, (0, 1), _FEET)
    return figure.placed(zoom, np.array([0.0, feet - zoom * high[1]]))


def _width(figure: Figure) -> float:
    low, high = figure.corners()
    return float(high[0] - low[0])


def _middles(rng: np.random.Generator, widths: list[float], width: int, crowding: float) -> np.ndarray:
    """Columns of the people's middles: side by side, or with `crowding` groups of two to three closer together."""
    count = len(widths)
    slot = width / count
    places = (rng.permutation(count) + rng.uniform(0.35, 0.65, count)) * slot
    order = np.argsort(places)
    cuts = np.cumsum(rng.integers(2, 4, count))
    for group in np.split(order, cuts[cuts < count]):
        gap = _CLOSEST * float(np.mean([widths[member] for member in group]))
        close = places[group].mean() + gap * (np.arange(len(group)) - (len(group) - 1) / 2)
        places[group] += crowding * (close - places[group])
    return places


def paint_crowd(crowd: Crowd, seed: int, index: int) -> np.ndarray:
    """Paint a planned crowd, uint8 (H, W, 3) RGB."""
    rng = np.random.default_rng((seed, index, _PLACE))
    ground = float(min(member.figure.corners()[1, 1] for member in crowd.members))
    image = paint_background(rng, *crowd.size, ground)
    light, relief, shade = draw_light(rng), rng.uniform(0.25, 0.45), rng.uniform(0.2, 0.55)
    for member in crowd.members:
        own = np.random.default_rng((seed, index, _CLOTHES, member.number))
        corners = member.figure.corners()
        paint_shadow(image, corners, shade)
        brush = Brush(image, member.figure.camera.pixels, light, relief)
        outfit = draw_outfit(own)
        if member.seated:
            paint_seat(own, brush, member.figure.joints[11:13, :2], float(corners[1, 1]))
        paint_figure(brush, member.figure, outfit)
    for occluder in crowd.occluders:
        paint_occluder(brush, occluder)
    return finish(rng, image)


class GeneratedCrowds(PoseDataset):
    """Images of two to six articulated figures with COCO's 17 joints, drawn on demand.

    The figures are those of `GeneratedPeople`, of different sizes; nearer ones stand lower and in front. Joints
    behind the own body, another person or a thing have visibility 1, joints outside the image 0.
    Records of one image follow each other, the farthest person first.

    The same seed and index give the same people in every process; two seeds share nobody.

    Args:
        seed: which images, a whole number from 0.
        count: how many images.
        crowding: 0: people stand side by side; 1: in tight groups of two to three.
    """

    def __init__(self, seed: int, count: int, crowding: float = 0.3) -> None:
        if seed < 0 or count < 1:
            raise ValueError(f"seed, count: expected at least 0 and 1, got {seed} and {count}")
        if not 0 <= crowding <= 1:
            raise ValueError(f"crowding: expected a number from 0 to 1, got {crowding}")
        self.seed, self.crowding = seed, crowding
        self.skeleton = COCO_SKELETON
        self.records = [record for index in range(count) for record in self._records(index)]

    def _records(self, index: int) -> list[PersonRecord]:
        crowd = plan_crowd(self.seed, index, self.crowding)
        return [
            label_figure(
                member.figure, _hidden(crowd, place), crowd.size, index, index * MOST_PEOPLE + place + 1
            )
            for place, member in enumerate(crowd.members)
        ]

    def load_image(self, record: PersonRecord) -> np.ndarray:
        index = int(record.image)
        return paint_crowd(plan_crowd(self.seed, index, self.crowding), self.seed, index)


def _hidden(crowd: Crowd, place: int) -> np.ndarray:
    """Which joints of the member at `place` are behind something, (17,) bool."""
    figure = crowd.members[place].figure
    joints, hidden = figure.joints[:, :2], figure.hidden
    for nearer in crowd.members[place + 1 :]:
        hidden = hidden | covering_parts(nearer.figure, joints).any(1)
    for occluder in crowd.occluders:
        hidden = hidden | inside_polygon(joints, occluder.outline)
    return hidden
