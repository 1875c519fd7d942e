"""People out of the maps of CenterNet."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from pyposeops import _core
from pyposeops._library import accepts_numpy, register
from pyposeops.ops.heatmap_peaks import heatmap_peaks

_MAX_PEAKS = 1024  # kMaxPeaks in csrc/ops/heatmap_peaks/heatmap_peaks_math.h
_WINDOW = 3
_WITHOUT_OFFSETS = 0.5

_People = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


class CenternetPeople(NamedTuple):
    """What :func:`centernet_decode` returns."""

    keypoints: Tensor
    """(B, N, K, 2): (x, y) in pixels of the maps; 0 beyond the people."""
    joint_scores: Tensor
    """(B, N, K): the value of the joint's own peak; 0 where the joint is only where the centre says."""
    boxes: Tensor
    """(B, N, 4): x, y, width and height in pixels of the maps; 0 beyond the people."""
    scores: Tensor
    """(B, N): the values of the centres, largest first; 0 beyond the people."""
    counts: Tensor
    """(B,) int64: the first so many of the N entries are people."""


def _real(maps: Tensor) -> torch.dtype:
    return torch.float64 if maps.dtype == torch.float64 else torch.float32


def _at(maps: Tensor, coords: Tensor) -> Tensor:
    """(B, N, C): the values of maps (B, C, H, W) at pixels (B, N, 2); anything where there is no pixel."""
    x, y = coords.long().clamp(min=0).unbind(-1)
    image = torch.arange(maps.shape[0], device=maps.device)[:, None]
    return maps[image, :, y, x].to(_real(maps))


def _candidates(
    heatmaps: Tensor, offsets: Tensor | None, max_peaks: int, threshold: float
) -> tuple[Tensor, Tensor]:
    """(B, K, P, 3): position and value of each detected joint; and (B, K): how many there are."""
    peaks = heatmap_peaks(heatmaps, max_peaks=max_peaks, threshold=threshold, window=_WINDOW, refine="none")
    if offsets is None:
        coords = peaks.coords + _WITHOUT_OFFSETS
    else:
        coords = peaks.coords + _at(offsets, peaks.coords.flatten(1, 2)).view_as(peaks.coords)
    return torch.cat((coords, peaks.scores[..., None]), dim=-1), peaks.counts


