"""Parametric pose NMS: poses of one person are found and merged into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops import _core
from pyposeops._library import accepts_numpy, choice, register

PoseNmsVariant = Literal["relative", "paper", "alphapose"]
_VARIANTS = {"relative": 0, "paper": 1, "alphapose": 2}  # enum class PoseNmsVariant in C++
_MATCHES = {"relative": 0, "paper": 0, "alphapose": 5}


class PoseNms(NamedTuple):
    """What :func:`parametric_pose_nms` returns. Rows of people who are not kept are 0 in the first three."""

    keypoints: Tensor
    """(N, K, 2), dtype of the keypoints: the merged poses."""
    keypoint_scores: Tensor
    """(N, K), dtype of the keypoint scores: those of the merged joints."""
    scores: Tensor
    """(N,), dtype of the box scores: of the merged people."""
    keep: Tensor
    """(N,) bool: who was picked and passed the thresholds."""
    groups: Tensor
    """(N,) int64: the row of the picked person of whose group each one is; one's own if picked."""
    order: Tensor
    """(N,) int64: the rows of the people, image by image, by falling mean of the joint scores."""


def _allocate(box_scores: Tensor, keypoints: Tensor, keypoint_scores: Tensor) -> tuple[Tensor, ...]:
    if keypoints.ndim != 3:
        raise ValueError(f"keypoints: expected (N, K, 2), got {tuple(keypoints.shape)}")
    people, joints = keypoints.shape[:2]
    return (
        keypoints.new_empty((people, joints, 2)),
        keypoint_scores.new_empty((people, joints)),
        box_scores.new_empty((people,)),
        keypoints.new_empty((people,), dtype=torch.bool),
        keypoints.new_empty((people,), dtype=torch.int64),
        keypoints.new_empty((people,), dtype=torch.int64),
    )


def _kernel(
    boxes: Tensor,
    box_scores: Tensor,
    keypoints: Tensor,
    keypoint_scores: Tensor,
    variant: int,
    delta1: float,
    mu: float,
    delta2: float,
    gamma: float,
    alpha: float,
    match_threshold: int,
    match_limit: float,
    merge: bool,
    merge_limit: float,
    score_threshold: float,
    area_threshold: float,
    offsets: Tensor | None = None,
    factors: Tensor | None = None,
) -> tuple[Tensor, ...]:
    outputs = _allocate(box_scores, keypoints, keypoint_scores)
    scratch = keypoints.new_empty((2, len(keypoints)), dtype=torch.float64) if keypoints.is_cuda else None
    rule = {
        "variant": variant,
        "delta1": delta1,
        "mu": mu,
        "delta2": delta2,
        "gamma": gamma,
        "alpha": alpha,
        "match_threshold": match_threshold,
        "match_limit": match_limit,
        "merge": merge,
        "merge_limit": merge_limit,
        "score_threshold": score_threshold,
        "area_threshold": area_threshold,
    }
    _core.parametric_pose_nms(
        boxes, box_scores, keypoints, keypoint_scores, offsets, factors, rule, *outputs, scratch
    )
    return outputs


def _fake(
    boxes: Tensor, box_scores: Tensor, keypoints: Tensor, keypoint_scores: Tensor, *options: object
) -> tuple[Tensor, ...]:
    return _allocate(box_scores, keypoints, keypoint_scores)


_pose_nms_op = register(
    "parametric_pose_nms(Tensor boxes, Tensor box_scores, Tensor keypoints, Tensor keypoint_scores, int variant, "
    "float delta1, float mu, float delta2, float gamma, float alpha, int match_threshold, float match_limit, "
    "bool merge, float merge_limit, float score_threshold, float area_threshold, Tensor? offsets=None, "
    "Tensor? factors=None) -> (Tensor merged, Tensor merged_scores, Tensor person_scores, Tensor keep, "
    "Tensor groups, Tensor order)",
    _kernel,
    _fake,
)


