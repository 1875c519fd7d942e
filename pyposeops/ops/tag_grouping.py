"""People out of heatmaps of joints and maps of tags."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops import _core
from pyposeops._library import accepts_numpy, choice, register
from pyposeops.ops.heatmap_peaks import heatmap_peaks

TagRefine = Literal["quarter", "none"]
_REFINES = {"none": 0, "quarter": 1}
_MAX_PEOPLE = 1024  # kMaxTagPeople in csrc/ops/tag_grouping/tag_grouping.h
_MAX_PEAKS = 1024  # kMaxPeaks in csrc/ops/heatmap_peaks/heatmap_peaks_math.h

_Groups = tuple[Tensor, Tensor, Tensor, Tensor]
_People = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


class TagPeople(NamedTuple):
    """What :func:`tag_grouping` returns."""

    keypoints: Tensor
    """(B, M, K, 3): (x, y) in pixels of the maps and the heatmap's value there; 0 where a person lacks the joint."""
    scores: Tensor
    """(B, M): of the people, in the order in which they were found; 0 beyond them."""
    tags: Tensor
    """(B, M, T): the mean tags of the people; 0 beyond them."""
    detected: Tensor
    """(B, M, K) bool: whether the joint is a peak; one that is not has been filled in, or is missing."""
    counts: Tensor
    """(B,) int64: the first so many of the M entries are people."""


def _real(maps: Tensor) -> torch.dtype:
    return torch.float64 if maps.dtype == torch.float64 else torch.float32


def _candidates(heatmaps: Tensor, tags: Tensor, max_peaks: int, window: int, threshold: float) -> Tensor:
    """(B, K, P, 3 + T): pixel, value and tags of each peak; the pixel is -1 beyond them."""
    peaks = heatmap_peaks(heatmaps, max_peaks=max_peaks, window=window, threshold=threshold, refine="none")
    x, y = peaks.coords.long().clamp(min=0).unbind(-1)
    image = torch.arange(heatmaps.shape[0], device=heatmaps.device)[:, None, None]
    joint = torch.arange(heatmaps.shape[1], device=heatmaps.device)[:, None]
    own_tags = tags[image, joint, y, x].to(_real(heatmaps))
    return torch.cat((peaks.coords, peaks.scores[..., None], own_tags), dim=-1)


def _groups(
    candidates: Tensor,
    order: list[int],
    max_people: int,
    tag_threshold: float,
    use_scores: bool,
    join_when_full: bool,
) -> _Groups:
    """peaks (B, M, K) int32, means (B, M, T), scores (B, M) and counts (B,); on the CPU."""
    on_cpu = candidates.cpu()
    batch, joints, _, numbers = on_cpu.shape
    peaks = on_cpu.new_empty((batch, max_people, joints), dtype=torch.int32)
    means = on_cpu.new_empty((batch, max_people, numbers - 3))
    scores = on_cpu.new_empty((batch, max_people))
    counts = on_cpu.new_empty(batch, dtype=torch.int64)
    _core.tag_groups(on_cpu, order, tag_threshold, use_scores, join_when_full, peaks, means, scores, counts)
    device = candidates.device
    return peaks.to(device), means.to(device), scores.to(device), counts.to(device)


def _kernel(
    heatmaps: Tensor,
    tags: Tensor,
    order: list[int],
    max_people: int,
    max_peaks: int,
    window: int,
    threshold: float,
    tag_threshold: float,
    use_scores: bool,
    join_when_full: bool,
    refine: bool,
    fill: bool,
    fill_weight: float,
    half_pixel: bool,
) -> _People:
    candidates = _candidates(heatmaps, tags, max_peaks, window, threshold)
    peaks, means, scores, counts = _groups(
        candidates, order, max_people, tag_threshold, use_scores, join_when_full
    )
    shape = (*scores.shape, heatmaps.shape[1])
    keypoints = scores.new_empty((*shape, 3))
    detected = scores.new_empty(shape, dtype=torch.bool)
    _core.tag_people(
        heatmaps,
        tags,
        candidates,
        peaks,
        means,
        counts,
        refine,
        fill,
        fill_weight,
        0.5 if half_pixel else 0.0,
        keypoints,
        detected,
    )
    return keypoints, scores, means, detected, counts