def _kernel(
    centers: Tensor,
    sizes: Tensor,
    joint_offsets: Tensor,
    max_people: int,
    max_peaks: int,
    threshold: float,
    joint_threshold: float,
    max_distance: float,
    center_offsets: Tensor | None = None,
    joint_heatmaps: Tensor | None = None,
    joint_heatmap_offsets: Tensor | None = None,
) -> _People:
    found = heatmap_peaks(centers, max_peaks=max_people, threshold=threshold, window=_WINDOW, refine="none")
    pixels, counts = found.coords[:, 0].contiguous(), found.counts[:, 0].contiguous()
    steps = pixels.new_full(pixels.shape, _WITHOUT_OFFSETS)
    if center_offsets is not None:
        steps = _at(center_offsets, pixels)
    people = torch.cat((pixels, steps, _at(sizes, pixels), _at(joint_offsets, pixels)), dim=-1)
    candidates = candidate_counts = None
    if joint_heatmaps is not None:
        candidates, candidate_counts = _candidates(
            joint_heatmaps, joint_heatmap_offsets, max_peaks, joint_threshold
        )
    shape = (*pixels.shape[:2], joint_offsets.shape[1] // 2)
    keypoints, joint_scores = pixels.new_empty((*shape, 2)), pixels.new_empty(shape)
    boxes = pixels.new_empty((*pixels.shape[:2], 4))
    _core.centernet_decode(
        people, counts, candidates, candidate_counts, max_distance, keypoints, joint_scores, boxes
    )
    return keypoints, joint_scores, boxes, found.scores[:, 0].contiguous(), counts


def _fake(
    centers: Tensor,
    sizes: Tensor,
    joint_offsets: Tensor,
    max_people: int,
    max_peaks: int,
    threshold: float,
    joint_threshold: float,
    max_distance: float,
    center_offsets: Tensor | None = None,
    joint_heatmaps: Tensor | None = None,
    joint_heatmap_offsets: Tensor | None = None,
) -> _People:
    real, shape = _real(centers), (centers.shape[0], max_people)
    joints = joint_offsets.shape[1] // 2
    return (
        centers.new_empty((*shape, joints, 2), dtype=real),
        centers.new_empty((*shape, joints), dtype=real),
        centers.new_empty((*shape, 4), dtype=real),
        centers.new_empty(shape, dtype=real),
        centers.new_empty(shape[:1], dtype=torch.int64),
    )


_decode_op = register(
    "centernet_decode(Tensor centers, Tensor sizes, Tensor joint_offsets, int max_people, int max_peaks, "
    "float threshold, float joint_threshold, float max_distance, Tensor? center_offsets=None, "
    "Tensor? joint_heatmaps=None, Tensor? joint_heatmap_offsets=None) "
    "-> (Tensor keypoints, Tensor joint_scores, Tensor boxes, Tensor scores, Tensor counts)",
    _kernel,
    _fake,
)


def _check_maps(name: str, maps: Tensor, channels: int, like: Tensor) -> None:
    batch, _, height, width = like.shape
    if tuple(maps.shape) != (batch, channels, height, width):
        raise ValueError(
            f"{name}: expected {(batch, channels, height, width)}, as large as centers, got {tuple(maps.shape)}"
        )
    if maps.dtype != like.dtype:
        raise TypeError(f"{name}: expected the centers' dtype {like.dtype}, got {maps.dtype}")
    if maps.device != like.device:
        raise ValueError(f"{name}: expected a tensor on {like.device}, as centers, got {maps.device}")


@accepts_numpy
def centernet_decode(
    centers: Tensor,
    sizes: Tensor,
    joint_offsets: Tensor,
    *,
    center_offsets: Tensor | None = None,
    joint_heatmaps: Tensor | None = None,
    joint_heatmap_offsets: Tensor | None = None,
    max_people: int = 100,
    max_peaks: int = 100,
    threshold: float = 0.0,
    joint_threshold: float = 0.1,
    max_distance: float = 0.3,
) -> CenternetPeople:
    """Find the people of every image from heatmaps of their centres and what the centres' pixels say of the rest.

    A person is a local maximum of ``centers`` in 3 x 3 pixels above ``threshold``; the ``max_people`` largest remain,
    as :func:`pyposeops.heatmap_peaks` finds them. Centre and box: the pixel plus its ``center_offsets``, or plus 0.5
    without them, and the pixel's ``sizes``. A joint is at first the pixel plus its ``joint_offsets``.

    With ``joint_heatmaps`` a joint then moves to the nearest of the ``max_peaks`` largest local maxima of its map
    above ``joint_threshold``, of equally near ones the largest, provided that this is inside the box, borders
    included, and no farther than ``max_distance`` times the longer side of the box. Peaks are at their pixels plus
    ``joint_heatmap_offsets``, or plus 0.5 without them. Several people may take the same peak.

    Args:
        centers: (B, 1, H, W), after the sigmoid; float32, float64, float16 or bfloat16, any strides; B may be 0.
        sizes: (B, 2, H, W), width and height of the box in pixels of the maps. These and all further maps have the
            dtype and device of ``centers``, and any strides.
        joint_offsets: (B, 2 K, H, W): x and y of the first joint from the pixel, of the second, and so on; K may be
            0.
        center_offsets: (B, 2, H, W), x and y.
        joint_heatmaps: (B, K, H, W), after the sigmoid.
        joint_heatmap_offsets: (B, 2, H, W), x and y, for all joints alike; only with ``joint_heatmaps``.
        max_people: N, 1 to 1024.
        max_peaks: per joint and image, 1 to 1024.
        threshold: a centre is above it. As published 0: all ``max_people``, for an evaluation that ranks them.
        joint_threshold: a peak of ``joint_heatmaps`` is above it.
        max_distance: share of the box's longer side, at least 0.

    Returns:
        keypoints: (B, N, K, 2), x and y in pixels of the maps, centre of the first pixel 0.0; float32, for float64
            maps float64.
        joint_scores: (B, N, K): the value of the peak that the joint moved to, else 0.
        boxes: (B, N, 4), x, y, width, height.
        scores: (B, N), the values of the centres, largest first.
        counts: (B,) int64. Beyond so many people everything is 0.

    Raises:
        ValueError: shapes that do not fit, numbers out of range or NaN.
        TypeError: maps that are not floating, or of several dtypes.

    NaN is no peak and hides none. No gradient; no suppression among people. The same in every run. CUDA does not wait
    for the device.

    Example:
        >>> centers, sizes = torch.zeros(1, 1, 8, 8), torch.full((1, 2, 8, 8), 6.0)
        >>> joint_offsets, joint_heatmaps = torch.zeros(1, 4, 8, 8), torch.zeros(1, 2, 8, 8)
        >>> centers[0, 0, 4, 3], joint_offsets[0, :, 4, 3] = 0.9, torch.tensor([0.0, -2.0, 0.0, 2.0])
        >>> joint_heatmaps[0, 0, 2, 4] = 0.75
        >>> found = centernet_decode(centers, sizes, joint_offsets, joint_heatmaps=joint_heatmaps)
        >>> found.keypoints[0, : found.counts[0]], found.joint_scores[0, : found.counts[0]]
        (tensor([[[4.5000, 2.5000], [3.0000, 6.0000]]]), tensor([[0.7500, 0.0000]]))

    Source: Zhou, Wang, Krähenbühl, "Objects as Points", arXiv 1904.07850, section 4.2; constants as in its code, in
    which several pixels of a plateau are all peaks; here one is.
    """
    if centers.ndim != 4 or centers.shape[1] != 1:
        raise ValueError(f"centers: expected (B, 1, H, W), got {tuple(centers.shape)}")
    if not centers.is_floating_point():
        raise TypeError(f"centers: expected a floating dtype, got {centers.dtype}")
    if min(centers.shape[2:]) < 1:
        raise ValueError(f"centers: expected a height and width of at least 1, got {tuple(centers.shape)}")
    if joint_offsets.ndim != 4 or joint_offsets.shape[1] % 2:
        raise ValueError(f"joint_offsets: expected (B, 2 K, H, W), got {tuple(joint_offsets.shape)}")
    _check_maps("sizes", sizes, 2, centers)
    _check_maps("joint_offsets", joint_offsets, joint_offsets.shape[1], centers)
    if center_offsets is not None:
        _check_maps("center_offsets", center_offsets, 2, centers)
    if joint_heatmaps is not None:
        _check_maps("joint_heatmaps", joint_heatmaps, joint_offsets.shape[1] // 2, centers)
    if joint_heatmap_offsets is not None:
        if joint_heatmaps is None:
            raise ValueError("joint_heatmap_offsets: expected joint_heatmaps with them, got None")
        _check_maps("joint_heatmap_offsets", joint_heatmap_offsets, 2, centers)
    for name, number in (("max_people", max_people), ("max_peaks", max_peaks)):
        if not 1 <= number <= _MAX_PEAKS:
            raise ValueError(f"{name}: expected a number from 1 to {_MAX_PEAKS}, got {number}")
    for name, value in (("threshold", threshold), ("joint_threshold", joint_threshold)):
        if math.isnan(value):
            raise ValueError(f"{name}: expected a number, got nan")
    return CenternetPeople(
        *_decode_op(
            centers,
            sizes,
            joint_offsets,
            max_people,
            max_peaks,
            threshold,
            joint_threshold,
            max_distance,
            center_offsets,
            joint_heatmaps,
            joint_heatmap_offsets,
        )
    )