def _factors(keypoints: Tensor, **given: Tensor | Sequence[float] | None) -> Tensor | None:
    """(3, K) float64 of the three lists, 1 where one is None; None without any."""
    if all(values is None for values in given.values()):
        return None
    rows = []
    for name, values in given.items():
        row = keypoints.new_ones(keypoints.shape[1:2], dtype=torch.float64)
        if values is not None:
            row = torch.as_tensor(values, dtype=torch.float64, device=keypoints.device)
        if row.shape != keypoints.shape[1:2]:
            raise ValueError(f"{name}: expected (K,) with the K of keypoints, got {tuple(row.shape)}")
        rows.append(row)
    return torch.stack(rows)


@accepts_numpy
def parametric_pose_nms(
    boxes: Tensor,
    box_scores: Tensor,
    keypoints: Tensor,
    keypoint_scores: Tensor,
    *,
    variant: PoseNmsVariant = "relative",
    delta1: float = 1.0,
    mu: float = 1.7,
    delta2: float = 2.65,
    gamma: float = 22.48,
    alpha: float = 0.1,
    match_threshold: int | None = None,
    match_limit: float = 7.0,
    merge: bool = True,
    merge_limit: float = 15.0,
    score_threshold: float = 0.3,
    area_threshold: float = 0.0,
    score_weights: Tensor | Sequence[float] | None = None,
    distance_weights: Tensor | Sequence[float] | None = None,
    distance_scales: Tensor | Sequence[float] | None = None,
    offsets: Tensor | None = None,
) -> PoseNms:
    """Find the poses that are of one person and merge them: the NMS of RMPE and AlphaPose, for all images at once.

    In each image the person with the highest mean joint score is picked, of equal ones the first. Everybody left who
    is the same person once more joins the group, the next person is picked, and so on. Person j is the picked person
    i once more where ``similarity > gamma``, with sums over the joints, c the joint scores and d the distances in
    pixels::

        similarity = sum of tanh(c_i / delta1) tanh(c_j / delta1) over the joints that are close
                   + mu * sum of near(d)

    =========== ========================================= ================= ====================================
    variant     a joint is close                          near(d)           the same person as well
    =========== ========================================= ================= ====================================
    "relative"  d <= r                                    exp(-d / r        --
                                                          / delta2)
    "paper"     in the box around the picked joint of     exp(-d² / delta2) --
                ``alpha`` times the box's width, height
    "alphapose" d <= 1                                    exp(-d / delta2)  with ``match_threshold`` joints at
                                                                            d <= min(r, ``match_limit``)
    =========== ========================================= ================= ====================================

    r is ``alpha * max(width, height)`` of the picked person's box, so that "relative" treats people of all sizes
    alike: the rule of the authors' first code (Lua, NumPy), which the PyTorch port, "alphapose", applies to pixels.
    (The NumPy code also has ``match_threshold=5``.) "paper" is the rule as printed, but that a similarity must exceed
    gamma, where ``<=`` is printed. The paper learns the numbers without printing them; the defaults are those of the
    public code.

    A group's pose has at each joint the mean over those of the group within ``min(r, merge_limit)`` of the picked
    joint, weighted by their scores, and as score ``sum(c²) / sum(c)``; the paper leaves the picked pose as it is
    (``merge=False``). It is kept if the best joint has at least ``score_threshold``, before and after merging, and
    ``1.5² * width * height`` of the joints' extent is not below ``area_threshold``. Its person then scores
    ``mean(c) + box score + 1.25 max(c)``.

    Joint scores of 0 count as 1e-5; the caller's arrays are not changed (the public code writes there). Everything
    is computed in float64; most pairs are told apart by how many joints are near, without exponentials. AlphaPose
    0.2 besides moves the merged joints by -0.3 px.

    Bodies with many joints weigh them: ``score_weights`` and ``distance_weights`` multiply a joint's terms in the two
    sums, ``distance_scales`` its ``delta2`` and the distance at which it matches. AlphaPose's full bodies (136
    joints) take ``mu=1.65, delta2=8, gamma=3.6, alpha=0.15, score_threshold=0.01, match_threshold=3``, with distance
    scales 1, 1.9 and 0.55, score weights 1/26, 1/68 and 0.1/42 and distance weights 1/26, 1/68 and 1.5/42 of the
    joints of body, face and hands. (It also counts matches relative to the number of sure joints, and of unsure
    joints the tanh terms only: neither is done here.)

    The rows of those who are kept, image by image, in the order they were picked, are ``order[keep[order]]``.

    Args:
        boxes: (N, 4), (x, y, width, height) of the people in pixels, widths and heights finite and at least 0.
        box_scores: (N,), of the detector, not NaN; used in the person score only.
        keypoints: (N, K, 2), (x, y) in pixels: the people of all images, at least one joint. A joint with a
            coordinate that is NaN is near nobody's and stays as it is.
        keypoint_scores: (N, K), finite and at least 0.
        variant: see the table.
        delta1: above 0.
        mu: at least 0.
        delta2: above 0; in pixels, with "relative" in units of r, with "paper" in square pixels.
        gamma: at least 0.
        alpha: at least 0.
        match_threshold: None: 5 with "alphapose", else no such rule; 0: no such rule.
        match_limit: in pixels, at least 0.
        merge: see above.
        merge_limit: in pixels, at least 0.
        score_threshold: see above.
        area_threshold: in square pixels, at least 0.
        score_weights: (K,), at least 0; None: 1.
        distance_weights: (K,), at least 0; None: 1.
        distance_scales: (K,), above 0; None: 1. On CUDA prefer tensors to numbers for all three: numbers are copied
            at each call, which a CUDA graph cannot capture.
        offsets: (B + 1,), int32 or int64, rising from 0 to N: image b has the people [offsets[b], offsets[b + 1]),
            perhaps none. None: one image.

    The first four may each be float32 or float64, with any strides.

    Returns:
        The merged people in the rows of those who were picked, and everybody's group.

    Raises:
        ValueError: shapes that do not fit, an option out of range, and on the CPU values out of range. Values of CUDA
            tensors are not looked at: whoever has a NaN score is picked last, offsets are cut to the list; they must
            not fall: what happens where images overlap is undefined.
        TypeError: tensors that are neither float32 nor float64.

    There is no gradient. CUDA runs one block per image, without waiting for the device.

    Example:
        >>> pose = torch.tensor([[10.0, 10.0], [20.0, 40.0], [30.0, 10.0]])
        >>> poses = torch.stack([pose, pose + 1, pose + 200])
        >>> scores = torch.tensor([[0.6] * 3, [0.2] * 3, [0.8] * 3])
        >>> boxes = torch.tensor([[0.0, 0, 50, 50], [0, 0, 50, 50], [200, 200, 50, 50]])
        >>> found = parametric_pose_nms(boxes, torch.ones(3), poses, scores, gamma=2.0)
        >>> found.groups
        tensor([0, 0, 2])
        >>> found.keypoints[0]
        tensor([[10.2500, 10.2500],
                [20.2500, 40.2500],
                [30.2500, 10.2500]])
        >>> found.scores
        tensor([2.1250, 0.0000, 2.8000])

    Source: Fang et al., RMPE: Regional Multi-person Pose Estimation, ICCV 2017, section 3.4; merging, alphapose and
    all numbers: Fang et al., AlphaPose, TPAMI 2022 (published code).
    """
    kind = choice(variant, _VARIANTS, "variant")
    outputs = _pose_nms_op(
        boxes,
        box_scores,
        keypoints,
        keypoint_scores,
        kind,
        delta1,
        mu,
        delta2,
        gamma,
        alpha,
        _MATCHES[variant] if match_threshold is None else match_threshold,
        match_limit,
        merge,
        merge_limit,
        score_threshold,
        area_threshold,
        offsets,
        _factors(
            keypoints,
            score_weights=score_weights,
            distance_weights=distance_weights,
            distance_scales=distance_scales,
        ),
    )
    return PoseNms(*outputs)