def _fake(
    heatmaps: Tensor,
    tags: Tensor,
    order: list[int],
    max_people: int,
    max_peaks: int,
    window: int,
    threshold: float,
    tag_threshold: float,
    use_scores: bool,
    join_when_full: bool,
    refine: bool,
    fill: bool,
    fill_weight: float,
    half_pixel: bool,
) -> _People:
    batch, joints = heatmaps.shape[:2]
    real = _real(heatmaps)
    return (
        heatmaps.new_empty((batch, max_people, joints, 3), dtype=real),
        heatmaps.new_empty((batch, max_people), dtype=real),
        heatmaps.new_empty((batch, max_people, tags.shape[4]), dtype=real),
        heatmaps.new_empty((batch, max_people, joints), dtype=torch.bool),
        heatmaps.new_empty(batch, dtype=torch.int64),
    )


_grouping_op = register(
    "tag_grouping(Tensor heatmaps, Tensor tags, int[] order, int max_people, int max_peaks, int window, "
    "float threshold, float tag_threshold, bool use_scores, bool join_when_full, bool refine, bool fill, "
    "float fill_weight, bool half_pixel) "
    "-> (Tensor keypoints, Tensor scores, Tensor means, Tensor detected, Tensor counts)",
    _kernel,
    _fake,
)


def _check_maps(heatmaps: Tensor, tags: Tensor) -> None:
    if heatmaps.ndim != 4:
        raise ValueError(f"heatmaps: expected (B, K, H, W), got {tuple(heatmaps.shape)}")
    if not heatmaps.is_floating_point():
        raise TypeError(f"heatmaps: expected a floating dtype, got {heatmaps.dtype}")
    if tags.ndim not in (4, 5) or tags.shape[:4] != heatmaps.shape:
        raise ValueError(
            f"tags: expected (B, K, H, W) or (B, K, H, W, T) with the heatmaps' {tuple(heatmaps.shape)}, "
            f"got {tuple(tags.shape)}"
        )
    if tags.dtype != heatmaps.dtype:
        raise TypeError(f"tags: expected the heatmaps' dtype {heatmaps.dtype}, got {tags.dtype}")


