"""Definition of pifpaf_decode: confident joints by the sum of what cells say, and people that grow along limbs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

CELLS_OF_A_JOINT = 16.0  # that speak for it, by which their sum is divided
FARTHEST = 1e6  # cells; whatever is farther away or larger does not count


class Joint(NamedTuple):
    """In cells."""

    x: float
    y: float
    size: float
    score: float


Pose = dict[int, Joint]
Growth = tuple[
    float, int, int, int, Joint
]  # score, number of the limb and way, from and to which joint, and that


def bell(t: Tensor | float) -> Tensor | float:
    """exp(-t) as (1 - t / 8)^8, for t in 0..8."""
    base = 1.0 - t / 8.0
    squared = base * base
    return (squared * squared) * (squared * squared)


def usable(cells: Tensor) -> Tensor:
    """Of cells (C, N) = confidence, places and sizes: whether all are numbers, and within bounds."""
    return (cells.abs() <= FARTHEST).all(0)


class _Image:
    """One image's fields in double: joints (K, 4, N) and limbs (L, 7, N), without what is unused."""

    def __init__(self, cif: Tensor, caf: Tensor, stride_px: float) -> None:
        self.joints = cif[:, 1:].flatten(2).double()
        self.limbs = caf[:, 1:].flatten(2).double()
        self.least_px = 1.0 / stride_px

    def speaking(self, joint: int, threshold: float) -> Tensor:
        """Confidence, x, y and deviation of the cells that speak for a joint, (4, N)."""
        cells = self.joints[joint]
        chosen = cells[:, usable(cells) & (cells[0] >= threshold) & (cells[3] >= 0)].clone()
        chosen[0].clamp_(max=1.0)
        chosen[3] = (0.5 * chosen[3]).clamp(min=self.least_px)
        return chosen

    def confidence(self, speaking: Tensor, x: float, y: float) -> float:
        """How sure the cells together are that the joint is at (x, y)."""
        confidences, xs, ys, sigmas = speaking
        dx, dy = xs - x, ys - y
        squared, reach = dx * dx + dy * dy, sigmas * sigmas
        near = squared <= reach
        total = 0.0
        for share in (confidences / CELLS_OF_A_JOINT * bell(squared / (2.0 * reach)))[near].tolist():
            total += share
        return min(total, 1.0)


class _Links:
    """Ways along a limb, in the order of cells: start (2, N), end (3, N) = x, y and size, and scores (N,)."""

    def __init__(self, start: Tensor, end: Tensor, scores: Tensor) -> None:
        self.start, self.end, self.scores = start, end, scores

    def follow(self, source: Joint) -> Joint | None:
        """The best end from near the source, with the score of the link; with the second best if they agree."""
        sigma = 0.5 * max(source.size, 0.5)
        dx, dy = self.start[0] - source.x, self.start[1] - source.y
        t = (dx * dx + dy * dy) / (2.0 * (sigma * sigma))
        values = torch.where(t < 8.0, self.scores * bell(t), 0.0)
        order = values.sort(descending=True, stable=True)
        ranked = [
            (v, *self.end[:, i].tolist()) for v, i in zip(*(o[:2].tolist() for o in order), strict=True)
        ]
        if not ranked or not ranked[0][0] > 0.0:
            return None
        best = ranked[0]
        if len(ranked) > 1 and ranked[1][0] >= 0.5 * best[0]:
            other = ranked[1]
            dx, dy, half = best[1] - other[1], best[2] - other[2], 0.5 * best[3]
            if dx * dx + dy * dy <= half * half:
                total = best[0] + other[0]
                x, y, size = ((best[0] * best[i] + other[0] * other[i]) / total for i in (1, 2, 3))
                return Joint(x, y, size, 0.5 * total)
        return Joint(best[1], best[2], best[3], best[0])


def _links(
    image: _Image, speaking: list[Tensor], limb: int, joints: tuple[int, int], threshold: float
) -> list[_Links]:
    """From the limb's first joint to its second, and back."""
    cells = image.limbs[limb]
    chosen = cells[:, usable(cells) & (cells[0] >= threshold) & (cells[5:] >= 0).all(0)]
    confidence = chosen[0].clamp(max=1.0)
    ends = chosen[[1, 2, 5]], chosen[[3, 4, 6]]
    result = []
    for start, end, target in ((*ends, joints[1]), (*ends[::-1], joints[0])):
        sure = [image.confidence(speaking[target], x, y) for x, y in end[:2].T.tolist()]
        scores = confidence * (0.1 + 0.9 * torch.tensor(sure, dtype=torch.float64))
        result.append(_Links(start[:2], end, scores))
    return result


