"""The outline of a posed body in the image: parts in painting order, and which joints they hide."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from python_models.data.people.body import HEAD_AXES, MEAN_BUILD, Body, Camera

# Parts by number. Pairs are (left, right) of the person.
UPPER_ARM, FOREARM, HAND, THIGH, SHANK, FOOT = ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11))
NECK, TRUNK, HEAD = 12, 13, 14
NUM_PARTS = 15
_ARMS = [*UPPER_ARM, *FOREARM, *HAND]

# Radii at both ends of each part, as fractions of the stature. The head and the trunk stand in this table as
# the circle and the capsule that hold their middle.
_RADII = np.array(
    [
        *[(0.029, 0.024)] * 2,
        *[(0.025, 0.017)] * 2,
        *[(0.022, 0.018)] * 2,
        *[(0.048, 0.034)] * 2,
        *[(0.035, 0.022)] * 2,
        *[(0.020, 0.018)] * 2,
        (0.030, 0.028),
        (0.070, 0.070),
        (HEAD_AXES[:2].mean(), HEAD_AXES[:2].mean()),
    ]
)
# Rings of the trunk from below: height (0 hips, 1 shoulders), half width, half depth.
_RINGS = np.array(
    [
        [-0.13, 0.062, 0.050],
        [0.02, 0.086, 0.062],
        [0.20, 0.084, 0.060],
        [0.42, 0.073, 0.052],
        [0.72, 0.087, 0.060],
        [0.93, 0.107, 0.050],
        [1.04, 0.094, 0.042],
        [1.12, 0.036, 0.036],
    ]
)
RING_COUNT = len(_RINGS)
# A joint is seen where one of its own parts is the topmost one there.
_OWN_PARTS = (
    *[(HEAD,)] * 5,
    *[(UPPER_ARM[i], TRUNK) for i in range(2)],
    *[(UPPER_ARM[i], FOREARM[i]) for i in range(2)],
    *[(FOREARM[i], HAND[i]) for i in range(2)],
    *[(THIGH[i], TRUNK) for i in range(2)],
    *[(THIGH[i], SHANK[i]) for i in range(2)],
    *[(SHANK[i], FOOT[i]) for i in range(2)],
)
_OWNS = np.array([[part in parts for part in range(NUM_PARTS)] for parts in _OWN_PARTS])
_SHOULDERS_AND_HIPS = np.array([[5, 6], [11, 12]])
# A shoulder or hip this much deeper than the middle of its pair, in statures, is behind the trunk.
_FAR_SIDE = 0.055


class Trunk(NamedTuple):
    """The trunk in the image, ring by ring from the crotch to the neck; pixels."""

    centre: np.ndarray  # (R, 2)
    edges: np.ndarray  # (2, R, 2): the outline's two sides
    front: np.ndarray  # (R, 2) where the middle of belly and chest lies
    side: np.ndarray  # (R, 2) half width along the person's left, as a vector
    facing: float  # how much the chest faces the camera: 1 fully, -1 seen from behind


class Figure(NamedTuple):
    """A person in the image. Parts run from `start` to `end` with a radius at each end; pixels."""

    body: Body
    camera: Camera
    joints: np.ndarray  # (17, 3): x, y, depth
    start: np.ndarray  # (NUM_PARTS, 2)
    end: np.ndarray  # (NUM_PARTS, 2)
    radii: np.ndarray  # (NUM_PARTS, 2)
    order: np.ndarray  # parts from far to near
    trunk: Trunk
    hidden: np.ndarray  # (17,) bool: behind the person's own body

    def placed(self, zoom: float, offset: np.ndarray) -> Figure:
        """Return the figure enlarged about the image's origin and then moved."""
        trunk = self.trunk._replace(
            centre=zoom * self.trunk.centre + offset,
            edges=zoom * self.trunk.edges + offset,
            front=zoom * self.trunk.front + offset,
            side=zoom * self.trunk.side,
        )
        camera = self.camera._replace(
            pixels=zoom * self.camera.pixels, offset=zoom * self.camera.offset + offset
        )
        return self._replace(
            camera=camera,
            joints=self.joints * [zoom, zoom, 1.0] + [*offset, 0.0],
            start=zoom * self.start + offset,
            end=zoom * self.end + offset,
            radii=zoom * self.radii,
            trunk=trunk,
        )

    def corners(self) -> np.ndarray:
        """Return [[left, top], [right, bottom]] of what is drawn, apart from hair that stands off."""
        reach = self.radii.max(1, keepdims=True)
        reach[TRUNK] = 0.0
        edges = self.trunk.edges.reshape(-1, 2)
        low = np.concatenate([self.start - reach, self.end - reach, edges]).min(0)
        high = np.concatenate([self.start + reach, self.end + reach, edges]).max(0)
        crown = self.start[HEAD, 1] - HEAD_AXES[1] * self.body.build.head * self.camera.pixels
        return np.array([[low[0], min(low[1], crown)], high])


def _ends(body: Body) -> tuple[np.ndarray, np.ndarray]:
    """Return where each part starts and ends in space, (NUM_PARTS, 3) each."""
    shoulders, elbows, wrists, hips, knees, ankles = (body.joints[i : i + 2] for i in range(5, 17, 2))
    neck = body.neck - 0.03 * body.chest_frame[:, 1]
    middle = [neck, np.zeros(3), body.head]
    start = np.concatenate([shoulders, elbows, wrists, hips, knees, body.heels, middle])
    end = np.concatenate(
        [elbows, wrists, body.hands, knees, ankles, body.toes, [body.head, body.neck, body.head]]
    )
    return start, end


