"""Tag grouping in NumPy and Python, in the manner of HigherHRNet's public code.

Torch suppresses and lists the peaks of whole maps, SciPy assigns, and every joint of every person is sought in its
whole map, then used if it was missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Person = dict[int, tuple[int, int, float, Floats]]  # by joint: x, y, score, tags


def decode(
    heatmaps: Floats,
    tags: Floats,
    *,
    joint_order: Sequence[int],
    threshold: float = 0.1,
    tag_threshold: float = 1.0,
    max_peaks: int = 30,
    max_people: int = 30,
) -> list[Floats]:
    """The people of each image, (N, K, 3)."""
    result = []
    for maps, embeddings in zip(heatmaps, tags, strict=True):
        peaks = _peaks(maps, embeddings, threshold, max_peaks)
        people = _group(peaks, joint_order, tag_threshold, max_people)
        poses = [_refined(_adjusted(person, maps), person, maps, embeddings) for person in people]
        result.append(np.array(poses, np.float32).reshape(-1, len(maps), 3))
    return result


def _peaks(maps: Floats, tags: Floats, threshold: float, max_peaks: int) -> list[list[Any]]:
    heat = torch.from_numpy(maps)[None]
    pooled = torch.nn.functional.max_pool2d(heat, 5, stride=1, padding=2)
    scores, index = (heat * (heat == pooled)).flatten(2).topk(max_peaks)
    width = maps.shape[2]
    found = []
    for k, (values, places) in enumerate(zip(scores[0].tolist(), index[0].tolist(), strict=True)):
        pairs = [(value, *divmod(place, width)) for value, place in zip(values, places, strict=True)]
        found.append([(x, y, value, tags[k, y, x]) for value, y, x in pairs if value > threshold])
    return found


def _group(
    peaks_of: list[list[Any]], order: Sequence[int], tag_threshold: float, max_people: int
) -> list[Person]:
    from scipy.optimize import linear_sum_assignment

    people: list[Person] = []
    for joint in order:
        peaks = peaks_of[joint]
        if not peaks:
            continue
        if not people:
            people = [{joint: peak} for peak in peaks]
            continue
        known = people[:max_people]
        means = np.array([np.mean([peak[3] for peak in person.values()], axis=0) for person in known])
        apart = np.linalg.norm(np.array([peak[3] for peak in peaks])[:, None] - means[None], axis=2)
        cost = np.round(apart) * 100 - np.array([peak[2] for peak in peaks])[:, None]
        if len(peaks) > len(known):
            cost = np.hstack((cost, np.full((len(peaks), len(peaks) - len(known)), 1e10)))
        for row, column in zip(*linear_sum_assignment(cost), strict=True):
            if column < len(known) and apart[row, column] < tag_threshold:
                known[column][joint] = peaks[row]
            else:
                people.append({joint: peaks[row]})
    return people


def _step(heatmap: Floats, x: int, y: int) -> tuple[float, float]:
    height, width = heatmap.shape
    right = heatmap[y, min(x + 1, width - 1)] > heatmap[y, max(x - 1, 0)]
    below = heatmap[min(y + 1, height - 1), x] > heatmap[max(y - 1, 0), x]
    return x + (0.25 if right else -0.25), y + (0.25 if below else -0.25)


def _adjusted(person: Person, maps: Floats) -> Floats:
    pose = np.zeros((len(maps), 3), np.float32)
    for joint, (x, y, score, _) in person.items():
        pose[joint] = (*_step(maps[joint], x, y), score)
    return pose


def _refined(pose: Floats, person: Person, maps: Floats, tags: Floats) -> Floats:
    mean = np.mean([peak[3] for peak in person.values()], axis=0)
    for joint, heatmap in enumerate(maps):
        distance = ((tags[joint] - mean) ** 2).sum(axis=2) ** 0.5
        y, x = np.unravel_index(np.argmax(heatmap - np.round(distance)), heatmap.shape)
        found = (*_step(heatmap, int(x), int(y)), heatmap[y, x])
        if pose[joint, 2] == 0 and found[2] > 0:
            pose[joint] = found
    return pose