class _Grower:
    """Grows poses along the links of an image."""

    def __init__(self, links: list[_Links], ways: list[tuple[int, int]], least: float, share: float) -> None:
        self.links, self.ways, self.least, self.share = links, ways, least, share

    def pose(self, root: int, joint: Joint) -> Pose:
        pose, open_ways = {root: joint}, self.ways_from(root, joint, {})
        while open_ways:
            best = max(open_ways, key=lambda way: (way[0], -way[1]))
            open_ways.remove(best)
            _, way, start, end, found = best
            if end not in pose and self.returns(way, pose[start], found):
                pose[end] = found
                open_ways += self.ways_from(end, found, pose)
        return pose

    def ways_from(self, start: int, joint: Joint, pose: Pose) -> list[Growth]:
        found = []
        for way, (own, end) in enumerate(self.ways):
            if own != start or end in pose:
                continue
            reached = self.links[way].follow(joint)
            if reached is None:
                continue
            score = math.sqrt(reached.score * joint.score)
            if score >= self.least and score >= self.share * joint.score:
                found.append((score, way, start, end, reached._replace(score=score)))
        return found

    def returns(self, way: int, source: Joint, found: Joint) -> bool:
        """Whether the link back from what was found ends near the source."""
        back = self.links[way ^ 1].follow(found)
        return back is not None and abs(back.x - source.x) + abs(back.y - source.y) <= source.size


def _taken(people: list[Pose], joint: int, place: Joint, least: float) -> bool:
    """Whether somebody has the same joint so near that it covers the place."""
    for own in (pose[joint] for pose in people if joint in pose):
        dx, dy, radius = own.x - place.x, own.y - place.y, max(own.size, least)
        if dx * dx + dy * dy <= radius * radius:
            return True
    return False


def _score(pose: Pose, joints: int) -> float:
    return sum((pose[k].score for k in sorted(pose)), 0.0) / joints


def _falling(poses: list[Pose], joints: int) -> list[Pose]:
    return sorted(poses, key=lambda pose: -_score(pose, joints))


def pifpaf_decode(
    cif: Tensor,
    caf: Tensor,
    limbs: Sequence[tuple[int, int]],
    *,
    stride_px: float,
    cif_threshold: float = 0.3,
    caf_threshold: float = 0.3,
    seed_threshold: float = 0.2,
    min_joint_score: float = 0.15,
    min_joint_share: float = 0.5,
    min_score: float = 0.15,
    max_people: int = 100,
) -> tuple[Tensor, Tensor, Tensor]:
    """keypoints, scores and counts, as ``pyposeops.pifpaf_decode`` documents them; on the CPU."""
    real = torch.float64 if cif.dtype == torch.float64 else torch.float32
    batch, joints = cif.shape[:2]
    keypoints = torch.zeros(batch, max_people, joints, 3, dtype=real)
    scores = torch.zeros(batch, max_people, dtype=real)
    counts = torch.zeros(batch, dtype=torch.int64)
    ways = [way for a, b in limbs for way in ((a, b), (b, a))]
    for b in range(batch):
        image = _Image(cif[b].detach().cpu(), caf[b].detach().cpu(), stride_px)
        speaking = [image.speaking(k, cif_threshold) for k in range(joints)]
        seeds = []
        for k in range(joints):
            cells = image.joints[k]
            for c, x, y, size in cells[
                :, usable(cells) & (cells[0] >= seed_threshold) & (cells[3] >= 0)
            ].T.tolist():
                score = 0.9 * image.confidence(speaking[k], x, y) + 0.1 * min(c, 1.0)
                if score > 0.0 and score >= min_joint_score:
                    seeds.append((k, Joint(x, y, size, score)))
        links = [
            way
            for limb, pair in enumerate(limbs)
            for way in _links(image, speaking, limb, pair, caf_threshold)
        ]
        grower = _Grower(links, ways, min_joint_score, min_joint_share)
        grown: list[Pose] = []
        for root, joint in sorted(seeds, key=lambda seed: -seed[1].score):
            if len(grown) < max_people and not _taken(grown, root, joint, 2.0 / stride_px):
                grown.append(grower.pose(root, joint))
        people: list[Pose] = []
        for pose in _falling(grown, joints):
            own = {k: joint for k, joint in pose.items() if not _taken(people, k, joint, 2.0 / stride_px)}
            if own and _score(own, joints) >= min_score:
                people.append(own)
        for m, pose in enumerate(_falling(people, joints)):
            scores[b, m] = _score(pose, joints)
            for k, (x, y, _, score) in pose.items():
                keypoints[b, m, k] = torch.tensor([x * stride_px, y * stride_px, score], dtype=torch.float64)
        counts[b] = len(people)
    return keypoints, scores, counts
