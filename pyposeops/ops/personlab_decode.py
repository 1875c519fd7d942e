"""People out of heatmaps, offsets and displacements along the skeleton."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pyposeops import _core
from pyposeops._library import accepts_numpy, register
from pyposeops.ops.heatmap_peaks import heatmap_peaks

_MAX_PEAKS = 1024  # kMaxPeaks in csrc/ops/heatmap_peaks/heatmap_peaks_math.h
_WINDOW = 3

_People = tuple[Tensor, Tensor, Tensor]


class PersonlabPeople(NamedTuple):
    """What :func:`personlab_decode` returns."""

    keypoints: Tensor
    """(B, M, K, 3): (x, y) in pixels of the image and the joint's score; 0 where a person lacks the joint."""
    scores: Tensor
    """(B, M): of the people, in the order in which they were found; 0 beyond them."""
    counts: Tensor
    """(B,) int64: the first so many of the M entries are people."""


def _real(maps: Tensor) -> torch.dtype:
    return torch.float64 if maps.dtype == torch.float64 else torch.float32


def _allocate(like: Tensor, joints: int, max_people: int, real: torch.dtype) -> _People:
    batch = like.shape[0]
    return (
        like.new_empty((batch, max_people, joints, 3), dtype=real),
        like.new_empty((batch, max_people), dtype=real),
        like.new_empty(batch, dtype=torch.int64),
    )


