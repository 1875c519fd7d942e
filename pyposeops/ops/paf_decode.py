"""People out of heatmaps of joints and part affinity fields."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops import _core
from pyposeops._library import accepts_numpy, choice, register
from pyposeops.skeletons import PafSkeleton

PafRefine = Literal["centroid", "quarter", "none"]
PafSampling = Literal["bilinear", "bicubic"]
PafAssembly = Literal["global", "sequential", "hungarian"]
# enum classes PafRefine and PafSampling in csrc/ops/paf_decode/paf_decode_math.h
_REFINES = {"none": 0, "centroid": 1, "quarter": 2}
_SAMPLINGS = {"bilinear": 0, "bicubic": 1}
_ASSEMBLIES = {"global": 0, "sequential": 1, "hungarian": 2}  # enum class PafAssembly in paf_decode.h
_MAX_UPSAMPLING = 8  # kMaxUpsampling
_MAX_PEAKS = 255  # kMaxPafPeaks
_MAX_JOINTS = 63  # bits of `uncounted`, a signed number
_NEAR_SHARE = 150.0

_Lists = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


class PafPeople(NamedTuple):
    """What :func:`paf_decode` returns."""

    keypoints: Tensor
    """(B, M, K, 3): (x, y) in fine pixels and the heatmap's value there; 0 where a person lacks the joint."""
    scores: Tensor
    """(B, M): of the people, largest first; 0 beyond those found."""
    counts: Tensor
    """(B,) int64: the first so many of the M entries are people."""


def _real(heatmaps: Tensor) -> torch.dtype:
    return torch.float64 if heatmaps.dtype == torch.float64 else torch.float32


def _allocate(heatmaps: Tensor, joints: int, max_people: int) -> tuple[Tensor, Tensor, Tensor]:
    batch, real = heatmaps.shape[0], _real(heatmaps)
    return (
        heatmaps.new_empty((batch, max_people, joints, 3), dtype=real),
        heatmaps.new_empty((batch, max_people), dtype=real),
        heatmaps.new_empty(batch, dtype=torch.int64),
    )


def _candidate_lists(heatmaps: Tensor, joints: int, limbs: int, max_peaks: int) -> _Lists:
    batch, real, pairs = heatmaps.shape[0], _real(heatmaps), max_peaks * max_peaks
    edges = (batch, 1, limbs * pairs) if heatmaps.is_cuda else (batch, limbs, pairs)
    return (
        heatmaps.new_empty((batch, joints, max_peaks, 3), dtype=real),
        heatmaps.new_empty((batch, joints), dtype=torch.int32),
        heatmaps.new_empty(edges, dtype=torch.int32),
        heatmaps.new_empty(edges, dtype=real),
        heatmaps.new_empty(edges[:2], dtype=torch.int32),
    )


def _on_cpu(lists: _Lists) -> _Lists:
    """What the assembly reads: the entries in use, which are few, are all that is copied."""
    peaks, peak_counts, edges, edge_scores, edge_counts = lists
    counts, edge_counts = peak_counts.cpu(), edge_counts.cpu()
    most_peaks = max(int(counts.max()), 1) if counts.numel() else 1
    most_edges = int(edge_counts.max()) if edge_counts.numel() else 0
    return (
        peaks[:, :, :most_peaks].contiguous().cpu(),
        counts,
        edges[:, :, :most_edges].contiguous().cpu(),
        edge_scores[:, :, :most_edges].contiguous().cpu(),
        edge_counts,
    )


