"""Definition of parametric_pose_nms: poses that are similar, or have joints in common, are of one person."""

from __future__ import annotations

import torch
from torch import Tensor

from pyposeops.reference._oks import descending, images_of


def parametric_pose_nms(
    boxes: Tensor,
    box_scores: Tensor,
    keypoints: Tensor,
    keypoint_scores: Tensor,
    *,
    variant: str = "relative",
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
    score_weights: Tensor | None = None,
    distance_weights: Tensor | None = None,
    distance_scales: Tensor | None = None,
    offsets: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """The fields of ``pyposeops.PoseNms``, as ``pyposeops.parametric_pose_nms`` documents them; on the CPU."""
    if match_threshold is None:
        match_threshold = {"relative": 0, "paper": 0, "alphapose": 5}[variant]
    points, scores = keypoints.double(), keypoint_scores.double()
    scores = torch.where(scores == 0, 1e-5, scores)
    people, joints = scores.shape
    ones = torch.ones(joints, dtype=torch.float64)
    tanh_weights, weights, scales = (
        ones if given is None else torch.as_tensor(given, dtype=torch.float64)
        for given in (score_weights, distance_weights, distance_scales)
    )
    around = alpha * boxes[:, 2:].double()
    reference = around.amax(1)

    def same_person(i: Tensor, others: Tensor) -> Tensor:
        """Who of the others is the picked person i once more. A joint with a NaN coordinate adds nothing."""
        offset = points[others] - points[i]
        squared = offset.square().sum(-1)
        distance = squared.sqrt()
        if variant == "paper":
            close = (offset.abs() <= around[i] / 2).all(-1)
            near = torch.exp(-squared / (delta2 * scales))
        else:
            unit = reference[i] if variant == "relative" else torch.ones((), dtype=torch.float64)
            close = distance <= unit
            apart = torch.where(distance > 0, distance / unit, distance)
            near = torch.exp(-apart / (delta2 * scales))
        confidence = torch.tanh(scores[others] / delta1) * torch.tanh(scores[i] / delta1)
        similarity = (tanh_weights * torch.where(close, confidence, 0)).sum(-1)
        similarity = similarity + mu * (weights * near.nan_to_num(0.0)).sum(-1)
        matches = (distance <= reference[i].clamp(max=match_limit) * scales).sum(-1)
        return (similarity > gamma) | ((matches >= match_threshold) & (match_threshold > 0))

    def merged(i: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
        """The pose (K, 2) and the joint scores (K,) of a group: means weighted by the scores."""
        if not merge:
            return points[i], scores[i]
        distance = (points[group] - points[i]).square().sum(-1).sqrt()
        close = distance <= reference[i].clamp(max=merge_limit)
        share = torch.where(close, scores[group], 0)
        pose = (
            torch.where(close[..., None], share[..., None] * points[group], 0).sum(0) / share.sum(0)[:, None]
        )
        lost = ~close.any(0)  # NaN is close to nobody's
        return torch.where(lost[:, None], points[i], pose), torch.where(
            lost, scores[i], share.square().sum(0) / share.sum(0)
        )

    poses, pose_scores = torch.zeros_like(keypoints), torch.zeros_like(keypoint_scores)
    person_scores = torch.zeros_like(box_scores)
    keep = torch.zeros(people, dtype=torch.bool)
    groups, order = torch.arange(people), torch.empty(people, dtype=torch.int64)
    for rows in images_of(offsets, people):
        own = slice(rows.start, rows.stop)
        left = order[own] = rows.start + descending(scores[own].mean(1), "stable")
        while len(left):
            best, left = left[0], left[1:]
            same = same_person(best, left)
            group = torch.cat([best[None], left[same]]).sort().values
            groups[group], left = best, left[~same]
            pose, pose_score = merged(best, group)
            width, height = (pose.amax(0) - pose.amin(0)).tolist()
            keep[best] = (
                min(scores[best].max().item(), pose_score.max().item()) >= score_threshold
                and not 1.5**2 * width * height < area_threshold
            )
            if keep[best]:
                poses[best], pose_scores[best] = pose.to(poses.dtype), pose_score.to(pose_scores.dtype)
                person_scores[best] = pose_score.mean() + box_scores[best].double() + 1.25 * pose_score.max()
    return poses, pose_scores, person_scores, keep, groups, order
