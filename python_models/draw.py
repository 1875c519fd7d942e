"""Pictures of people: limbs coloured by side or by person, several pictures on one sheet."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from python_models.data.records import Skeleton, joint_side
from python_models.files import write_atomically

# RGB. Left is warm and right is cold, arms and legs differ in shade, what has no side is green.
_UPPER_COLOURS = {"left": (255, 176, 32), "right": (64, 196, 255), None: (110, 230, 90)}
_LOWER_COLOURS = {"left": (240, 84, 60), "right": (64, 104, 240), None: (60, 180, 110)}
_WHITE, _DARK = (255, 255, 255), (24, 24, 28)
_FAINT_SHARE = 0.4
_FAINT_FACTOR = 2.0
# Joints so many sides of the picture away are no people's: what a network gives that has not learned.
_REACH = 4.0
_SUBPIXEL_BITS = 4
# Hues of people one after the other are this far apart on the circle: no few of them are alike.
_HUE_STEP = 0.381966  # 1 - 1 / golden ratio

Colour = tuple[int, int, int]  # RGB


def person_colour(number: int) -> Colour:
    """A bright colour for the person of this number, from 0; neighbours differ much."""
    hue = (0.08 + _HUE_STEP * number) % 1.0
    lightness = (0.55, 0.68, 0.45)[number // 8 % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.85)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw_people(
    image: np.ndarray,
    people: Sequence[np.ndarray],
    skeleton: Skeleton,
    *,
    truth: Sequence[np.ndarray] = (),
    boxes: Sequence[np.ndarray] = (),
    min_score: float = 0.2,
    zoom: float = 1.0,
    colours: Sequence[Colour] | None = None,
) -> np.ndarray:
    """Draw people into a copy of an image.

    Limbs of the left side are orange and red, of the right side light and dark blue, of neither green, unless each
    person has a colour. Lines are as wide as the person is large, with a dark rim. Joints that score below
    `min_score` are left out, limbs with one below twice that are faint. Joints far outside of the picture, or not
    finite, are left out, too.

    Args:
        image: uint8 (H, W, 3), RGB.
        people: arrays (K, 3) of x, y, score in pixels of the image.
        skeleton: names and limbs of the K joints.
        truth: arrays (K, 3) of x, y, visibility, drawn as thin white lines under the people.
        boxes: arrays (4,) xywh, drawn as thin rectangles.
        min_score: see above.
        zoom: the picture is enlarged by this factor before anything is drawn.
        colours: one for each person, such as `person_colour` gives; None: by side.

    Returns:
        The picture, uint8 (zoom * H, zoom * W, 3), RGB.
    """
    canvas = _enlarge(image, zoom)
    for box in boxes:
        x, y, width, height = box
        _rectangle(canvas, _zoomed(np.array([[x, y], [x + width, y + height]]), zoom))
    for joints in truth:
        _draw_truth(canvas, _zoomed(joints, zoom), skeleton)
    own_colours = [None] * len(people) if colours is None else colours
    for joints, colour in zip(people, own_colours, strict=True):
        limb_colours = [colour or _limb_colour(skeleton, limb) for limb in skeleton.limbs]
        _draw_person(canvas, _zoomed(joints, zoom), skeleton, min_score, limb_colours)
    return canvas


def contact_sheet(
    images: Sequence[np.ndarray], columns: int, *, cell: tuple[int, int] | None = None, gap: int = 6
) -> np.ndarray:
    """Arrange pictures (uint8 RGB) on a white sheet, row by row.

    cell: (height, width) that every picture is fitted into, its proportions kept; by default the largest
    height and the largest width among them, where nothing is resized.
    """
    if columns < 1 or not images:
        raise ValueError(f"expected pictures and at least 1 column, got {len(images)} and {columns}")
    if cell is not None:
        images = [_fit(image, cell) for image in images]
    height = max(image.shape[0] for image in images) + gap
    width = max(image.shape[1] for image in images) + gap
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = np.full((rows * height + gap, columns * width + gap, 3), 255, dtype=np.uint8)
    for position, image in enumerate(images):
        row, column = divmod(position, columns)
        top = gap + row * height + (height - gap - image.shape[0]) // 2
        left = gap + column * width + (width - gap - image.shape[1]) // 2
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return sheet


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write a uint8 RGB picture; the kind of file follows from the name (.png without any)."""
    kind = Path(path).suffix or ".png"
    written, content = cv2.imencode(kind, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not written:
        raise OSError(f"{path}: the picture could not be written")
    write_atomically(path, lambda file: file.write(content.tobytes()))


def _enlarge(image: np.ndarray, zoom: float) -> np.ndarray:
    if zoom == 1.0:
        return image.copy()
    height, width = (round(side * zoom) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC if zoom > 1 else cv2.INTER_AREA)


def _fit(image: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    return _enlarge(image, min(cell[0] / image.shape[0], cell[1] / image.shape[1]))


def _zoomed(points: np.ndarray, zoom: float) -> np.ndarray:
    """Move points (…, 2 or more) with the image; pixel centres are whole numbers before and after."""
    moved = np.array(points, dtype=np.float64)
    moved[..., :2] = (moved[..., :2] + 0.5) * zoom - 0.5
    return moved


def _limb_colour(skeleton: Skeleton, limb: tuple[int, int]) -> Colour:
    sides = {joint_side(skeleton.joint_names[joint]) for joint in limb} - {None}
    side = sides.pop() if len(sides) == 1 else None
    lower = all(skeleton.lower_body[joint] for joint in limb)
    return (_LOWER_COLOURS if lower else _UPPER_COLOURS)[side]


def _line(canvas: np.ndarray, start: np.ndarray, end: np.ndarray, colour: Sequence[int], width: int) -> None:
    ends = [tuple(np.rint(point * (1 << _SUBPIXEL_BITS)).astype(int).tolist()) for point in (start, end)]
    cv2.line(canvas, *ends, tuple(colour), width, cv2.LINE_AA, _SUBPIXEL_BITS)


def _dot(canvas: np.ndarray, centre: np.ndarray, colour: Sequence[int], radius: float) -> None:
    scale = 1 << _SUBPIXEL_BITS
    place = tuple(np.rint(centre * scale).astype(int).tolist())
    cv2.circle(canvas, place, round(radius * scale), tuple(colour), -1, cv2.LINE_AA, _SUBPIXEL_BITS)


def _rectangle(canvas: np.ndarray, corners: np.ndarray) -> None:
    first, second = (tuple(np.rint(corner).astype(int).tolist()) for corner in corners)
    cv2.rectangle(canvas, first, second, _WHITE, 1, cv2.LINE_AA)


def _draw_truth(canvas: np.ndarray, joints: np.ndarray, skeleton: Skeleton) -> None:
    for first, second in skeleton.limbs:
        if joints[first, 2] > 0 and joints[second, 2] > 0:
            _line(canvas, joints[first, :2], joints[second, :2], _WHITE, 1)
    for joint in joints[joints[:, 2] > 0]:
        _dot(canvas, joint[:2], _WHITE, 1.5)


def _within_reach(joints: np.ndarray, canvas: np.ndarray) -> np.ndarray:
    """Which of the joints (K, 2 or more) can be drawn at all, (K,) bool; NaN cannot."""
    return (np.abs(joints[:, :2]) <= _REACH * max(canvas.shape[:2])).all(axis=1)


def _line_width(joints: np.ndarray) -> float:
    """Return the width of a limb's line: a sixtieth of the person's larger side, at least 1 pixel."""
    return max(1.0, float(np.ptp(joints[:, :2], axis=0).max()) / 60.0) if len(joints) else 1.0


def _draw_person(
    canvas: np.ndarray,
    joints: np.ndarray,
    skeleton: Skeleton,
    min_score: float,
    colours: Sequence[Colour],
) -> None:
    shown = (joints[:, 2] >= min_score) & _within_reach(joints, canvas)
    width = _line_width(joints[shown])
    score = joints[:, 2]
    coloured = zip(skeleton.limbs, colours, strict=True)
    limbs = [(limb, colour) for limb, colour in coloured if shown[list(limb)].all()]
    faint_below = _FAINT_FACTOR * min_score
    faint = [own for own in limbs if score[list(own[0])].min() < faint_below]
    if faint:
        layer = canvas.copy()
        _draw_limbs(layer, joints, faint, width)
        cv2.addWeighted(layer, _FAINT_SHARE, canvas, 1.0 - _FAINT_SHARE, 0.0, dst=canvas)
    _draw_limbs(canvas, joints, [own for own in limbs if own not in faint], width)
    for index in np.flatnonzero(shown & (score >= faint_below)):
        _dot(canvas, joints[index, :2], _DARK, 0.9 * width + 0.6)
        _dot(canvas, joints[index, :2], _WHITE, 0.6 * width + 0.3)


def _draw_limbs(
    canvas: np.ndarray, joints: np.ndarray, limbs: Sequence[tuple[tuple[int, int], Colour]], width: float
) -> None:
    thickness = round(width)
    for (first, second), _ in limbs:
        _line(canvas, joints[first, :2], joints[second, :2], _DARK, thickness + 2)
    for (first, second), colour in limbs:
        _line(canvas, joints[first, :2], joints[second, :2], colour, thickness)
