"""Non-maximum suppression of people that lowers scores instead of removing people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops import _core
from pyposeops._library import accepts_numpy, choice, register
from pyposeops.ops._pose_nms import TIES, Ties, sigmas_beside

Decay = Literal["gaussian", "linear"]
_DECAYS = {"gaussian": 0, "linear": 1}  # enum class ScoreDecay in csrc/ops/soft_oks_nms/soft_oks_nms_math.h


class SoftOksNms(NamedTuple):
    """What :func:`soft_oks_nms` returns."""

    keep: Tensor
    """(N,) bool: the first ``max_dets`` people of each image."""
    order: Tensor
    """(N,) int64: the rows of the people, image by image: as they were picked, then the others by new score."""
    scores: Tensor
    """(N,), dtype of the scores: the new ones, of those who were picked the one they were picked with."""


def _allocate(scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    shape = scores.shape[:1]
    return (
        scores.new_empty(shape, dtype=torch.bool),
        scores.new_empty(shape, dtype=torch.int64),
        scores.new_empty(shape),
    )


def _kernel(
    keypoints: Tensor,
    scores: Tensor,
    areas: Tensor,
    sigmas: Tensor,
    decay: int,
    threshold: float,
    max_dets: int,
    ties: int,
    offsets: Tensor | None = None,
    confidences: Tensor | None = None,
    confidence_threshold: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    keep, order, rescored = _allocate(scores)
    scratch = scores.new_empty((2, *scores.shape[:1]), dtype=torch.float64) if scores.is_cuda else None
    _core.soft_oks_nms(
        keypoints,
        scores,
        areas,
        sigmas,
        offsets,
        confidences,
        threshold,
        confidence_threshold,
        max_dets,
        decay,
        ties,
        keep,
        order,
        rescored,
        scratch,
    )
    return keep, order, rescored


def _fake(
    keypoints: Tensor,
    scores: Tensor,
    areas: Tensor,
    sigmas: Tensor,
    decay: int,
    threshold: float,
    max_dets: int,
    ties: int,
    offsets: Tensor | None = None,
    confidences: Tensor | None = None,
    confidence_threshold: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    return _allocate(scores)


_soft_nms_op = register(
    "soft_oks_nms(Tensor keypoints, Tensor scores, Tensor areas, Tensor sigmas, int decay, float threshold, "
    "int max_dets, int ties, Tensor? offsets=None, Tensor? confidences=None, float confidence_threshold=0.0) "
    "-> (Tensor keep, Tensor order, Tensor rescored)",
    _kernel,
    _fake,
)


@accepts_numpy
def soft_oks_nms(
    keypoints: Tensor,
    scores: Tensor,
    areas: Tensor,
    *,
    sigmas: Tensor | Sequence[float],
    decay: Decay = "gaussian",
    threshold: float = 0.9,
    max_dets: int = 20,
    offsets: Tensor | None = None,
    confidences: Tensor | None = None,
    confidence_threshold: float = 0.2,
    ties: Ties = "stable",
) -> SoftOksNms:
    """Pick the best person of each image in turn and lower the scores of those who resemble that one: soft pose NMS.

    In each turn the person with the highest score is picked. The scores of all who are left are multiplied by what
    their object keypoint similarity with that person asks for, and they are sorted anew. After ``max_dets`` turns the
    others of the image are not kept, whatever their scores.

    ========== ==================================================================================================
    decay      factor at similarity s
    ========== ==================================================================================================
    "gaussian" ``exp(-s² / threshold)``: what the published code does
    "linear"   ``1 - s`` where s is at least ``threshold``, else 1: what it has as an option
    ========== ==================================================================================================

    The published code uses the new scores for the order only: it returns the picked rows, ``order[keep[order]]``
    here, and people keep the scores they came with. Here the new scores are returned as well.

    The similarity, ``areas``, ``sigmas``, ``offsets``, ``confidences`` and ``confidence_threshold`` are those of
    :func:`pyposeops.oks_nms`. Everything is computed in float64. With "linear" summing ends once a pair is certainly
    below the threshold; with "gaussian" every similarity counts.

    Equal scores: with "stable" people stay in the order they have, in each turn; with "numpy_reversed" equal scores
    change their order in each turn, as in ``scores.argsort()[::-1]`` of the published code where the sort is stable.

    Args:
        keypoints: (N, K, 2), (x, y) in pixels, float32 or float64, any strides: the people of all images. A
            similarity that is NaN, from a coordinate that is, changes no score.
        scores: (N,), float32 or float64, finite.
        areas: (N,), of the people in square pixels, float32 or float64, finite and at least 0.
        sigmas: (K,), per-joint constants of the data set, finite and above 0. On CUDA prefer a tensor: numbers are
            copied at each call, which a CUDA graph cannot capture.
        decay: see the table.
        threshold: 0 to 1, above 0 with "gaussian".
        max_dets: the people kept per image, at least 1.
        offsets: (B + 1,), int32 or int64, rising from 0 to N: image b has the people [offsets[b], offsets[b + 1]),
            perhaps none. None: one image.
        confidences: (N, K), float32 or float64: only joints count that are above ``confidence_threshold`` in both
            people.
        confidence_threshold: used with ``confidences`` only.
        ties: see above.

    Returns:
        ``keep`` (N,) bool, ``order`` (N,) int64 and ``scores`` (N,).

    Raises:
        ValueError: shapes that do not fit, an option out of range, and on the CPU a score that is not finite, an area
            or a sigma out of range, offsets that do not rise from 0 to N. Values of CUDA tensors are not looked at: a
            NaN score comes last, offsets are cut to the list; they must not fall: what happens where images overlap
            is undefined.
        TypeError: tensors that are neither float32 nor float64.

    There is no gradient. CUDA runs one block per image, without waiting for the device.

    Example:
        >>> joints = torch.tensor([[[0.0, 0.0]], [[1.0, 0.0]], [[30.0, 0.0]]])
        >>> found = soft_oks_nms(joints, torch.tensor([0.8, 0.9, 0.7]), torch.full((3,), 400.0), sigmas=[0.1])
        >>> found.order
        tensor([1, 2, 0])
        >>> found.scores
        tensor([0.2817, 0.9000, 0.7000])

    Source: Bodla et al., Soft-NMS: Improving Object Detection With One Line of Code, ICCV 2017, for the rule; Xiao et
    al., Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018 (published code), for its use on poses.
    """
    keep, order, rescored = _soft_nms_op(
        keypoints,
        scores,
        areas,
        sigmas_beside(sigmas, keypoints),
        choice(decay, _DECAYS, "decay"),
        threshold,
        max_dets,
        choice(ties, TIES, "ties"),
        offsets,
        confidences,
        confidence_threshold,
    )
    return SoftOksNms(keep, order, rescored)
