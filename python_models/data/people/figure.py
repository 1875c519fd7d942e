"""The outline of a posed body in the image: parts in painting order, and which joints they hide."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .body import HEAD_AXES, Body, Camera

# Parts by number. Pairs are (left, right) of the person.
UPPER_ARM, FOREARM, HAND, THIGH, SHANK, FOOT = ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11))
NECK, TRUNK, HEAD = 12, 13, 14
NUM_PARTS = 15

# Radii at both ends of the parts that are capsules, as fractions of the stature, before the build's girth.
_RADII = {
    UPPER_ARM: (0.031, 0.024),
    FOREARM: (0.025, 0.017),
    HAND: (0.018, 0.014),
    THIGH: (0.054, 0.035),
    SHANK: (0.036, 0.022),
    FOOT: (0.020, 0.018),
}
_NECK_RADII = (0.030, 0.028)
# Rings of the trunk from below: height (0 hips, 1 shoulders), half width, half depth.
_RINGS = np.array(
    [
        [-0.13, 0.066, 0.050],
        [0.02, 0.089, 0.062],
        [0.20, 0.085, 0.060],
        [0.42, 0.072, 0.052],
        [0.72, 0.087, 0.060],
        [0.93, 0.104, 0.050],
        [1.03, 0.088, 0.042],
        [1.10, 0.040, 0.036],
    ]
)
# A joint counts as seen where one of its own parts is the topmost one.
_OWN_PARTS = (
    *[(HEAD,)] * 5,
    *[(UPPER_ARM[i], TRUNK) for i in range(2)],
    *[(UPPER_ARM[i], FOREARM[i]) for i in range(2)],
    *[(FOREARM[i], HAND[i]) for i in range(2)],
    *[(THIGH[i], TRUNK) for i in range(2)],
    *[(THIGH[i], SHANK[i]) for i in range(2)],
    *[(SHANK[i], FOOT[i]) for i in range(2)],
)
_OWNS = np.zeros((17, NUM_PARTS), dtype=bool)
for _joint, _parts in enumerate(_OWN_PARTS):
    _OWNS[_joint, list(_parts)] = True
_SHOULDERS_AND_HIPS = (5, 6, 11, 12)


class Trunk(NamedTuple):
    """The trunk in the image, ring by ring from the crotch to the neck; positions in pixels."""

    centre: np.ndarray  # (R, 2)
    left_edge: np.ndarray  # (R, 2) outline on the side of the image's left when upright
    right_edge: np.ndarray  # (R, 2)
    front: np.ndarray  # (R, 2) where the middle of the chest and belly lies
    side: np.ndarray  # (R, 2) half width along the person's left, as a vector
    facing: float  # depth component of the chest's forward direction: 1 seen from the front, -1 from behind


class Figure(NamedTuple):
    """A person in image pixels. Capsules run from `start` to `end` with a radius at each end."""

    body: Body
    camera: Camera
    joints: np.ndarray  # (17, 3): x, y, depth
    start: np.ndarray  # (NUM_PARTS, 2)
    end: np.ndarray  # (NUM_PARTS, 2)
    radii: np.ndarray  # (NUM_PARTS, 2)
    order: np.ndarray  # parts from far to near
    trunk: Trunk
    hidden: np.ndarray  # (17,) bool, behind the person's own body


def _capsules(body: Body, camera: Camera) -> tuple[np.ndarray, ...]:
    """Return start (P, 3), end (P, 3) and radii (P, 2) of all parts; trunk and head as their axes."""
    joints = body.joints
    shoulders, elbows, wrists, hips, knees, ankles = (joints[i : i + 2] for i in range(5, 17, 2))
    ends = {
        UPPER_ARM: (shoulders, elbows),
        FOREARM: (elbows, wrists),
        HAND: (wrists, body.hands),
        THIGH: (hips, knees),
        SHANK: (knees, ankles),
        FOOT: (body.heels, body.toes),
    }
    start, end, radii = (np.empty((NUM_PARTS, size)) for size in (3, 3, 2))
    for part, (first, second) in ends.items():
        start[list(part)], end[list(part)] = first, second
        radii[list(part)] = np.multiply(_RADII[part], body.build.girth)
    start[NECK], end[NECK] = body.neck - 0.03 * body.chest_frame[:, 1], body.head
    start[TRUNK], end[TRUNK] = body.pelvis, body.neck
    start[HEAD] = end[HEAD] = body.head
    radii[NECK] = _NECK_RADII
    radii[TRUNK] = 0.07
    radii[HEAD] = HEAD_AXES[:2].mean() * body.build.head
    return camera.project(start), camera.project(end), radii * camera.pixels


def _trunk(body: Body, camera: Camera) -> Trunk:
    heights = _RINGS[:, :1]
    blend = np.clip(heights, 0.0, 1.0)
    spine = 0.4 * body.pelvis_frame[:, 1] + 0.6 * body.chest_frame[:, 1]
    centre = heights * body.build.trunk * spine
    lateral = (1 - blend) * body.pelvis_frame[:, 0] + blend * body.chest_frame[:, 0]
    forward = (1 - blend) * body.pelvis_frame[:, 2] + blend * body.chest_frame[:, 2]
    girth = 0.5 + 0.5 * body.build.girth
    broad = np.where(heights < 0.5, body.build.hip / 0.074, body.build.shoulder / 0.108)
    lateral = lateral * _RINGS[:, 1:2] * girth * broad
    forward = forward * _RINGS[:, 2:] * girth
    middle = camera.project(centre)[:, :2]
    side = camera.project(centre + lateral)[:, :2] - middle
    ahead = camera.project(centre + forward)[:, :2] - middle
    along = middle[-1] - middle[0]
    across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6)
    reach = np.hypot(side @ across, ahead @ across)[:, None] * across
    facing = float((camera.frame @ body.chest_frame[:, 2])[2])
    return Trunk(middle, middle - reach, middle + reach, middle + ahead, side, facing)


def _order(start: np.ndarray, end: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Sort parts by the depth of their middle; arms count a little nearer than the trunk, legs farther."""
    depth = 0.5 * (start[:, 2] + end[:, 2])
    depth[[*UPPER_ARM, *FOREARM, *HAND]] += 0.035
    depth[list(HAND)] = np.maximum(depth[list(HAND)], depth[list(FOREARM)] + 1e-3)
    depth[list(THIGH)] -= 0.045
    depth[list(FOOT)] = np.minimum(depth[list(FOOT)], depth[list(SHANK)] - 1e-3)
    depth[NECK] = min(depth[TRUNK], depth[HEAD]) - 0.02
    depth[HEAD] = max(depth[HEAD], depth[NECK] + 1e-3)
    return np.argsort(depth, kind="stable")