@accepts_numpy
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
    refine: TagRefine = "quarter",
    fill: bool = True,
    fill_weight: float = 1.0,
    half_pixel: bool = False,
) -> TagPeople:
    """Find the people of every image from their joints' heatmaps and the tags of all pixels (associative embedding).

    **Peaks.** The ``max_peaks`` largest local maxima of each map that are above ``threshold``, as
    :func:`pyposeops.heatmap_peaks` finds them. A peak has the tags of its pixel, T numbers.

    **Groups.** Joint after joint in ``joint_order``, the peaks are assigned to the people so far, one to one, as many
    as can be, at the smallest sum of 100 round(d) - score; d is the distance between the peak's tags and the mean
    tags of the person's joints so far, halves are rounded to even. Of assignments that cost the same, as rounded ones
    often do, that with the smallest sum of min(d, tag_threshold) is taken; if those are equal too, the same one in
    every run. A peak whose person is less than ``tag_threshold`` away joins. Every other peak, by falling score, is a
    new person as long as there are fewer than ``max_people``, and is else left out.

    **Positions.** With ``refine="quarter"`` each coordinate moves by a quarter of a pixel, towards the larger of its
    two neighbours, and back where the two are equal or one is NaN; beyond the border a pixel is its own neighbour.

    **Missing joints.** With ``fill`` a joint that a person lacks is put where heatmap - fill_weight round(d) is
    largest, d being the distance between the pixel's tags and the person's mean tags, if the heatmap is above 0
    there; of equal pixels the first in row-major order counts. A map is searched once for all people, and only for
    those who lack the joint.

    Args:
        heatmaps: (B, K, H, W), float32, float64, float16 or bfloat16, any strides; B and K may be 0, K at most 256.
        tags: (B, K, H, W) or (B, K, H, W, T), T from 1 to 16, of the same dtype and device, any strides: maps that
            joints share are ``tags.expand(heatmaps.shape)``; the tags of the mirrored image are stacked as T = 2.
        joint_order: every joint once, in the order in which they are grouped, from those found best to those found
            worst; ``pyposeops.skeletons.COCO_17_TAG_ORDER`` as published for COCO. None: as the maps lie.
        threshold: a peak is above it. 0.1 in HigherHRNet, 0.2 in the code of Newell et al.
        tag_threshold: above 0, at most 1e6.
        max_peaks: per joint and image, 1 to 1024.
        max_people: M, 1 to 1024.
        window: side of the window in which a peak is largest, odd, 3 to 63. 5 in HigherHRNet, 3 in the code of Newell
            et al.
        use_scores: False: the cost is d alone.
        join_when_full: False: once there are M people, further joints are left out altogether, as in the code of
            Newell et al.; True: they still join, as in HigherHRNet.
        refine: "quarter" or "none".
        fill: see above.
        fill_weight: at least 0. 1 in HigherHRNet, 100 in MMPose 1.x.
        half_pixel: add 0.5 to each coordinate, as published, where the centre of the first pixel is 0.5.

    Returns:
        keypoints: (B, M, K, 3), x and y in pixels of the maps, centre of the first pixel 0.0, and the heatmap's
            value; all 0 for a joint that the person lacks. float32, for float64 maps float64.
        scores: (B, M): the values of the joints that are peaks, summed, divided by K; people in the order in which
            they were found; 0 beyond them.
        tags: (B, M, T): mean tags, of the joints that are peaks.
        detected: (B, M, K) bool: the joint is a peak.
        counts: (B,) int64.

    Raises:
        ValueError: shapes that do not fit, a ``joint_order`` that does not name every joint once, a number out of its
            range or NaN, an unknown ``refine``.
        TypeError: maps that are not floating, or of two dtypes.

    NaN is no peak and hides none. A peak that is infinite, or has a tag that is NaN or infinite, belongs to nobody.
    Where joints are filled in, a pixel that is NaN is never taken, and tags that are NaN or further than 1e6 away
    count as 1e6 away. Groups are computed in float64, pixels in float32 (float64 for float64 maps). No gradient. The
    same in every run and on any number of threads. On CUDA peaks and missing joints are found by kernels; people are
    grouped on the CPU, which waits for the device.

    Example:
        >>> heatmaps, tags = torch.zeros(1, 2, 12, 8), torch.zeros(1, 2, 12, 8)
        >>> heatmaps[0, 0, 2, [1, 6]] = heatmaps[0, 1, 8, [1, 6]] = torch.tensor([0.75, 1.0])
        >>> tags[0, 0, 2, 6] = tags[0, 1, 8, 6] = 5.0
        >>> found = tag_grouping(heatmaps, tags, refine="none")
        >>> found.keypoints[0, : found.counts[0]]
        tensor([[[6.0000, 2.0000, 1.0000],
                 [6.0000, 8.0000, 1.0000]],
        <BLANKLINE>
                [[1.0000, 2.0000, 0.7500],
                 [1.0000, 8.0000, 0.7500]]])

    Source: Newell, Huang, Deng, "Associative Embedding: End-to-End Learning for Joint Detection and Grouping",
    NeurIPS 2017; costs, rounding and missing joints as in its published code and that of Cheng et al.,
    "HigherHRNet", CVPR 2020. There people are told apart by the first tag of their first joint, so that one of two
    people with the same number disappears; here nobody does.
    """
    refined = choice(refine, _REFINES, "refine")
    _check_maps(heatmaps, tags)
    order = list(range(heatmaps.shape[1])) if joint_order is None else [int(joint) for joint in joint_order]
    for name, number, most in (
        ("max_people", max_people, _MAX_PEOPLE),
        ("max_peaks", max_peaks, _MAX_PEAKS),
    ):
        if not 1 <= number <= most:
            raise ValueError(f"{name}: expected a number from 1 to {most}, got {number}")
    for name, value in (("threshold", threshold), ("tag_threshold", tag_threshold)):
        if math.isnan(value):
            raise ValueError(f"{name}: expected a number, got nan")
    return TagPeople(
        *_grouping_op(
            heatmaps,
            tags if tags.ndim == 5 else tags[..., None],
            order,
            max_people,
            max_peaks,
            window,
            threshold,
            tag_threshold,
            use_scores,
            join_when_full,
            bool(refined),
            fill,
            fill_weight,
            half_pixel,
        )
    )
