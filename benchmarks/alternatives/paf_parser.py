"""A parser of heatmaps and part affinity fields in NumPy and Python, in the manner of the public lightweight one.

Maps are enlarged whole by OpenCV; peaks are pixels larger than four neighbours, thinned out within six pixels; a
limb's field is read at ten points; people grow limb after limb.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyposeops.skeletons import PafSkeleton

Floats = NDArray[np.float32]

PEAK_THRESHOLD, LIMB_THRESHOLD, LIMB_RATIO = 0.1, 0.05, 0.8
APART_PX = 6.0
SAMPLES = 10
FEWEST_JOINTS, LEAST_SCORE = 3, 0.2


def decode(
    heatmaps: Floats, pafs: Floats, skeleton: PafSkeleton, upsampling: int
) -> list[list[dict[str, Any]]]:
    """People of each image: `joints`, peaks by joint, and `score`."""
    return [
        _decode_image(maps, fields, skeleton, upsampling) for maps, fields in zip(heatmaps, pafs, strict=True)
    ]


def _decode_image(
    maps: Floats, fields: Floats, skeleton: PafSkeleton, upsampling: int
) -> list[dict[str, Any]]:
    import cv2

    def enlarge(planes: Floats) -> Floats:
        stacked = np.ascontiguousarray(planes.transpose(1, 2, 0))
        # OpenCV resizes a few hundred channels, but only slowly beyond four; the public parsers do the same.
        return cv2.resize(stacked, None, fx=upsampling, fy=upsampling, interpolation=cv2.INTER_CUBIC)

    joints = enlarge(maps[: len(skeleton.joints)])
    peaks = [_peaks(joints[..., index]) for index in range(joints.shape[2])]
    return _group(peaks, enlarge(fields), skeleton)


def _peaks(heatmap: Floats) -> list[tuple[int, int, float]]:
    """(x, y, value); of peaks nearer than six pixels the leftmost."""
    kept = np.where(heatmap < PEAK_THRESHOLD, 0.0, heatmap)
    padded = np.pad(kept, 2)
    centre = padded[1:-1, 1:-1]
    larger = (centre > padded[1:-1, :-2]) & (centre > padded[1:-1, 2:])
    larger &= (centre > padded[:-2, 1:-1]) & (centre > padded[2:, 1:-1])
    rows, columns = np.nonzero(larger[1:-1, 1:-1])
    found = sorted(zip(columns.tolist(), rows.tolist(), strict=True))
    suppressed = [False] * len(found)
    peaks = []
    for i, (x, y) in enumerate(found):
        if suppressed[i]:
            continue
        for j in range(i + 1, len(found)):
            if ((x - found[j][0]) ** 2 + (y - found[j][1]) ** 2) ** 0.5 < APART_PX:
                suppressed[j] = True
        peaks.append((x, y, float(heatmap[y, x])))
    return peaks


def _limbs(
    first: list[tuple[int, int, float]], second: list[tuple[int, int, float]], field: Floats
) -> list[tuple[int, int, float]]:
    """One to one, the strongest first."""
    pairs = []
    for i, (ax, ay, _) in enumerate(first):
        for j, (bx, by, _) in enumerate(second):
            dx, dy = bx - ax, by - ay
            length = (dx * dx + dy * dy) ** 0.5
            if length == 0:
                continue
            ux, uy = dx / length, dy / length
            scores, passed = 0.0, 0
            xs, ys = np.linspace(ax, bx, SAMPLES), np.linspace(ay, by, SAMPLES)
            for x, y in zip(xs.round().astype(int), ys.round().astype(int), strict=True):
                along = ux * field[y, x, 0] + uy * field[y, x, 1]
                if along > LIMB_THRESHOLD:
                    scores += along
                    passed += 1
            if passed / SAMPLES > LIMB_RATIO:
                pairs.append((i, j, scores / passed))
    pairs.sort(key=lambda pair: -pair[2])
    taken_a, taken_b, limbs = set(), set(), []
    for i, j, score in pairs:
        if i not in taken_a and j not in taken_b:
            limbs.append((i, j, score))
            taken_a.add(i)
            taken_b.add(j)
    return limbs


def _group(
    peaks: list[list[tuple[int, int, float]]], fields: Floats, skeleton: PafSkeleton
) -> list[dict[str, Any]]:
    people: list[dict[str, Any]] = []
    for limb, ((a, b), channels) in enumerate(zip(skeleton.limbs, skeleton.channels, strict=True)):
        for i, j, score in _limbs(peaks[a], peaks[b], fields[..., list(channels)]):
            owner = next((person for person in people if person["joints"].get(a) == i), None)
            if limb in skeleton.extra:
                if owner is not None:
                    owner["joints"].setdefault(b, j)
            elif owner is None:
                total = peaks[a][i][2] + peaks[b][j][2] + score
                people.append({"joints": {a: i, b: j}, "score": total})
            else:
                owner["joints"][b] = j
                owner["score"] += peaks[b][j][2] + score
    return [
        person
        for person in people
        if len(person["joints"]) >= FEWEST_JOINTS and person["score"] / len(person["joints"]) >= LEAST_SCORE
    ]