def _trunk(body: Body, camera: Camera) -> Trunk:
    build, heights = body.build, _RINGS[:, :1]
    chest = np.clip(heights, 0.0, 1.0)
    lateral = (1.0 - chest) * body.pelvis_frame[:, 0] + chest * body.chest_frame[:, 0]
    forward = (1.0 - chest) * body.pelvis_frame[:, 2] + chest * body.chest_frame[:, 2]
    girth = 0.5 + 0.5 * build.girth
    broad = np.where(heights < 0.5, build.hip / MEAN_BUILD.hip, build.shoulder / MEAN_BUILD.shoulder)
    centre = heights * build.trunk * body.spine
    seen = camera.project(
        np.stack(
            [
                centre,
                centre + girth * broad * _RINGS[:, 1:2] * lateral,
                centre + girth * _RINGS[:, 2:] * forward,
            ]
        )
    )[..., :2]
    middle, side, ahead = seen[0], seen[1] - seen[0], seen[2] - seen[0]
    along = middle[-1] - middle[0]
    across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6)
    reach = np.hypot(side @ across, ahead @ across)[:, None] * across
    facing = float(camera.frame[2] @ body.chest_frame[:, 2])
    return Trunk(middle, np.stack([middle - reach, middle + reach]), seen[2], side, facing)


def _painting_order(depth: np.ndarray) -> np.ndarray:
    """Sort parts by the depth of their middle; arms count a little nearer than the trunk, thighs farther."""
    depth = depth.copy()
    depth[_ARMS] += 0.035
    depth[list(THIGH)] -= 0.045
    for i in range(2):
        depth[HAND[i]] = max(depth[HAND[i]], depth[FOREARM[i]] + 1e-3)
        depth[FOOT[i]] = min(depth[FOOT[i]], depth[SHANK[i]] - 1e-3)
    depth[NECK] = min(depth[TRUNK], depth[HEAD]) - 0.02
    return np.argsort(depth, kind="stable")


def _cover(points: np.ndarray, start: np.ndarray, end: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Tell which points (N, 2) lie inside which capsules, (N, P)."""
    along = end - start
    length2 = np.maximum((along * along).sum(1), 1e-9)
    offset = points[:, None] - start
    place = np.clip((offset * along).sum(2) / length2, 0.0, 1.0)
    gap = offset - place[..., None] * along
    return (gap * gap).sum(2) < (radii[:, 0] + place * (radii[:, 1] - radii[:, 0])) ** 2


def inside_polygon(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Tell which points (N, 2) lie inside a polygon (M, 2), by the even-odd rule."""
    first, second = polygon, np.roll(polygon, -1, axis=0)
    x, y = points[:, :1], points[:, 1:]
    crosses = (first[:, 1] > y) != (second[:, 1] > y)
    rise = np.where(first[:, 1] == second[:, 1], 1.0, second[:, 1] - first[:, 1])
    at = first[:, 0] + (y - first[:, 1]) / rise * (second[:, 0] - first[:, 0])
    return (crosses & (x < at)).sum(1) % 2 == 1


def covering_parts(figure: Figure, points: np.ndarray) -> np.ndarray:
    """Tell which points (N, 2) lie on which parts of a person, (N, NUM_PARTS) bool."""
    covers = _cover(points, figure.start, figure.end, figure.radii)
    outline = np.concatenate([figure.trunk.edges[0], figure.trunk.edges[1, ::-1]])
    covers[:, TRUNK] = inside_polygon(points, outline)
    return covers


def _hidden(figure: Figure) -> np.ndarray:
    """Joints that a foreign part covers, and those on the far side of the head or the trunk."""
    points, depth = figure.joints[:, :2], figure.joints[:, 2]
    covers = covering_parts(figure, points)
    rank = np.empty(NUM_PARTS, dtype=int)
    rank[figure.order] = np.arange(NUM_PARTS)
    topmost = np.where(covers, rank, -1).argmax(1)
    hidden = covers.any(1) & ~_OWNS[np.arange(len(points)), topmost]
    skull = float(figure.camera.frame[2] @ figure.body.head)
    hidden[:3] |= depth[:3] < skull
    hidden[3:5] |= depth[3:5] < skull - 0.02
    pairs = depth[_SHOULDERS_AND_HIPS]
    hidden[_SHOULDERS_AND_HIPS] |= pairs < pairs.mean(1, keepdims=True) - _FAR_SIDE
    return hidden


def outline_figure(body: Body, camera: Camera) -> Figure:
    """Project a body and order its parts."""
    start, end = (camera.project(points) for points in _ends(body))
    factor = np.full((NUM_PARTS, 1), body.build.girth)
    factor[NECK], factor[HEAD] = 1.0, body.build.head
    figure = Figure(
        body=body,
        camera=camera,
        joints=camera.project(body.joints),
        start=start[:, :2],
        end=end[:, :2],
        radii=camera.pixels * factor * _RADII,
        order=_painting_order(0.5 * (start[:, 2] + end[:, 2])),
        trunk=_trunk(body, camera),
        hidden=np.zeros(17, dtype=bool),
    )
    return figure._replace(hidden=_hidden(figure))
