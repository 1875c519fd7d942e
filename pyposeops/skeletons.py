"""Skeletons: joints, limbs, where a published network keeps each limb's field, and the order of joints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy


class PafSkeleton(NamedTuple):
    """What :func:`pyposeops.paf_decode` puts people together by.

    Use :meth:`of` for a skeleton of one's own.
    """

    joints: tuple[str, ...]
    """Names of the joints, in the order of the heatmaps' channels."""
    limbs: tuple[tuple[int, int], ...]
    """The joints that each limb joins; a field points from the first to the second."""
    channels: tuple[tuple[int, int], ...]
    """The channels of each limb's x and y component."""
    uncounted: tuple[int, ...] = ()
    """Joints that do not count among those that a person must have, such as feet."""
    extra: tuple[int, ...] = ()
    """Limbs that only fill empty places in the sequential assembly, such as ear to shoulder."""

    @staticmethod
    def of(
        joints: Sequence[str],
        limbs: Sequence[tuple[int, int]],
        channels: Sequence[tuple[int, int]] | None = None,
        *,
        uncounted: Sequence[int] = (),
        extra: Sequence[int] = (),
    ) -> PafSkeleton:
        """A skeleton; without `channels` limb l has 2 l and 2 l + 1, as :func:`pyposeops.part_affinity_field` draws.

        Raises:
            ValueError: limbs that do not join two of the joints, another number of channels than of limbs, joints or
                limbs in `uncounted` or `extra` that there are not.

        Example:
            >>> PafSkeleton.of(("head", "neck", "hip"), [(0, 1), (1, 2)]).channels
            ((0, 1), (2, 3))
        """
        names = tuple(joints)
        if channels is None:
            channels = [(2 * index, 2 * index + 1) for index in range(len(limbs))]
        if len(channels) != len(limbs):
            raise ValueError(
                f"channels: expected one pair for each of {len(limbs)} limbs, got {len(channels)}"
            )
        for a, b in limbs:
            if not (0 <= a < len(names) and 0 <= b < len(names) and a != b):
                raise ValueError(f"limbs: expected two of {len(names)} joints, got {(a, b)}")
        for name, indices, count in (("uncounted", uncounted, len(names)), ("extra", extra, len(limbs))):
            if not all(0 <= index < count for index in indices):
                raise ValueError(f"{name}: expected numbers from 0 to {count - 1}, got {list(indices)}")
        return PafSkeleton(
            names,
            tuple((int(a), int(b)) for a, b in limbs),
            tuple((int(x), int(y)) for x, y in channels),
            tuple(uncounted),
            tuple(extra),
        )


def _numbers(text: str, separator: str) -> list[tuple[int, int]]:
    pairs = [pair.split(separator) for pair in text.split()]
    return [(int(first), int(second)) for first, second in pairs]


_ARMS_18 = "right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist"
_LEGS = "right_hip right_knee right_ankle left_hip left_knee left_ankle"

# Cao et al., OpenPose, TPAMI 2021: the order of the published networks for each set of joints.
OPENPOSE_COCO_18 = PafSkeleton.of(
    f"nose neck {_ARMS_18} {_LEGS} right_eye left_eye right_ear left_ear".split(),
    _numbers(
        "1-2 1-5 2-3 3-4 5-6 6-7 1-8 8-9 9-10 1-11 11-12 12-13 1-0 0-14 14-16 0-15 15-17 2-16 5-17", "-"
    ),
    _numbers(
        "12,13 20,21 14,15 16,17 22,23 24,25 0,1 2,3 4,5 6,7 8,9 10,11 28,29 30,31 34,35 32,33 36,37 18,19 26,27",
        ",",
    ),
    extra=(17, 18),
)
OPENPOSE_BODY_25 = PafSkeleton.of(
    (
        f"nose neck {_ARMS_18} mid_hip {_LEGS} right_eye left_eye right_ear left_ear "
        "left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel"
    ).split(),
    _numbers(
        "1-8 1-2 1-5 2-3 3-4 5-6 6-7 8-9 9-10 10-11 8-12 12-13 13-14 1-0 0-15 15-17 0-16 16-18 2-17 5-18 "
        "14-19 19-20 14-21 11-22 22-23 11-24",
        "-",
    ),
    _numbers(
        "0,1 14,15 22,23 16,17 18,19 24,25 26,27 6,7 2,3 4,5 8,9 10,11 12,13 30,31 32,33 36,37 34,35 38,39 20,21 "
        "28,29 40,41 42,43 44,45 46,47 48,49 50,51",
        ",",
    ),
    uncounted=range(19, 25),
    extra=(18, 19),
)
OPENPOSE_MPI_15 = PafSkeleton.of(
    f"head neck {_ARMS_18} {_LEGS} chest".split(),
    _numbers("0-1 1-2 2-3 3-4 1-5 5-6 6-7 1-14 14-8 8-9 9-10 14-11 11-12 12-13", "-"),
)

# Lin et al., Microsoft COCO, ECCV 2014: the order of the joints in the annotation.
COCO_17_JOINTS = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
    *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
)

# What OpenPose's people have and COCO's annotation lacks, and the two joints in whose middle it lies.
_MIDDLES = {"neck": ("left_shoulder", "right_shoulder"), "mid_hip": ("left_hip", "right_hip")}

# Newell et al., Associative Embedding, NeurIPS 2017, as published for COCO's 17 joints: head, shoulders, hips,
# elbows, wrists, knees, ankles; for `joint_order` of pyposeops.tag_grouping.
COCO_17_TAG_ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)

