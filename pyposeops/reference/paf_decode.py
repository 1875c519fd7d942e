"""Definition of paf_decode: whole enlarged maps, all pairs of peaks, people as dictionaries."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyposeops.reference.tag_grouping import assign
from pyposeops.skeletons import PafSkeleton

CUBIC_A = -0.75
CENTROID_RADIUS = 3
FEWEST_SAMPLES, MOST_SAMPLES = 5, 25
NEAR_SCORE = 1e-6
PEAK_SHARE = 0.1
FEW_COUNTED = 4
MOST_OF_A_LIMB = 1e100


def paf_decode(
    heatmaps: Tensor,
    pafs: Tensor,
    skeleton: PafSkeleton,
    *,
    upsampling: int = 8,
    heatmap_threshold: float = 0.05,
    paf_threshold: float = 0.05,
    paf_ratio: float = 0.95,
    refine: str = "centroid",
    sampling: str = "bilinear",
    include_end: bool = False,
    near_distance: float | None = None,
    assembly: str = "global",
    min_joints: int = 3,
    min_score: float = 0.4,
    max_peaks: int = 127,
    max_people: int = 127,
) -> tuple[Tensor, Tensor, Tensor]:
    """Keypoints (B, M, K, 3), scores (B, M) and counts (B,), as ``pyposeops.paf_decode`` documents them."""
    heatmaps, pafs = (maps if maps.dtype == torch.float64 else maps.float() for maps in (heatmaps, pafs))
    batch, _, height, width = heatmaps.shape
    joints = len(skeleton.joints)
    if near_distance is None:
        near_distance = upsampling * math.sqrt(height * width) / 150.0
    keypoints = heatmaps.new_zeros(batch, max_people, joints, 3)
    scores = heatmaps.new_zeros(batch, max_people)
    counts = torch.zeros(batch, dtype=torch.int64)
    for image in range(batch):
        peaks = [
            find_peaks(enlarge(heatmap, upsampling), heatmap_threshold, refine, max_peaks)
            for heatmap in heatmaps[image, :joints]
        ]
        edges = []
        for limb, ((a, b), (x, y)) in enumerate(zip(skeleton.limbs, skeleton.channels, strict=True)):
            field = pafs[image, [x, y]]
            found = limb_scores(
                field,
                peaks[a],
                peaks[b],
                upsampling,
                paf_threshold,
                paf_ratio,
                sampling,
                include_end,
                near_distance,
                heatmap_threshold,
            )
            edges += [(limb, i, j, score) for i, j, score in found]
        crowd = assemble(edges, peaks, skeleton, assembly)
        kept = keep(crowd, skeleton, min_joints, min_score)[:max_people]
        counts[image] = len(kept)
        for index, person in enumerate(kept):
            scores[image, index] = person["score"] / (joints + len(skeleton.limbs))
            for joint, peak in person["joints"].items():
                keypoints[image, index, joint] = peaks[joint][peak]
    return keypoints, scores, counts


def enlarge(heatmap: Tensor, scale: int) -> Tensor:
    """Bicubic interpolation, (H, W) -> (H * scale, W * scale), first along x; four products summed in order."""
    return _enlarge_rows(_enlarge_rows(heatmap, scale).T.contiguous(), scale).T.contiguous()


def _enlarge_rows(maps: Tensor, scale: int) -> Tensor:
    size = maps.shape[1]
    at = (torch.arange(size * scale, dtype=torch.float64) + 0.5) / scale - 0.5
    low = at.floor()
    result = None
    for tap in range(-1, 3):
        weight = _cubic((at - low - tap).abs()).to(maps.dtype)
        product = maps[:, (low.long() + tap).clamp(0, size - 1)] * weight
        result = product if result is None else result + product
    assert result is not None
    return result


def _cubic(d: Tensor) -> Tensor:
    a = CUBIC_A
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return torch.where(d <= 1, near, torch.where(d < 2, far, 0.0))


def find_peaks(fine: Tensor, threshold: float, refine: str, max_peaks: int) -> Tensor:
    """(P, 3): x, y and value, largest first, of equal ones in row-major order."""
    height, width = fine.shape
    padded = fine.new_full((height + 2, width + 2), -math.inf)
    padded[1:-1, 1:-1] = fine
    is_peak = fine > threshold
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            neighbour = padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
            if (dy, dx) < (0, 0):
                is_peak &= ~(neighbour >= fine)
            elif (dy, dx) > (0, 0):
                is_peak &= ~(neighbour > fine)
    y, x = is_peak.nonzero(as_tuple=True)
    order = fine[y, x].argsort(descending=True, stable=True)[:max_peaks]
    y, x = y[order], x[order]
    rule = {"centroid": centroid, "quarter": quarter, "none": whole}[refine]
    points = [rule(fine, int(a), int(b)) for a, b in zip(x, y, strict=True)]
    positions = torch.tensor(points, dtype=torch.float64).reshape(-1, 2).to(fine.dtype)
    return torch.cat([positions, fine[y, x][:, None]], dim=1)


def whole(fine: Tensor, x: int, y: int) -> tuple[float, float]:
    """The pixel itself."""
    return float(x), float(y)


def centroid(fine: Tensor, x: int, y: int) -> tuple[float, float]:
    """The mean position of the positive values in 7 x 7 pixels."""
    r = CENTROID_RADIUS
    top, left = max(y - r, 0), max(x - r, 0)
    window = fine[top : y + r + 1, left : x + r + 1].double()
    window = torch.where(window > 0, window, 0.0)
    total = float(window.sum())
    if not 0 < total < math.inf:
        return float(x), float(y)
    rows = torch.arange(window.shape[0], dtype=torch.float64) + top
    columns = torch.arange(window.shape[1], dtype=torch.float64) + left
    return float((window * columns).sum()) / total, float((window * rows[:, None]).sum()) / total


def quarter(fine: Tensor, x: int, y: int) -> tuple[float, float]:
    """A quarter of a pixel towards the larger neighbour; not from the first two and the last row or column."""
    height, width = fine.shape
    if not (1 < x < width - 1 and 1 < y < height - 1):
        return float(x), float(y)
    right, left, below, above = (
        float(fine[b, a]) for a, b in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1))
    )
    return x + 0.25 * ((right > left) - (right < left)), y + 0.25 * ((below > above) - (below < above))


def limb_scores(
    field: Tensor,
    first: Tensor,
    second: Tensor,
    scale: int,
    paf_threshold: float,
    ratio: float,
    sampling: str,
    include_end: bool,
    near_distance: float,
    heatmap_threshold: float,
) -> list[tuple[int, int, float]]:
    """The accepted limbs between two joints' peaks: (index of the first, of the second, score)."""
    if len(first) == 0 or len(second) == 0:
        return []
    real = field.dtype
    start, end = first[:, None, :2], second[None, :, :2]
    d = end - start
    length = _sqrt(d[..., 0] * d[..., 0] + d[..., 1] * d[..., 1])
    wanted = _sqrt(torch.tensor(5, dtype=real) * d.abs().amax(-1)) + 0.5
    count = wanted.clamp(FEWEST_SAMPLES, MOST_SAMPLES).floor()
    steps = count - 1 if include_end else count
    k = torch.arange(MOST_SAMPLES, dtype=real)
    share = k / steps[..., None]
    points = start[:, :, None] + d[:, :, None] * share[..., None]
    direction = d / length[..., None]
    values = sample(field, points, scale, sampling)
    along = direction[..., None, 0] * values[..., 0] + direction[..., None, 1] * values[..., 1]
    passes = (along > torch.tensor(paf_threshold, dtype=real)) & (k < count[..., None])
    passed = passes.sum(-1)
    mean = torch.where(passes, along.double(), 0.0).sum(-1) / passed
    joined = (passed > ratio * count.double()) & (length > 0)
    near = length.double() < near_distance
    nothing = torch.zeros_like(mean)
    scores = torch.where(joined, mean, torch.where(near, heatmap_threshold + NEAR_SCORE, nothing)).to(real)
    accepted = scores > torch.tensor(NEAR_SCORE, dtype=real)
    return [(int(i), int(j), float(scores[i, j])) for i, j in accepted.nonzero()]