def _kernel(
    heatmaps: Tensor,
    pafs: Tensor,
    joints: int,
    limbs: list[int],
    uncounted: int,
    upsampling: int,
    thresholds: list[float],
    sampling: int,
    include_end: bool,
    refine: int,
    assembly: int,
    max_peaks: int,
    max_people: int,
    min_joints: int,
) -> tuple[Tensor, Tensor, Tensor]:
    heatmap_threshold, paf_threshold, ratio, near_distance, min_score = thresholds
    lists = _candidate_lists(heatmaps, joints, len(limbs) // 5, max_peaks)
    _core.paf_candidates(
        heatmaps,
        pafs,
        limbs,
        upsampling,
        heatmap_threshold,
        paf_threshold,
        ratio,
        near_distance,
        bool(sampling),
        include_end,
        refine,
        lists,
    )
    if heatmaps.is_cuda:
        lists = _on_cpu(lists)
    people = _allocate(heatmaps if not heatmaps.is_cuda else lists[0], joints, max_people)
    _core.paf_people(lists, limbs, uncounted, assembly, min_joints, min_score, *people)
    if heatmaps.is_cuda:
        keypoints, scores, counts = people
        return keypoints.to(heatmaps.device), scores.to(heatmaps.device), counts.to(heatmaps.device)
    return people


def _fake(
    heatmaps: Tensor,
    pafs: Tensor,
    joints: int,
    limbs: list[int],
    uncounted: int,
    upsampling: int,
    thresholds: list[float],
    sampling: int,
    include_end: bool,
    refine: int,
    assembly: int,
    max_peaks: int,
    max_people: int,
    min_joints: int,
) -> tuple[Tensor, Tensor, Tensor]:
    return _allocate(heatmaps, joints, max_people)


_decode_op = register(
    "paf_decode(Tensor heatmaps, Tensor pafs, int joints, int[] limbs, int uncounted, int upsampling, "
    "float[] thresholds, int sampling, bool include_end, int refine, int assembly, int max_peaks, "
    "int max_people, int min_joints) -> (Tensor keypoints, Tensor scores, Tensor counts)",
    _kernel,
    _fake,
)


@accepts_numpy
def paf_decode(
    heatmaps: Tensor,
    pafs: Tensor,
    skeleton: PafSkeleton,
    *,
    upsampling: int = 8,
    heatmap_threshold: float = 0.05,
    paf_threshold: float = 0.05,
    paf_ratio: float = 0.95,
    refine: PafRefine = "centroid",
    sampling: PafSampling = "bilinear",
    include_end: bool = False,
    near_distance: float | None = None,
    assembly: PafAssembly = "global",
    min_joints: int = 3,
    min_score: float = 0.4,
    max_peaks: int = 127,
    max_people: int = 127,
) -> PafPeople:
    """Find the people of every image from their joints' heatmaps and their limbs' fields.

    **Peaks.** Each heatmap is enlarged ``upsampling`` times by bicubic interpolation (a = -0.75, borders repeated,
    half pixel centres): fine pixel i lies at (i + 0.5) / upsampling - 0.5 of the map. A joint may be where a fine
    pixel is above ``heatmap_threshold`` and none of its eight neighbours is larger; of equal neighbours the first in
    row-major order counts. Its score is that value, its position with ``refine="centroid"`` the mean of the positive
    values in 7 x 7 fine pixels, weighted with them; with ``"quarter"`` 0.25 fine pixels towards the larger neighbour
    on each axis, as in :func:`pyposeops.heatmap_decode`. The enlarged map is never made: fine pixels are computed
    where their map pixels allow a value above the threshold, and nowhere else, which gives the same peaks. The
    ``max_peaks`` largest of a joint remain.

    **Limbs.** Between two peaks d = (dx, dy) apart the field is read at N = round(sqrt(5 max(|dx|, |dy|))) points,
    at least 5 and at most 25: at the first peak and on towards the second, which is left out unless ``include_end``.
    A point passes where the field along d is above ``paf_threshold``. If more than ``paf_ratio`` of the points pass,
    the limb's score is their mean. Else, if the peaks are nearer than ``near_distance``, it is ``heatmap_threshold``
    + 1e-6; else there is no limb.

    **People.** ``assembly="global"``: the limbs of all kinds in falling order of score + 0.1 (both peaks' scores), of
    equal ones by limb and peaks. A limb between two free peaks starts a person, one to a free peak adds it if the
    person lacks that joint, one between two people merges them if they have no joint in common. ``"sequential"``:
    kind after kind as the skeleton lists them, each peak once per kind, the strongest first; a limb adds to or
    replaces in the person of its first peak, or starts one; people never merge, and limbs in ``skeleton.extra`` only
    fill empty places. ``"hungarian"`` is the same, with those pairs of a kind that sum to the largest score while
    each peak has one partner at most (an infinite score counts 1e100). A person's score is the sum of their peaks'
    and limbs' scores. People with fewer than ``min_joints`` joints, or less than ``min_score`` per joint, are left
    out. Joints in ``skeleton.uncounted`` do not count, and a person that has some of them needs five others, unless
    nobody would be left.

    Args:
        heatmaps: (B, C, H, W), float32, float64, float16 or bfloat16, any strides; the first K channels are the
            skeleton's joints, further ones such as a background are not read. B may be 0, H and W not.
        pafs: (B, F, H, W), of the same dtype and device.
        skeleton: joints, limbs and channels: ``pyposeops.skeletons.OPENPOSE_COCO_18``, ``OPENPOSE_BODY_25``,
            ``OPENPOSE_MPI_15``, or ``PafSkeleton.of(...)``. At most 63 joints and 64 limbs.
        upsampling: 1 to 8; the stride of the maps, so that fine pixels are those of the network's input.
        heatmap_threshold: a peak is above it. 0.05 for COCO, 0.3 to 0.6 for MPI in the published code.
        paf_threshold: see above.
        paf_ratio: 0 up to, not including, 1.
        refine: "centroid", "quarter" or "none".
        sampling: "bilinear", between the field's pixels at the exact point; or "bicubic", the enlarged field at the
            fine pixel nearest to it, as published.
        include_end: read the field at the second peak too.
        near_distance: in fine pixels; by default sqrt(width * height) / 150 of the enlarged map.
        assembly: "global", "sequential" or "hungarian".
        min_joints: at least 1.
        min_score: see above.
        max_peaks: P, 1 to 255.
        max_people: M, at least 1; of more people those with the largest scores remain.

    Returns:
        keypoints: (B, M, K, 3), x and y in fine pixels, centre of the first one 0.0, and the peak's score; all 0 for
            a joint that the person lacks. float32, for float64 maps float64.
        scores: (B, M), a person's score divided by the number of joints and limbs of the skeleton; largest first, of
            equal ones who was started first. 0 beyond the people found.
        counts: (B,) int64.

    Raises:
        ValueError: wrong shapes, a skeleton that the channels do not hold, numbers out of range or NaN, an unknown
            option.
        TypeError: maps that are not floating, or of two dtypes.

    NaN is no peak and hides none; a point of the field that is NaN does not pass. No gradient. The same in every run
    and on any number of threads. On CUDA the candidates are found by two kernels, and people are put together on the
    CPU, which waits for the device.

    Example:
        >>> skeleton = pyposeops.skeletons.PafSkeleton.of(("neck", "hip"), [(0, 1)])
        >>> heatmaps, pafs = torch.zeros(1, 2, 12, 8), torch.zeros(1, 2, 12, 8)
        >>> heatmaps[0, 0, 2, 3] = heatmaps[0, 1, 8, 3] = 1.0
        >>> pafs[0, 1, 2:9, 2:5] = 1.0
        >>> found = paf_decode(heatmaps, pafs, skeleton, upsampling=1, min_joints=2, refine="none")
        >>> found.keypoints[0, : found.counts[0]]
        tensor([[[3., 2., 1.],
                 [3., 8., 1.]]])

    Source: Cao, Hidalgo, Simon, Wei, Sheikh, "OpenPose: Realtime Multi-Person 2D Pose Estimation using Part Affinity
    Fields", TPAMI 2021, section 3; one assignment per limb: the same authors, CVPR 2017, section 2.4. The constants,
    the centroid and the global order are those of its published code, which overlooks ties, and peaks on the border,
    and keeps the first ``max_peaks`` in raster order.
    """
    refinement = choice(refine, _REFINES, "refine")
    sampled = choice(sampling, _SAMPLINGS, "sampling")
    assembled = choice(assembly, _ASSEMBLIES, "assembly")
    if heatmaps.ndim != 4:
        raise ValueError(f"heatmaps: expected (B, C, H, W), got {tuple(heatmaps.shape)}")
    joints = len(skeleton.joints)
    if not 1 <= joints <= _MAX_JOINTS:
        raise ValueError(f"skeleton: expected 1 to {_MAX_JOINTS} joints, got {joints}")
    for name, indices, count in (
        ("uncounted", skeleton.uncounted, joints),
        ("extra", skeleton.extra, len(skeleton.limbs)),
    ):
        if not all(0 <= index < count for index in indices):
            raise ValueError(
                f"skeleton: expected numbers from 0 to {count - 1} in {name}, got {list(indices)}"
            )
    if not 1 <= upsampling <= _MAX_UPSAMPLING:
        raise ValueError(f"upsampling: expected a number from 1 to {_MAX_UPSAMPLING}, got {upsampling}")
    if not 1 <= max_peaks <= _MAX_PEAKS:
        raise ValueError(f"max_peaks: expected a number from 1 to {_MAX_PEAKS}, got {max_peaks}")
    for name, number in (("max_people", max_people), ("min_joints", min_joints)):
        if number < 1:
            raise ValueError(f"{name}: expected a number of at least 1, got {number}")
    if not 0 <= paf_ratio < 1:
        raise ValueError(f"paf_ratio: expected a number from 0 up to 1, got {paf_ratio}")
    if near_distance is None:
        near_distance = upsampling * math.sqrt(heatmaps.shape[2] * heatmaps.shape[3]) / _NEAR_SHARE
    thresholds = {
        "heatmap_threshold": heatmap_threshold,
        "paf_threshold": paf_threshold,
        "paf_ratio": paf_ratio,
        "near_distance": near_distance,
        "min_score": min_score,
    }
    for name, threshold in thresholds.items():
        if not math.isfinite(threshold):
            raise ValueError(f"{name}: expected a finite number, got {threshold}")
    limbs = []
    for index, ((a, b), (x, y)) in enumerate(zip(skeleton.limbs, skeleton.channels, strict=True)):
        limbs += [a, b, x, y, int(index in skeleton.extra)]
    return PafPeople(
        *_decode_op(
            heatmaps,
            pafs,
            joints,
            limbs,
            sum(1 << joint for joint in set(skeleton.uncounted)),
            upsampling,
            [float(threshold) for threshold in thresholds.values()],
            sampled,
            include_end,
            refinement,
            assembled,
            max_peaks,
            max_people,
            min_joints,
        )
    )