def _used(candidates: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """The lists cut to the longest, so that poses are few; and how long they are, on the CPU."""
    on_cpu = counts.cpu()
    longest = int(on_cpu.max()) if on_cpu.numel() else 0
    return candidates[:, :, :longest].contiguous(), on_cpu


def _kernel(
    heatmaps: Tensor,
    offsets: Tensor,
    forward: Tensor,
    backward: Tensor,
    edges: list[int],
    stride_px: float,
    threshold: float,
    max_peaks: int,
    refine_steps: int,
    radius_px: float,
    min_score: float,
    max_people: int,
) -> _People:
    peaks = heatmap_peaks(heatmaps, max_peaks=max_peaks, threshold=threshold, window=_WINDOW, refine="none")
    lists = torch.cat((peaks.coords, peaks.scores[..., None]), dim=-1)
    candidates, counts = _used(lists, peaks.counts)
    batch, joints, longest, _ = candidates.shape
    poses = candidates.new_empty((batch, joints, longest, joints, 3))
    _core.personlab_poses(
        heatmaps, offsets, forward, backward, candidates, peaks.counts, edges, stride_px, refine_steps, poses
    )
    poses = poses.cpu()
    people = _allocate(poses, joints, max_people, poses.dtype)
    _core.personlab_people(poses, counts, radius_px, min_score, *people)
    keypoints, scores, found = people
    device = heatmaps.device
    return keypoints.to(device), scores.to(device), found.to(device)


def _fake(
    heatmaps: Tensor,
    offsets: Tensor,
    forward: Tensor,
    backward: Tensor,
    edges: list[int],
    stride_px: float,
    threshold: float,
    max_peaks: int,
    refine_steps: int,
    radius_px: float,
    min_score: float,
    max_people: int,
) -> _People:
    return _allocate(heatmaps, heatmaps.shape[1], max_people, _real(heatmaps))


_decode_op = register(
    "personlab_decode(Tensor heatmaps, Tensor offsets, Tensor forward, Tensor backward, int[] edges, "
    "float stride_px, float threshold, int max_peaks, int refine_steps, float radius_px, float min_score, "
    "int max_people) -> (Tensor keypoints, Tensor scores, Tensor counts)",
    _kernel,
    _fake,
)


@accepts_numpy
def personlab_decode(
    heatmaps: Tensor,
    offsets: Tensor,
    forward: Tensor,
    backward: Tensor,
    edges: Sequence[tuple[int, int]],
    *,
    stride_px: float,
    threshold: float = 0.5,
    max_peaks: int = 100,
    refine_steps: int = 2,
    radius_px: float = 20.0,
    min_score: float = 0.5,
    max_people: int = 30,
) -> PersonlabPeople:
    """Find the people of every image by following displacements from joint to joint (PersonLab, PoseNet).

    Pixel (i, j) of the maps is at (i, j) ``stride_px`` of the image. **Peaks**: the ``max_peaks`` largest local
    maxima of each heatmap in 3 x 3 pixels above ``threshold``, as :func:`pyposeops.heatmap_peaks` finds them; the
    joint is at the pixel plus its offset.

    **Poses.** From a peak along the edges, in reverse order and against their direction, then in order and with it,
    to each joint that the pose lacks: from the joint by the displacement at the pixel nearest to it, and then
    ``refine_steps`` times to where the offset at the nearest pixel says that the new joint is. Its score is the
    heatmap's value at the pixel nearest to it. Nearest pixels are on the map, halves rounded to even.

    **People.** The peaks of all joints are taken by falling score, of equal ones by joint and then in row-major
    order. A peak is somebody's already if that person's same joint is at most ``radius_px`` away. Any other is a new
    person, whose score is the sum of its joints' scores, without those at most ``radius_px`` from the same joint of
    a person found before, divided by K; below ``min_score`` it is left out. ``max_people`` are found.

    Args:
        heatmaps: (B, K, H, W), after the sigmoid; float32, float64, float16 or bfloat16, any strides; B may be 0.
            For PersonLab's Hough voting, the voted maps.
        offsets: (B, 2 K, H, W): x and y from the pixel to the first joint, to the second, and so on, in pixels of
            the image. This and the next two have the dtype and device of ``heatmaps``, and any strides.
        forward: (B, 2 E, H, W): x and y from an edge's first joint to its second.
        backward: (B, 2 E, H, W): x and y from an edge's second joint to its first.
        edges: E pairs of joints, at most 128; ``pyposeops.skeletons.POSENET_EDGES`` for the published networks.
        stride_px: above 0.
        threshold: 0.5 in PoseNet, 0.01 for PersonLab's voted maps.
        max_peaks: per joint and image, 1 to 1024.
        refine_steps: 0 to 100.
        radius_px: at least 0; 20 in PoseNet, 10 in PersonLab.
        min_score: see above.
        max_people: M, at least 1.

    Returns:
        keypoints: (B, M, K, 3), x and y in pixels of the image, centre of the first pixel 0.0, and the score; all 0
            for a joint that the person lacks. float32, for float64 maps float64.
        scores: (B, M), people in the order in which they were found; 0 beyond them.
        counts: (B,) int64.

    Raises:
        ValueError: shapes that do not fit, an edge that does not join two of the joints, numbers out of range or NaN.
        TypeError: maps that are not floating, or of several dtypes.

    NaN is no peak and hides none. A joint whose position or score is NaN or infinite is missing, and nothing is
    looked for from there. No gradient. The same in every run and on any number of threads. On CUDA peaks and poses
    are found by kernels; people are chosen on the CPU, which waits for the device.

    Example:
        >>> heatmaps, offsets = torch.zeros(1, 2, 6, 6), torch.zeros(1, 4, 6, 6)
        >>> heatmaps[0, 0, 1, 2], heatmaps[0, 1, 4, 2] = 0.9, 0.7
        >>> forward, backward = torch.zeros(1, 2, 6, 6), torch.zeros(1, 2, 6, 6)
        >>> forward[0, 1], backward[0, 1] = 24.0, -24.0
        >>> found = personlab_decode(heatmaps, offsets, forward, backward, [(0, 1)], stride_px=8.0)
        >>> found.keypoints[0, : found.counts[0]]
        tensor([[[16.0000,  8.0000,  0.9000],
                 [16.0000, 32.0000,  0.7000]]])

    Source: Papandreou, Zhu, Chen, Gidaris, Tompson, Murphy, "PersonLab", ECCV 2018, section 3.1; constants,
    rounding and the order of the edges as in the code of PoseNet.
    """
    if heatmaps.ndim != 4:
        raise ValueError(f"heatmaps: expected (B, K, H, W), got {tuple(heatmaps.shape)}")
    pairs = [(int(start), int(end)) for start, end in edges]
    if not 1 <= max_peaks <= _MAX_PEAKS:
        raise ValueError(f"max_peaks: expected a number from 1 to {_MAX_PEAKS}, got {max_peaks}")
    if max_people < 1:
        raise ValueError(f"max_people: expected a number of at least 1, got {max_people}")
    for name, value in (("threshold", threshold), ("min_score", min_score)):
        if math.isnan(value):
            raise ValueError(f"{name}: expected a number, got nan")
    for name, maps in (("offsets", offsets), ("forward", forward), ("backward", backward)):
        if maps.dtype != heatmaps.dtype:
            raise TypeError(f"{name}: expected the heatmaps' dtype {heatmaps.dtype}, got {maps.dtype}")
    return PersonlabPeople(
        *_decode_op(
            heatmaps,
            offsets,
            forward,
            backward,
            [joint for pair in pairs for joint in pair],
            stride_px,
            threshold,
            max_peaks,
            refine_steps,
            radius_px,
            min_score,
            max_people,
        )
    )