def _sqrt(x: Tensor) -> Tensor:
    """Rounded correctly, which PyTorch's own square root in vectors is not."""
    return torch.from_numpy(np.asarray(np.sqrt(x.numpy())))


def sample(field: Tensor, points: Tensor, scale: int, sampling: str) -> Tensor:
    """Both components (..., 2) of a field (2, H, W) at fine positions (..., 2)."""
    _, height, width = field.shape
    if sampling == "bicubic":
        x, y = (points + 0.5).floor().nan_to_num(0).long().unbind(-1)
        x, y = x.clamp(0, width * scale - 1), y.clamp(0, height * scale - 1)
        return torch.stack([enlarge(component, scale)[y, x] for component in field], dim=-1)
    at = ((points + 0.5) / scale - 0.5).nan_to_num(0)
    x, y = at[..., 0].clamp(0, width - 1), at[..., 1].clamp(0, height - 1)
    x0, y0 = x.long(), y.long()
    x1, y1 = (x0 + 1).clamp(max=width - 1), (y0 + 1).clamp(max=height - 1)
    right, down = x - x0, y - y0
    values = []
    for component in field:
        top = component[y0, x0] * (1 - right) + component[y0, x1] * right
        bottom = component[y1, x0] * (1 - right) + component[y1, x1] * right
        values.append(top * (1 - down) + bottom * down)
    return torch.stack(values, dim=-1)


Edge = tuple[int, int, int, float]
Person = dict[str, Any]
Values = dict[tuple[int, int], float]


def assemble(edges: list[Edge], peaks: list[Tensor], skeleton: PafSkeleton, assembly: str) -> list[Person]:
    """People: their joints' peaks, score, and how many joints count."""
    value = {(joint, i): float(peak[2]) for joint, found in enumerate(peaks) for i, peak in enumerate(found)}
    if assembly == "global":
        return _assemble_globally(edges, value, skeleton)
    pairs_of = {"sequential": _strongest, "hungarian": _largest_sum}[assembly]
    return _assemble_in_sequence(edges, peaks, value, skeleton, pairs_of)


