"""Poses of one size and in one place, so that they can be compared: as RMPE aligns them before it groups them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


def torso_poses(keypoints: Tensor, visibility: Tensor, joint_names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Joints relative to the middle of the torso, in units of its length.

    The length is from the middle of the shoulders to that of the hips.

    Args:
        keypoints: (N, K, 2) in pixels; visibility: (N, K), above 0 where a joint is labelled.
        joint_names: K names.

    Returns:
        (N, K, 2), 0 for joints without a label; and whether there is a torso, (N,) bool: not for people of whom a
        shoulder or hip is not labelled, whose torso has no length, or who have no such joints.
    """
    nobody = torch.zeros_like(keypoints), torch.zeros(len(keypoints), dtype=torch.bool)
    if not set(TORSO) <= set(joint_names):
        return nobody
    rows = [list(joint_names).index(name) for name in TORSO]
    labelled = visibility > 0
    shoulders, hips = keypoints[:, rows[:2]].mean(1), keypoints[:, rows[2:]].mean(1)
    length = (shoulders - hips).norm(dim=1)
    known = labelled[:, rows].all(1) & (length > 0) & length.isfinite()
    poses = (keypoints - 0.5 * (shoulders + hips)[:, None]) / torch.where(known, length, 1.0)[:, None, None]
    return torch.where(known[:, None, None] & labelled[..., None], poses, 0.0), known