def distance_to_capsules(points: np.ndarray, start: np.ndarray, end: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Return how far points (N, 2) lie outside capsules (P, …), (N, P); negative inside, in pixels."""
    along = end - start
    length2 = np.maximum((along * along).sum(1), 1e-9)
    offset = points[:, None] - start
    place = np.clip((offset * along).sum(2) / length2, 0.0, 1.0)
    nearest = offset - place[..., None] * along
    return np.hypot(nearest[..., 0], nearest[..., 1]) - (radii[:, 0] + place * (radii[:, 1] - radii[:, 0]))


def inside_polygon(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Tell which points (N, 2) lie inside a polygon (M, 2), by the even-odd rule."""
    first, second = polygon, np.roll(polygon, -1, axis=0)
    x, y = points[:, :1], points[:, 1:]
    crosses = (first[:, 1] > y) != (second[:, 1] > y)
    rise = np.where(first[:, 1] == second[:, 1], 1.0, second[:, 1] - first[:, 1])
    at = first[:, 0] + (y - first[:, 1]) / rise * (second[:, 0] - first[:, 0])
    return (crosses & (x < at)).sum(1) % 2 == 1


def _hidden(figure: Figure) -> np.ndarray:
    """Joints behind the person's own body: covered by a foreign part, or on the far side of head or trunk."""
    points = figure.joints[:, :2]
    covers = distance_to_capsules(points, figure.start, figure.end, figure.radii) < 0
    outline = np.concatenate([figure.trunk.left_edge, figure.trunk.right_edge[::-1]])
    covers[:, TRUNK] = inside_polygon(points, outline)
    rank = np.empty(NUM_PARTS, dtype=int)
    rank[figure.order] = np.arange(NUM_PARTS)
    topmost = np.where(covers, rank, -1).argmax(1)
    hidden = covers.any(1) & ~_OWNS[np.arange(17), topmost]
    head_depth = figure.camera.project(figure.body.head)[2]
    hidden[:5] |= figure.joints[:5, 2] < head_depth + np.array([0.0, 0.0, 0.0, -0.02, -0.02])
    trunk_depth = 0.5 * (figure.joints[[5, 11], 2] + figure.joints[[6, 12], 2]).repeat(2)
    hidden[list(_SHOULDERS_AND_HIPS)] |= figure.joints[_SHOULDERS_AND_HIPS, 2] < trunk_depth - 0.055
    return hidden


def outline_figure(body: Body, camera: Camera) -> Figure:
    """Project a body and order its parts."""
    start, end, radii = _capsules(body, camera)
    joints = camera.project(body.joints)
    order = _order(start, end, joints)
    trunk = _trunk(body, camera)
    figure = Figure(
        body, camera, joints, start[:, :2], end[:, :2], radii, order, trunk, np.zeros(17, dtype=bool)
    )
    return figure._replace(hidden=_hidden(figure))


def extent(figure: Figure) -> np.ndarray:
    """Return the corners [[x0, y0], [x1, y1]] of the box around everything that is drawn, hair aside."""
    reach = figure.radii.max(1, keepdims=True)
    lowest = np.minimum(figure.start, figure.end) - reach
    highest = np.maximum(figure.start, figure.end) + reach
    tall = (HEAD_AXES[1] - HEAD_AXES[0]) / 2 * figure.body.build.head * figure.camera.pixels
    lowest[HEAD] -= tall
    edges = np.concatenate([figure.trunk.left_edge, figure.trunk.right_edge])
    parts = [part for part in range(NUM_PARTS) if part != TRUNK]
    low = np.minimum(lowest[parts].min(0), edges.min(0))
    return np.stack([low, np.maximum(highest[parts].max(0), edges.max(0))])
