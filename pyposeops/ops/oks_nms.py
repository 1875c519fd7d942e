"""Non-maximum suppression of people by object keypoint similarity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pyposeops import _core
from pyposeops._library import accepts_numpy, choice, register
from pyposeops.ops._pose_nms import TIES, Ties, sigmas_beside


class OksNms(NamedTuple):
    """What :func:`oks_nms` returns."""

    keep: Tensor
    """(N,) bool: who is not suppressed."""
    order: Tensor
    """(N,) int64: the rows of the people, image by image, by falling score."""


def _allocate(scores: Tensor) -> tuple[Tensor, Tensor]:
    shape = scores.shape[:1]
    return scores.new_empty(shape, dtype=torch.bool), scores.new_empty(shape, dtype=torch.int64)


def _kernel(
    keypoints: Tensor,
    scores: Tensor,
    areas: Tensor,
    sigmas: Tensor,
    threshold: float,
    ties: int,
    offsets: Tensor | None = None,
    confidences: Tensor | None = None,
    confidence_threshold: float = 0.0,
) -> tuple[Tensor, Tensor]:
    keep, order = _allocate(scores)
    _core.oks_nms(
        keypoints,
        scores,
        areas,
        sigmas,
        offsets,
        confidences,
        threshold,
        confidence_threshold,
        ties,
        keep,
        order,
    )
    return keep, order


def _fake(
    keypoints: Tensor,
    scores: Tensor,
    areas: Tensor,
    sigmas: Tensor,
    threshold: float,
    ties: int,
    offsets: Tensor | None = None,
    confidences: Tensor | None = None,
    confidence_threshold: float = 0.0,
) -> tuple[Tensor, Tensor]:
    return _allocate(scores)


_nms_op = register(
    "oks_nms(Tensor keypoints, Tensor scores, Tensor areas, Tensor sigmas, float threshold, int ties, "
    "Tensor? offsets=None, Tensor? confidences=None, float confidence_threshold=0.0) "
    "-> (Tensor keep, Tensor order)",
    _kernel,
    _fake,
)


@accepts_numpy
def oks_nms(
    keypoints: Tensor,
    scores: Tensor,
    areas: Tensor,
    *,
    sigmas: Tensor | Sequence[float],
    threshold: float = 0.9,
    offsets: Tensor | None = None,
    confidences: Tensor | None = None,
    confidence_threshold: float = 0.2,
    ties: Ties = "stable",
) -> OksNms:
    """Suppress everybody who is too similar to a better person of the same image: pose NMS for all images at once.

    People are taken by falling score. Each is kept unless the object keypoint similarity with one kept before is
    above ``threshold``. The similarity of people i and j is the mean over the joints of
    ``exp(-d² / (2 sigma)² / ((area_i + area_j) / 2 + eps) / 2)`` with d the distance of the two joints and eps the
    spacing of 1: as in COCO's evaluation, but for the two areas. All joints count, or with ``confidences`` those that
    are above ``confidence_threshold`` in both people; where there is none the similarity is 0. (The published code
    means to do so too, but looks at the confidences of one of the two.)

    Areas are a matter of convention: HRNet takes those of the crops, ``prod(scale * 200)``; mmpose those of the
    boxes or, bottom-up, of the extent of the joints.

    Pairs are told apart by a few joints, and summing ends once ``sum(1 - exp(-e))`` exceeds ``(1 - threshold) K``.
    Whoever comes near the threshold is decided by the whole sum in float64, for keypoints of both dtypes. So the
    result is that of the definition in float64, except where a similarity differs from the threshold by rounding
    only (1e-15).

    Equal scores: with "stable" the person who stands first comes first; with "numpy_reversed" the one who stands
    last, as in ``scores.argsort()[::-1]`` of the published code where the sort is stable (NumPy's default is not).

    The rows of those who are kept, image by image, by falling score, are ``order[keep[order]]``.

    Args:
        keypoints: (N, K, 2), (x, y) in pixels, float32 or float64, any strides: the people of all images. A person
            with a coordinate that is NaN neither suppresses nor is suppressed; a joint infinitely far has
            similarity 0.
        scores: (N,), float32 or float64, not NaN.
        areas: (N,), of the people in square pixels, float32 or float64, finite and at least 0.
        sigmas: (K,), per-joint constants of the data set, finite and above 0. On CUDA prefer a tensor: numbers are
            copied at each call, which a CUDA graph cannot capture.
        threshold: 0 to 1: who is more similar is suppressed.
        offsets: (B + 1,), int32 or int64, rising from 0 to N: image b has the people [offsets[b], offsets[b + 1]),
            perhaps none. None: one image.
        confidences: (N, K), float32 or float64, of the joints.
        confidence_threshold: a joint counts above it; used with ``confidences`` only.
        ties: see above.

    Returns:
        ``keep`` (N,) bool and ``order`` (N,) int64.

    Raises:
        ValueError: shapes that do not fit, an option out of range, and on the CPU a score that is NaN, an area or a
            sigma out of range, offsets that do not rise from 0 to N. Values of CUDA tensors are not looked at: a NaN
            score comes last, offsets are cut to the list; they must not fall: what happens where images overlap is
            undefined.
        TypeError: tensors that are neither float32 nor float64.

    There is no gradient. CUDA runs one block per image, without scratch memory and without waiting for the device.

    Example:
        >>> joints = torch.tensor([[[0.0, 0.0]], [[1.0, 0.0]], [[30.0, 0.0]]])
        >>> found = oks_nms(joints, torch.tensor([0.5, 0.9, 0.7]), torch.full((3,), 400.0), sigmas=[0.1])
        >>> found.keep
        tensor([False,  True,  True])
        >>> found.order[found.keep[found.order]]
        tensor([1, 2])

    Source: Xiao et al., Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018, and Sun et al., Deep
    High-Resolution Representation Learning, CVPR 2019 (published code).
    """
    keep, order = _nms_op(
        keypoints,
        scores,
        areas,
        sigmas_beside(sigmas, keypoints),
        threshold,
        choice(ties, TIES, "ties"),
        offsets,
        confidences,
        confidence_threshold,
    )
    return OksNms(keep, order)
