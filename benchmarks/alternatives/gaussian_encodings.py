"""The targets of MSPN and mmpose (megvii), OpenPose (cmu) and DSNT (normalized) as people make them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.alternatives.gaussian_heatmap import SIGMA_PX, STRIDE, Array, Setting

KERNEL_SIZE = 11
PEOPLE = 8
CUT_EXPONENT = 4.6052


def megvii_opencv(keypoints: Array, visibility: Array, setting: Setting) -> tuple[Array, Array]:
    """A blur of every whole map, joint by joint, as mmpose's codec and MSPN's data set."""
    import cv2

    height, width = setting.size
    heatmaps = np.zeros(setting.shape, np.float32)
    weights = visibility.copy()
    for sample, joint in np.ndindex(*setting.shape[:2]):
        if visibility[sample, joint] < 0.5:
            continue
        x, y = (keypoints[sample, joint] / STRIDE).astype(np.int64)
        if not (0 <= x < width and 0 <= y < height):
            weights[sample, joint] = 0
            continue
        heatmap = heatmaps[sample, joint]
        heatmap[y, x] = 1
        blurred = cv2.GaussianBlur(heatmap, (KERNEL_SIZE, KERNEL_SIZE), 0)
        heatmap[:] = blurred / blurred[y, x] * 255
    return heatmaps, weights


def megvii_torch(keypoints: Tensor, visibility: Tensor, setting: Setting) -> tuple[Tensor, Tensor]:
    """The whole batch at once: the taps of the blur, gathered by distance, and what the border mirrors."""
    sigma = 0.3 * (KERNEL_SIZE // 2 - 1) + 0.8
    factors = []
    inside = visibility >= 0.5
    for axis, length in ((1, setting.size[0]), (0, setting.size[1])):
        joint = (keypoints[..., axis] / STRIDE).long()
        inside = inside & (joint >= 0) & (joint < length)
        pixels = torch.arange(length, device=keypoints.device)
        joint = joint.clamp(0, length - 1)[..., None]

        def tap(distance: Tensor) -> Tensor:
            return torch.exp(-0.5 * (distance / sigma) ** 2) * (distance.abs() <= KERNEL_SIZE // 2)

        last = length - 1
        row = tap(pixels - joint) + tap(pixels + joint) * (joint > 0)
        row = row + tap(2 * last - joint - pixels) * (joint < last)
        factors.append(row / row.gather(-1, joint))
    maps = 255 * factors[0][..., :, None] * factors[1][..., None, :] * inside[..., None, None]
    return maps, torch.where(inside | (visibility < 0.5), visibility, 0.0)


def cmu_numpy(keypoints: Array, visibility: Array, setting: Setting) -> tuple[Array, Array]:
    """Person by person and joint by joint on whole maps, then the background, as OpenPose's data layer."""
    batch, joints, (height, width) = setting.shape[0], setting.shape[1], setting.size
    grid_x = np.arange(width, dtype=np.float32) * STRIDE + STRIDE / 2 - 0.5
    grid_y = (np.arange(height, dtype=np.float32) * STRIDE + STRIDE / 2 - 0.5)[:, None]
    heatmaps = np.zeros((batch, joints + 1, height, width), np.float32)
    for sample, person, joint in np.ndindex(batch, PEOPLE, joints):
        if visibility[sample, person, joint] < 0.5:
            continue
        x, y = keypoints[sample, person, joint]
        exponent = ((grid_x - x) ** 2 + (grid_y - y) ** 2) / (2 * (SIGMA_PX * STRIDE) ** 2)
        value = np.where(exponent <= CUT_EXPONENT, np.exp(-exponent), 0)
        np.maximum(heatmaps[sample, joint], value, out=heatmaps[sample, joint])
    heatmaps[:, joints] = 1 - heatmaps[:, :joints].max(axis=1)
    return heatmaps, visibility


def cmu_torch(keypoints: Tensor, visibility: Tensor, setting: Setting) -> Tensor:
    """One person of all images after the other: all at once would take eight times the memory."""
    exponents = []
    for axis, length in ((0, setting.size[1]), (1, setting.size[0])):
        grid = torch.arange(length, device=keypoints.device) * STRIDE + (STRIDE / 2 - 0.5)
        distance = grid - keypoints[..., axis, None]
        exponents.append(distance.square() / (2 * (SIGMA_PX * STRIDE) ** 2))
    maps = torch.zeros(setting.shape, device=keypoints.device)
    for person in range(PEOPLE):
        exponent = exponents[1][:, person, :, :, None] + exponents[0][:, person, :, None, :]
        drawn = (exponent <= CUT_EXPONENT) & (visibility[:, person] >= 0.5)[..., None, None]
        maps = torch.maximum(maps, torch.where(drawn, torch.exp(-exponent), 0.0))
    return torch.cat((maps, 1 - maps.amax(dim=1, keepdim=True)), dim=1)


def normalized_torch(keypoints: Tensor, visibility: Tensor, setting: Setting) -> Tensor:
    """DSNT's make_gauss and lightning-pose's generate_heatmaps: a full map of exponentials, over its sum."""
    axes = []
    for axis, length in ((1, setting.size[0]), (0, setting.size[1])):
        pixels = torch.arange(length, device=keypoints.device)
        axes.append(torch.exp(-0.5 * ((pixels - keypoints[..., axis, None] / STRIDE) / SIGMA_PX) ** 2))
    maps = axes[0][..., :, None] * axes[1][..., None, :]
    maps = maps / (maps.sum(dim=(2, 3), keepdim=True) + 1e-24)
    return maps * (visibility >= 0.5)[..., None, None]


def maps_only(result: Any, expected: Any) -> tuple[Any, Any]:
    """An alternative's maps beside those of ours, which come with weights."""
    return (result[0] if isinstance(result, tuple) else result), expected[0]