def _strongest(edges: list[Edge], firsts: int, seconds: int) -> list[Edge]:
    """One after the other, those whose peaks are both free."""
    kept: list[Edge] = []
    for edge in edges:
        if all(edge[1] != other[1] and edge[2] != other[2] for other in kept):
            kept.append(edge)
    return kept


def _largest_sum(edges: list[Edge], firsts: int, seconds: int) -> list[Edge]:
    """Those of the one-to-one pairing of all peaks whose scores sum to the most; a pair without an edge has 0."""
    score = {(i, j): min(s, MOST_OF_A_LIMB) for _, i, j, s in edges}
    if firsts <= seconds:
        partner = assign(firsts, seconds, lambda i, j: (-score.get((i, j), 0.0), 0.0))
        chosen = set(enumerate(partner))
    else:
        partner = assign(seconds, firsts, lambda j, i: (-score.get((i, j), 0.0), 0.0))
        chosen = {(i, j) for j, i in enumerate(partner)}
    return [edge for edge in edges if edge[1:3] in chosen]


def _assemble_globally(edges: list[Edge], value: Values, skeleton: PafSkeleton) -> list[Person]:
    def strength(edge: Edge) -> tuple[float, int, int, int]:
        limb, i, j, score = edge
        a, b = skeleton.limbs[limb]
        return (-((score + PEAK_SHARE * value[a, i]) + PEAK_SHARE * value[b, j]), limb, i, j)

    people: list[Person] = []
    owner: dict[tuple[int, int], Person] = {}
    for limb, i, j, score in sorted(edges, key=strength):
        a, b = skeleton.limbs[limb]
        first, second = owner.get((a, i)), owner.get((b, j))
        if first is None and second is None:
            started = {"joints": {a: i, b: j}, "score": (value[a, i] + value[b, j]) + score, "filled": set()}
            people.append(started)
            owner[a, i] = owner[b, j] = started
        elif first is None or second is None:
            joint, peak, person = (a, i, second) if first is None else (b, j, first)
            if person is not None and joint not in person["joints"]:
                person["joints"][joint] = peak
                person["score"] += value[joint, peak] + score
                owner[joint, peak] = person
        elif first is second:
            first["score"] += score
        elif not set(first["joints"]) & set(second["joints"]):
            kept, gone = sorted(
                (first, second), key=lambda p: next(n for n, q in enumerate(people) if q is p)
            )
            for joint, peak in gone["joints"].items():
                owner[joint, peak] = kept
            kept["joints"] |= gone["joints"]
            kept["score"] += gone["score"] + score
            gone["joints"] = {}
    return people


def _assemble_in_sequence(
    edges: list[Edge],
    peaks: list[Tensor],
    value: Values,
    skeleton: PafSkeleton,
    pairs_of: Callable[[list[Edge], int, int], list[Edge]],
) -> list[Person]:
    people: list[Person] = []
    owner: dict[tuple[int, int], Person] = {}

    def start(joints: dict[int, int], score: float) -> None:
        person = {"joints": joints, "score": score, "filled": set()}
        people.append(person)
        for joint, peak in joints.items():
            owner[joint, peak] = person

    for limb, (a, b) in enumerate(skeleton.limbs):
        if len(peaks[a]) == 0 or len(peaks[b]) == 0:
            joint = b if len(peaks[a]) == 0 else a
            for i in range(len(peaks[joint])):
                if (joint, i) not in owner:
                    start({joint: i}, value[joint, i])
            continue
        own = sorted((e for e in edges if e[0] == limb), key=lambda e: (-e[3], e[1], e[2]))
        for _, i, j, score in pairs_of(own, len(peaks[a]), len(peaks[b])):
            first, second = owner.get((a, i)), owner.get((b, j))
            if limb in skeleton.extra:
                for person, other, joint, peak in ((first, second, b, j), (second, first, a, i)):
                    if person is not None and other is None and joint not in person["joints"]:
                        person["joints"][joint] = peak
                        person["filled"].add(joint)
                        owner[joint, peak] = person
            elif first is None or limb == 0:
                start({a: i, b: j}, (value[a, i] + value[b, j]) + score)
            else:
                former = first["joints"].get(b)
                if former is not None and owner.get((b, former)) is first:
                    del owner[b, former]
                first["joints"][b] = j
                first["filled"].discard(b)
                owner[b, j] = first
                first["score"] += value[b, j] + score
    return people


def keep(people: list[Person], skeleton: PafSkeleton, min_joints: int, min_score: float) -> list[Person]:
    """Those with enough joints and score, largest score first."""
    for uncounted in (set(skeleton.uncounted), set()):
        kept = []
        for person in people:
            left_out = len(set(person["joints"]) & uncounted)
            size = len(set(person["joints"]) - person["filled"] - uncounted)
            enough = size >= min_joints and size > 0 and not (left_out and size <= FEW_COUNTED)
            if enough and person["score"] / size >= min_score:
                kept.append(person)
        if kept:
            break
    return sorted(kept, key=lambda person: -person["score"])
