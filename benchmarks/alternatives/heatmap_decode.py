"""Heatmaps decoded as HRNet, mmpose and DarkPose do it, and in vectorised torch.

The published ones are written from their rules; they take float32 maps (B, K, H, W) and return coordinates (B, K, 2)
and maxima (B, K), without the way back to the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

Array: TypeAlias = np.ndarray[Any, Any]


# NumPy and OpenCV, map by map


def peaks(heatmaps: Array) -> tuple[Array, Array]:
    """The first maximum of every map, the batch at once; (0, 0) where it is not above 0."""
    width = heatmaps.shape[3]
    flat = heatmaps.reshape(*heatmaps.shape[:2], -1)
    index, scores = np.argmax(flat, axis=2), np.amax(flat, axis=2)
    coords = np.stack((index % width, index // width), axis=2).astype(np.float32)
    coords *= (scores > 0)[..., None]
    return coords, scores


def hrnet_quarter(heatmaps: Array) -> tuple[Array, Array]:
    """HRNet and Simple Baselines: joint by joint."""
    coords, scores = peaks(heatmaps)
    height, width = heatmaps.shape[2:]
    for sample in range(heatmaps.shape[0]):
        for joint in range(heatmaps.shape[1]):
            heatmap = heatmaps[sample, joint]
            x, y = (int(np.floor(value + 0.5)) for value in coords[sample, joint])
            if 1 < x < width - 1 and 1 < y < height - 1:
                slope = [heatmap[y, x + 1] - heatmap[y, x - 1], heatmap[y + 1, x] - heatmap[y - 1, x]]
                coords[sample, joint] += np.sign(slope) * 0.25
    return coords, scores


def darkpose(heatmaps: Array, blur_kernel: int = 11) -> tuple[Array, Array]:
    """DarkPose: every map smoothed as a whole, then one Newton step per joint."""
    coords, scores = peaks(heatmaps)
    height, width = heatmaps.shape[2:]
    for sample in range(heatmaps.shape[0]):
        for joint in range(heatmaps.shape[1]):
            log = np.log(np.maximum(_modulated(heatmaps[sample, joint], blur_kernel), 1e-10))
            x, y = (int(value) for value in coords[sample, joint])
            if 1 < x < width - 2 and 1 < y < height - 2:
                coords[sample, joint] += _newton_step(log, x, y)
    return coords, scores


def _modulated(heatmap: Array, blur_kernel: int) -> Array:
    """One map smoothed with zeros around it and scaled back to its former maximum."""
    import cv2

    (height, width), border = heatmap.shape, blur_kernel // 2
    padded = np.zeros((height + 2 * border, width + 2 * border), heatmap.dtype)
    padded[border : border + height, border : border + width] = heatmap
    smooth = cv2.GaussianBlur(padded, (blur_kernel, blur_kernel), 0)
    smooth = smooth[border : border + height, border : border + width]
    return smooth * (heatmap.max() / smooth.max())


def _newton_step(log: Array, x: int, y: int) -> Array:
    dx = 0.5 * (log[y, x + 1] - log[y, x - 1])
    dy = 0.5 * (log[y + 1, x] - log[y - 1, x])
    dxx = 0.25 * (log[y, x + 2] - 2 * log[y, x] + log[y, x - 2])
    dyy = 0.25 * (log[y + 2, x] - 2 * log[y, x] + log[y - 2, x])
    dxy = 0.25 * (log[y + 1, x + 1] - log[y - 1, x + 1] - log[y + 1, x - 1] + log[y - 1, x - 1])
    if dxx * dyy - dxy**2 == 0:
        return np.zeros(2)
    return -np.linalg.inv(np.array([[dxx, dxy], [dxy, dyy]])) @ np.array([dx, dy])


def mmpose_quarter(heatmaps: Array) -> tuple[Array, Array]:
    """mmpose: sample by sample, joint by joint, each axis for itself."""
    height, width = heatmaps.shape[2:]
    coords, scores = _mmpose_peaks(heatmaps)
    for sample_coords, sample in zip(coords, heatmaps, strict=True):
        for joint, heatmap in enumerate(sample):
            x, y = sample_coords[joint].astype(int)
            step_x = step_y = 0.0
            if 1 < x < width - 1 and 0 < y < height:
                step_x = heatmap[y, x + 1] - heatmap[y, x - 1]
            if 1 < y < height - 1 and 0 < x < width:
                step_y = heatmap[y + 1, x] - heatmap[y - 1, x]
            sample_coords[joint] += np.sign([step_x, step_y]) * 0.25
    return coords, scores


def mmpose_dark_udp(heatmaps: Array, blur_kernel: int = 11) -> tuple[Array, Array]:
    """mmpose: sample by sample, the joints of a sample in one Newton step."""
    coords, scores = _mmpose_peaks(heatmaps)
    for sample_coords, sample in zip(coords, heatmaps, strict=True):
        smooth = np.stack([_modulated(heatmap, blur_kernel) for heatmap in sample])
        log = np.pad(np.log(np.clip(smooth, 1e-3, 50.0)), ((0, 0), (1, 1), (1, 1)), mode="edge")
        columns, rows = sample_coords.astype(int).T + 1
        joints = np.arange(len(sample))
        at = {(i, j): log[joints, rows + j, columns + i] for i in (-1, 0, 1) for j in (-1, 0, 1)}
        gradient = 0.5 * np.stack((at[1, 0] - at[-1, 0], at[0, 1] - at[0, -1]), axis=-1)
        dxx = at[1, 0] - 2 * at[0, 0] + at[-1, 0]
        dyy = at[0, 1] - 2 * at[0, 0] + at[0, -1]
        dxy = at[1, 1] - at[1, 0] - at[0, 1] + 2 * at[0, 0] - at[-1, 0] - at[0, -1] + at[-1, -1]
        hessian = np.stack((dxx, 0.5 * dxy, 0.5 * dxy, dyy), axis=-1).reshape(-1, 2, 2)
        inverse = np.linalg.inv(hessian + np.finfo(np.float32).eps * np.eye(2))
        sample_coords -= np.einsum("kij,kj->ki", inverse, gradient)
    return coords, scores


def _mmpose_peaks(heatmaps: Array) -> tuple[Array, Array]:
    """Sample by sample; (-1, -1) where the maximum is not above 0."""
    coords, scores = [], []
    for sample in heatmaps:
        flat = sample.reshape(len(sample), -1)
        y, x = np.unravel_index(np.argmax(flat, axis=1), sample.shape[1:])
        scores.append(np.amax(flat, axis=1))
        coords.append(np.where((scores[-1] > 0)[:, None], np.stack((x, y), axis=-1), -1).astype(np.float32))
    return np.stack(coords), np.stack(scores)


# by the name of the refinement
PUBLISHED: dict[str, Callable[[Array], tuple[Array, Array]]] = {
    "none": peaks,
    "quarter": hrnet_quarter,
    "quarter_mmpose": mmpose_quarter,
    "dark": darkpose,
    "dark_udp": mmpose_dark_udp,
}


# torch, the whole batch at once. DARK smooths only a window around every peak and leaves out the scaling, which has
# no effect where nothing is clipped.

_RADIUS, _SIGMA_PX = 5, 2.0  # OpenCV's Gaussian of 11 taps
_BELL = [math.exp(-0.5 * ((i - _RADIUS) / _SIGMA_PX) ** 2) for i in range(2 * _RADIUS + 1)]
# The smoothing of the five rows that the Newton step reads, as a matrix on the rows of the window.
_SMOOTHING = [[0.0] * row + [value / sum(_BELL) for value in _BELL] + [0.0] * (4 - row) for row in range(5)]


def torch_none(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    x, y, scores = _torch_peaks(heatmaps)
    return _torch_coords(x, y, scores, torch.zeros_like(scores), torch.zeros_like(scores)), scores


def torch_quarter(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    height, width = heatmaps.shape[2:]
    x, y, scores = _torch_peaks(heatmaps)
    inside = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
    right, left = _torch_window(heatmaps, x, y, ((1, 0), (-1, 0)))
    below, above = _torch_window(heatmaps, x, y, ((0, 1), (0, -1)))
    step_x, step_y = 0.25 * (right - left).sign() * inside, 0.25 * (below - above).sign() * inside
    return _torch_coords(x, y, scores, step_x, step_y), scores


def torch_parabola(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    height, width = heatmaps.shape[2:]
    x, y, scores = _torch_peaks(heatmaps)
    places = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
    centre, left, right, above, below = (
        value.clamp_min(1e-10).log() for value in _torch_window(heatmaps, x, y, places)
    )
    step_x = 0.5 * (left - right) / (left - 2 * centre + right).clamp_max(-1e-12)
    step_y = 0.5 * (above - below) / (above - 2 * centre + below).clamp_max(-1e-12)
    step_x = step_x.masked_fill((x == 0) | (x == width - 1), 0.0)
    step_y = step_y.masked_fill((y == 0) | (y == height - 1), 0.0)
    return _torch_coords(x, y, scores, step_x, step_y), scores


def torch_dark(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    height, width = heatmaps.shape[2:]
    x, y, scores = _torch_peaks(heatmaps)
    taps = torch.tensor(_SMOOTHING, device=heatmaps.device)
    reach = torch.arange(taps.shape[1], device=heatmaps.device) - taps.shape[1] // 2
    columns, rows = x[..., None] + reach, y[..., None] + reach
    on_map = ((columns >= 0) & (columns < width))[..., None, :] & ((rows >= 0) & (rows < height))[..., None]
    index = rows.clamp(0, height - 1)[..., None] * width + columns.clamp(0, width - 1)[..., None, :]
    window = heatmaps.flatten(2).gather(2, index.flatten(2)).view(index.shape).to(taps.dtype) * on_map
    log = (taps @ window @ taps.T).clamp_min(1e-10).log()
    dx, dy = 0.5 * (log[..., 2, 3] - log[..., 2, 1]), 0.5 * (log[..., 3, 2] - log[..., 1, 2])
    dxx = 0.25 * (log[..., 2, 4] - 2 * log[..., 2, 2] + log[..., 2, 0])
    dyy = 0.25 * (log[..., 4, 2] - 2 * log[..., 2, 2] + log[..., 0, 2])
    dxy = 0.25 * (log[..., 3, 3] - log[..., 1, 3] - log[..., 3, 1] + log[..., 1, 1])
    determinant = dxx * dyy - dxy * dxy
    usable = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2) & (determinant != 0)
    step_x = ((dxy * dy - dyy * dx) / determinant).where(usable, 0.0)
    step_y = ((dxy * dx - dxx * dy) / determinant).where(usable, 0.0)
    return _torch_coords(x, y, scores, step_x, step_y), scores


def _torch_peaks(heatmaps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    scores, index = heatmaps.flatten(2).max(dim=2)
    return index % heatmaps.shape[3], index // heatmaps.shape[3], scores.float()


def _torch_window(
    heatmaps: Tensor, x: Tensor, y: Tensor, places: tuple[tuple[int, int], ...]
) -> list[Tensor]:
    """The values at (x + dx, y + dy) for every (dx, dy), the nearest pixel inside where that is off the map."""
    height, width = heatmaps.shape[2:]
    index = [(y + dy).clamp(0, height - 1) * width + (x + dx).clamp(0, width - 1) for dx, dy in places]
    return list(heatmaps.flatten(2).gather(2, torch.stack(index, dim=2)).float().unbind(2))


def _torch_coords(x: Tensor, y: Tensor, scores: Tensor, step_x: Tensor, step_y: Tensor) -> Tensor:
    return torch.stack((x + step_x, y + step_y), dim=2) * (scores > 0)[..., None]


VECTORISED: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {
    "none": torch_none,
    "quarter": torch_quarter,
    "dark": torch_dark,
    "parabola": torch_parabola,
}
