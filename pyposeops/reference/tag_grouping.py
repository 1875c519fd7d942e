"""Definition of tag_grouping: peaks, one assignment per joint, and whole maps for missing joints."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pyposeops.reference.heatmap_peaks import heatmap_peaks

Cost = tuple[float, float]
_FARTHEST = 1e6
_INFINITE: Cost = (math.inf, math.inf)


def _sum(a: Cost, b: Cost, sign: float = 1.0) -> Cost:
    return a[0] + sign * b[0], a[1] + sign * b[1]


def assign(rows: int, columns: int, cost: Callable[[int, int], Cost]) -> list[int]:
    """The column of each row, one to one, with the smallest sum of costs, compared as tuples; rows <= columns.

    Rows come in one after the other, each by the path of smallest reduced costs that ends in a free column (Kuhn
    1955, Jonker and Volgenant 1987).
    """
    row_price, column_price = [(0.0, 0.0)] * rows, [(0.0, 0.0)] * columns
    row_of = [-1] * columns
    for new in range(rows):
        least, before, done = [_INFINITE] * columns, [-1] * columns, [False] * columns
        row, column = new, -1
        while True:
            for j in range(columns):
                reduced = _sum(_sum(cost(row, j), row_price[row], -1.0), column_price[j], -1.0)
                if not done[j] and reduced < least[j]:
                    least[j], before[j] = reduced, column
            column = min((j for j in range(columns) if not done[j]), key=lambda j: least[j])
            delta = least[column]
            row_price[new] = _sum(row_price[new], delta)
            for j in range(columns):
                if done[j]:
                    row_price[row_of[j]] = _sum(row_price[row_of[j]], delta)
                    column_price[j] = _sum(column_price[j], delta, -1.0)
                else:
                    least[j] = _sum(least[j], delta, -1.0)
            if row_of[column] < 0:
                break
            done[column], row = True, row_of[column]
        while column >= 0:
            row_of[column] = row_of[before[column]] if before[column] >= 0 else new
            column = before[column]
    column_of = [-1] * rows
    for column, row in enumerate(row_of):
        if row >= 0:
            column_of[row] = column
    return column_of


class _Peak:
    def __init__(self, x: int, y: int, score: float, tags: list[float]) -> None:
        self.x, self.y, self.score, self.tags = x, y, score, tags

    def is_finite(self) -> bool:
        return all(math.isfinite(value) for value in (self.score, *self.tags))


class _Person:
    def __init__(self) -> None:
        self.joints: dict[int, _Peak] = {}

    def mean(self) -> list[float]:
        """In the order in which the joints joined."""
        sums = [0.0] * len(next(iter(self.joints.values())).tags)
        for peak in self.joints.values():
            sums = [total + tag for total, tag in zip(sums, peak.tags, strict=True)]
        return [total / len(self.joints) for total in sums]


def _distance(tags: list[float], mean: list[float]) -> float:
    squared = 0.0
    for tag, own in zip(tags, mean, strict=True):
        squared += (tag - own) * (tag - own)
    distance = math.sqrt(squared)
    return distance if distance < _FARTHEST else _FARTHEST


def _partners(
    peaks: list[_Peak], means: list[list[float]], tag_threshold: float, use_scores: bool
) -> list[int | None]:
    """The person that each peak joins."""
    apart = [[_distance(peak.tags, mean) for mean in means] for peak in peaks]

    def cost(peak: int, person: int) -> Cost:
        distance = apart[peak][person]
        within = min(distance, tag_threshold)
        if not use_scores:
            return distance, within
        score = max(-1e9, min(1e9, peaks[peak].score))
        return 100.0 * round(distance) - score, within

    partners: list[int | None] = [None] * len(peaks)
    if len(means) < len(peaks):
        for person, peak in enumerate(assign(len(means), len(peaks), lambda row, column: cost(column, row))):
            partners[peak] = person
    else:
        partners = list(assign(len(peaks), len(means), cost))
    return [
        person if person is not None and apart[peak][person] < tag_threshold else None
        for peak, person in enumerate(partners)
    ]


def _group(
    peaks_of: list[list[_Peak]],
    order: Sequence[int],
    max_people: int,
    tag_threshold: float,
    use_scores: bool,
    join_when_full: bool,
) -> list[_Person]:
    people: list[_Person] = []
    for joint in order:
        peaks = [peak for peak in peaks_of[joint] if peak.is_finite()]
        if not peaks or (len(people) == max_people and not join_when_full):
            continue
        partners: list[int | None] = [None] * len(peaks)
        if people:
            means = [person.mean() for person in people]
            partners = _partners(peaks, means, tag_threshold, use_scores)
        for peak, partner in zip(peaks, partners, strict=True):
            if partner is not None:
                people[partner].joints[joint] = peak
            elif len(people) < max_people:
                people.append(_Person())
                people[-1].joints[joint] = peak
    return people


def _keypoint(heatmap: Tensor, x: int, y: int, refine: str, half_pixel: bool) -> Tensor:
    height, width = heatmap.shape
    step_x = step_y = 0.0
    if refine == "quarter":
        step_x = 0.25 if heatmap[y, min(x + 1, width - 1)] > heatmap[y, max(x - 1, 0)] else -0.25
        step_y = 0.25 if heatmap[min(y + 1, height - 1), x] > heatmap[max(y - 1, 0), x] else -0.25
    shift = 0.5 if half_pixel else 0.0
    return torch.tensor([x + step_x + shift, y + step_y + shift, heatmap[y, x]], dtype=heatmap.dtype)


def _best_pixel(heatmap: Tensor, tags: Tensor, mean: Tensor, weight: float) -> tuple[int, int] | None:
    """(x, y) of a missing joint, if there is one."""
    squared = torch.zeros_like(heatmap)
    for t in range(len(mean)):
        squared = squared + (tags[..., t] - mean[t]) * (tags[..., t] - mean[t])
    distance = squared.sqrt()
    distance = torch.where(distance < _FARTHEST, distance, torch.full_like(distance, _FARTHEST))
    value = heatmap - torch.tensor(weight, dtype=heatmap.dtype) * distance.round()
    value = torch.where(value.isnan(), torch.full_like(value, -math.inf), value).flatten()
    if not value.max() > -math.inf:
        return None
    y, x = divmod(int((value == value.max()).nonzero()[0]), heatmap.shape[1])
    return (x, y) if heatmap[y, x] > 0 else None


def tag_grouping(
    heatmaps: Tensor,
    tags: Tensor,
    *,
    joint_order: Sequence[int] | None = None,
    threshold: float = 0.1,
    tag_threshold: float = 1.0,
    max_peaks: int = 30,
    max_people: int = 30,
    window: int = 5,
    use_scores: bool = True,
    join_when_full: bool = True,
    refine: str = "quarter",
    fill: bool = True,
    fill_weight: float = 1.0,
    half_pixel: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """keypoints, scores, tags, detected and counts, as ``pyposeops.tag_grouping`` documents them; on the CPU."""
    real = torch.float64 if heatmaps.dtype == torch.float64 else torch.float32
    maps = heatmaps.detach().to(real)
    embeddings = (tags if tags.ndim == 5 else tags[..., None]).detach().to(real)
    batch, joints = maps.shape[:2]
    order = range(joints) if joint_order is None else joint_order
    found = heatmap_peaks(maps, max_peaks=max_peaks, threshold=threshold, window=window, refine="none")
    keypoints = maps.new_zeros(batch, max_people, joints, 3)
    scores = maps.new_zeros(batch, max_people)
    means = maps.new_zeros(batch, max_people, embeddings.shape[4])
    detected = torch.zeros(batch, max_people, joints, dtype=torch.bool)
    counts = torch.zeros(batch, dtype=torch.int64)
    for b in range(batch):
        peaks_of = [
            [
                _Peak(
                    int(x),
                    int(y),
                    float(maps[b, k, int(y), int(x)]),
                    embeddings[b, k, int(y), int(x)].tolist(),
                )
                for x, y in found[0][b, k, : found[2][b, k]].tolist()
            ]
            for k in range(joints)
        ]
        people = _group(peaks_of, order, max_people, tag_threshold, use_scores, join_when_full)
        counts[b] = len(people)
        for m, person in enumerate(people):
            total = 0.0
            for peak in person.joints.values():
                total += peak.score
            scores[b, m] = total / joints
            means[b, m] = torch.tensor(person.mean(), dtype=real)
            for k in range(joints):
                own = person.joints.get(k)
                detected[b, m, k] = own is not None
                pixel = (own.x, own.y) if own is not None else None
                if pixel is None and fill:
                    pixel = _best_pixel(maps[b, k], embeddings[b, k], means[b, m], fill_weight)
                if pixel is not None:
                    keypoints[b, m, k] = _keypoint(maps[b, k], *pixel, refine, half_pixel)
    return keypoints, scores, means, detected, counts