# Papandreou et al., PersonLab, ECCV 2018: the tree of COCO's 17 joints as in the code of PoseNet; `edges` of
# pyposeops.personlab_decode.
POSENET_EDGES = (
    *((0, 1), (1, 3), (0, 2), (2, 4), (0, 5), (5, 7), (7, 9), (5, 11), (11, 13), (13, 15)),
    *((0, 6), (6, 8), (8, 10), (6, 12), (12, 14), (14, 16)),
)


@accepts_numpy
def coco_17_of(keypoints: Tensor, skeleton: PafSkeleton) -> Tensor:
    """People of OpenPose's joints in the order of COCO's 17; neck, middle of the hips and feet are left out.

    Args:
        keypoints: (..., K, D), any dtype; the joints of `skeleton`, such as what :func:`pyposeops.paf_decode` found.
        skeleton: ``OPENPOSE_COCO_18``, ``OPENPOSE_BODY_25``, or another one whose joints bear COCO's names.

    Returns:
        (..., 17, D): the values of `keypoints` as they are, NaN and joints with the score 0 among them.

    Raises:
        ValueError: another number of joints than the skeleton's; a skeleton that lacks one of COCO's, as
            ``OPENPOSE_MPI_15`` lacks the face.

    Example:
        >>> people = torch.arange(18.0).reshape(1, 18, 1).expand(1, 18, 3)
        >>> coco_17_of(people, OPENPOSE_COCO_18)[0, :, 0].int().tolist()
        [0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10]
    """
    _check_people(keypoints, len(skeleton.joints))
    return keypoints[..., [_number(skeleton, name) for name in COCO_17_JOINTS], :]


@accepts_numpy
def openpose_of_coco_17(keypoints: Tensor, skeleton: PafSkeleton) -> Tensor:
    """People of COCO's 17 joints with those that OpenPose has: neck and middle of the hips are made, feet missing.

    The neck is the mean of the shoulders, ``mid_hip`` that of the hips, each with the smaller of the two scores. It
    is missing where one of the two is: where a score is not above 0, or a number of them not finite. A missing joint
    is all 0, as in what :func:`pyposeops.paf_decode` returns; so are the joints that COCO lacks.

    Args:
        keypoints: (..., 17, 3), floating; x, y and score, or the visibility (0, 1, 2) of an annotation.
        skeleton: ``OPENPOSE_COCO_18``, ``OPENPOSE_BODY_25``, or another one whose joints bear their names.

    Returns:
        (..., K, 3). COCO's joints have the values of `keypoints` as they are, NaN among them, so that
        :func:`coco_17_of` gives these back.

    Raises:
        ValueError: another shape; a skeleton that lacks one of COCO's joints.
        TypeError: keypoints that are not floating.

    Differentiable. Where a shoulder or a hip is missing, the joint between has the gradient 0.

    Example:
        >>> people = torch.zeros(1, 17, 3)
        >>> people[0, 5], people[0, 6] = torch.tensor([4.0, 2, 0.9]), torch.tensor([8.0, 4, 0.5])
        >>> openpose_of_coco_17(people, OPENPOSE_COCO_18)[0, 1]
        tensor([6.0000, 3.0000, 0.5000])

    Source: Cao, Simon, Wei, Sheikh, Realtime Multi-Person 2D Pose Estimation, CVPR 2017: the neck of the training
    targets. The rule for its score is ours.
    """
    _check_people(keypoints, len(COCO_17_JOINTS), numbers=3)
    if not keypoints.is_floating_point():
        raise TypeError(f"keypoints: expected a floating dtype, got {keypoints.dtype}")
    for name in COCO_17_JOINTS:
        _number(skeleton, name)
    joints = []
    for name in skeleton.joints:
        if name in COCO_17_JOINTS:
            joints.append(keypoints[..., COCO_17_JOINTS.index(name), :])
        elif name in _MIDDLES:
            first, second = (keypoints[..., COCO_17_JOINTS.index(end), :] for end in _MIDDLES[name])
            joints.append(_middle(first, second))
        else:
            joints.append(torch.zeros_like(keypoints[..., 0, :]))
    return torch.stack(joints, dim=-2)


def _middle(first: Tensor, second: Tensor) -> Tensor:
    """(..., 3): the mean place and the smaller score, or zeros."""
    there = torch.ones_like(first[..., 0], dtype=torch.bool)
    for joint in (first, second):
        there = there & joint.isfinite().all(-1) & (joint[..., 2] > 0)
    # Chosen before the sum: the gradient of a NaN that is not taken would be NaN, too.
    first, second = (torch.where(there[..., None], joint, 0.0) for joint in (first, second))
    score = torch.minimum(first[..., 2:], second[..., 2:])
    return torch.cat([(first[..., :2] + second[..., :2]) / 2, score], dim=-1)


def _number(skeleton: PafSkeleton, name: str) -> int:
    if name not in skeleton.joints:
        raise ValueError(f"skeleton: expected one with COCO's 17 joints, got one without {name}")
    return skeleton.joints.index(name)


def _check_people(keypoints: Tensor, joints: int, numbers: int | None = None) -> None:
    wanted = f"(..., {joints}, {'D' if numbers is None else numbers})"
    shape = keypoints.shape
    if keypoints.ndim < 2 or shape[-2] != joints or (numbers is not None and shape[-1] != numbers):
        raise ValueError(f"keypoints: expected {wanted}, got {tuple(shape)}")
