"""Non-maximum suppression of people who have most joints in one place."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pyposeops import _core
from pyposeops._library import accepts_numpy, register

_ALL = 2**62


class NearbyJointsNms(NamedTuple):
    """What :func:`nearby_joints_nms` returns."""

    keep: Tensor
    """(N,) bool: who is kept."""
    order: Tensor
    """(N,) int64: the rows of the people, image by image, by falling score."""


def _allocate(scores: Tensor) -> tuple[Tensor, Tensor]:
    shape = scores.shape[:1]
    return scores.new_empty(shape, dtype=torch.bool), scores.new_empty(shape, dtype=torch.int64)


def _kernel(
    keypoints: Tensor,
    scores: Tensor,
    distance_threshold: float,
    joint_threshold: int,
    max_dets: int,
    offsets: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    keep, order = _allocate(scores)
    scratch = scores.new_empty((2, *scores.shape[:1]), dtype=torch.float64) if scores.is_cuda else None
    _core.nearby_joints_nms(
        keypoints, scores, offsets, distance_threshold, joint_threshold, max_dets, keep, order, scratch
    )
    return keep, order


def _fake(
    keypoints: Tensor,
    scores: Tensor,
    distance_threshold: float,
    joint_threshold: int,
    max_dets: int,
    offsets: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    return _allocate(scores)


_nearby_op = register(
    "nearby_joints_nms(Tensor keypoints, Tensor scores, float distance_threshold, int joint_threshold, "
    "int max_dets, Tensor? offsets=None) -> (Tensor keep, Tensor order)",
    _kernel,
    _fake,
)


@accepts_numpy
def nearby_joints_nms(
    keypoints: Tensor,
    scores: Tensor,
    *,
    distance_threshold: float = 0.05,
    joint_threshold: int | None = None,
    max_dets: int | None = 30,
    offsets: Tensor | None = None,
) -> NearbyJointsNms:
    """Keep the best of those who have most joints in one place: the pose NMS of bottom-up regression, for all images.

    Person j is close to person i if more than ``joint_threshold`` joints of the two are nearer to each other than
    ``distance_threshold`` times the diagonal around the joints of i; everybody is close to itself. People are taken
    by falling score. Unless already suppressed, each looks at those who are close: the best of them is kept, if not
    suppressed before, and then all of them are suppressed. Of those who are kept the ``max_dets`` best remain.

    Equal scores: the person who stands first comes first. The rows of those who are kept, image by image, by falling
    score, are ``order[keep[order]]``. Everything is computed in float64. (The published code fails where a person's
    joints are all in one place.)

    Args:
        keypoints: (N, K, 2), (x, y) in pixels, float32 or float64, any strides: the people of all images, at least
            one joint. A joint with a coordinate that is NaN is near nothing and is not part of the diagonal.
        scores: (N,), float32 or float64, not NaN.
        distance_threshold: share of the diagonal, above 0.
        joint_threshold: 0 to K - 1; None: ``K // 2``.
        max_dets: the people kept per image, at least 1; None: all.
        offsets: (B + 1,), int32 or int64, rising from 0 to N: image b has the people [offsets[b], offsets[b + 1]),
            perhaps none. None: one image.

    Returns:
        ``keep`` (N,) bool and ``order`` (N,) int64.

    Raises:
        ValueError: shapes that do not fit, an option out of range, and on the CPU a score that is NaN or offsets that
            do not rise from 0 to N. Values of CUDA tensors are not looked at: a NaN score comes last, offsets are cut
            to the list; they must not fall: what happens where images overlap is undefined.
        TypeError: tensors that are neither float32 nor float64.

    There is no gradient. CUDA runs one block per image, without waiting for the device.

    Example:
        >>> pose = torch.tensor([[0.0, 0.0], [30.0, 40.0], [60.0, 80.0]])
        >>> poses = torch.stack([pose, pose + 3, pose + 4])
        >>> nearby_joints_nms(poses, torch.tensor([0.7, 0.9, 0.8])).keep
        tensor([False,  True, False])

    Source: Geng et al., Bottom-Up Human Pose Estimation via Disentangled Keypoint Regression, CVPR 2021, as
    MMPose 1.x computes it.
    """
    if keypoints.ndim != 3:
        raise ValueError(f"keypoints: expected (N, K, 2), got {tuple(keypoints.shape)}")
    keep, order = _nearby_op(
        keypoints,
        scores,
        distance_threshold,
        keypoints.shape[1] // 2 if joint_threshold is None else joint_threshold,
        _ALL if max_dets is None else max_dets,
        offsets,
    )
    return NearbyJointsNms(keep, order)
