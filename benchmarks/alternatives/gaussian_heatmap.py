"""Gaussian targets as HRNet, mmpose, vectorised torch and kornia make them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

Array: TypeAlias = np.ndarray[Any, Any]

SIGMA_PX = 2.0
RADIUS_PX = 3 * SIGMA_PX
STRIDE = 4


@dataclass(frozen=True)
class Setting:
    """One way to draw the maps of a batch; ``scale`` is input pixels per heatmap pixel, (x, y)."""

    shape: tuple[int, int, int, int]
    encoding: str
    dtype: torch.dtype = torch.float32
    channels_last: bool = False

    @property
    def size(self) -> tuple[int, int]:
        return self.shape[2:]

    @property
    def input_size(self) -> tuple[int, int]:
        return self.shape[2] * STRIDE, self.shape[3] * STRIDE

    @property
    def scale(self) -> tuple[float, float]:
        (height, width), (input_height, input_width) = self.size, self.input_size
        if self.encoding == "udp":
            return (input_width - 1) / (width - 1), (input_height - 1) / (height - 1)
        return input_width / width, input_height / height

    @property
    def options(self) -> dict[str, Any]:
        return {
            "sigma": SIGMA_PX,
            "encoding": self.encoding,
            "input_size": self.input_size,
            "dtype": self.dtype,
            "channels_last": self.channels_last,
        }


# NumPy, one joint of one sample at a time, as HRNet's generate_target and mmpose's codecs do it


def numpy_loop(keypoints: Array, visibility: Array, setting: Setting) -> tuple[Array, Array]:
    """The maps and weights of a batch; written into one array, which spares the stacking of the samples."""
    heatmaps = np.zeros(setting.shape, np.float32)
    weights = visibility.copy()
    draw = NUMPY_DRAWINGS[setting.encoding]
    scale_x, scale_y = setting.scale
    for sample in range(setting.shape[0]):
        for joint in range(setting.shape[1]):
            if visibility[sample, joint] < 0.5:
                continue
            x, y = keypoints[sample, joint]
            if not draw(heatmaps[sample, joint], x / scale_x, y / scale_y):
                weights[sample, joint] = 0
    return heatmaps, weights


def _draw_window(heatmap: Array, x: float, y: float, *, around_exact_centre: bool) -> bool:
    """Pastes a Gaussian patch of 3 sigma around the nearest pixel; False when it misses the map."""
    height, width = heatmap.shape
    nearest_x, nearest_y = int(x + 0.5), int(y + 0.5)
    left, top = int(nearest_x - RADIUS_PX), int(nearest_y - RADIUS_PX)
    right, bottom = int(nearest_x + RADIUS_PX + 1), int(nearest_y + RADIUS_PX + 1)
    if left >= width or top >= height or right < 0 or bottom < 0:
        return False
    axis = np.arange(2 * RADIUS_PX + 1, dtype=np.float32)
    middle_x = middle_y = float(axis.size // 2)
    if around_exact_centre:
        middle_x, middle_y = middle_x + x - nearest_x, middle_y + y - nearest_y
    patch = np.exp(-((axis - middle_x) ** 2 + (axis[:, None] - middle_y) ** 2) / (2 * SIGMA_PX**2))
    on_map_x, on_map_y = slice(max(0, left), min(right, width)), slice(max(0, top), min(bottom, height))
    of_patch_x = slice(on_map_x.start - left, on_map_x.stop - left)
    of_patch_y = slice(on_map_y.start - top, on_map_y.stop - top)
    heatmap[on_map_y, on_map_x] = patch[of_patch_y, of_patch_x]
    return True


def _draw_full_map(heatmap: Array, x: float, y: float) -> bool:
    height, width = heatmap.shape
    if x - RADIUS_PX >= width or y - RADIUS_PX >= height or x + RADIUS_PX + 1 < 0 or y + RADIUS_PX + 1 < 0:
        return False
    columns = np.arange(width, dtype=np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None]
    heatmap[:] = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * SIGMA_PX**2))
    return True


NUMPY_DRAWINGS: dict[str, Callable[[Array, float, float], bool]] = {
    "msra": partial(_draw_window, around_exact_centre=False),
    "udp": partial(_draw_window, around_exact_centre=True),
    "unbiased": _draw_full_map,
}


# torch, the whole batch at once: one Gaussian per axis, then their outer product


def torch_separable(keypoints: Tensor, visibility: Tensor, setting: Setting) -> tuple[Tensor, Tensor]:
    height, width = setting.size
    along_x, on_map_x = _axis(keypoints[..., 0] / setting.scale[0], width, setting.encoding)
    along_y, on_map_y = _axis(keypoints[..., 1] / setting.scale[1], height, setting.encoding)
    weights = torch.where(on_map_x & on_map_y, visibility, 0.0)
    along_y = along_y * (weights >= 0.5)[..., None]
    if setting.channels_last:
        along_x, along_y = along_x.transpose(1, 2).contiguous(), along_y.transpose(1, 2).contiguous()
        heatmaps = (along_y[:, :, None] * along_x[:, None]).permute(0, 3, 1, 2)
    else:
        heatmaps = along_y[..., None] * along_x[..., None, :]
    return heatmaps.to(setting.dtype), weights  # rounding last is faster than a product of halves


def _axis(centre: Tensor, length: int, encoding: str) -> tuple[Tensor, Tensor]:
    """The Gaussian along one axis (B, K, length) and whether its window meets the axis (B, K)."""
    pixels = torch.arange(length, dtype=torch.float32, device=centre.device)
    nearest = (centre + 0.5).floor()
    peak = nearest if encoding == "msra" else centre
    values = torch.exp((pixels - peak[..., None]).square() * (-0.5 / SIGMA_PX**2))
    if encoding == "unbiased":
        # below this the products would be denormal numbers, which cost the CPU more than all the rest
        values = values.masked_fill(values < 1e-19, 0.0)
        return values, (centre - RADIUS_PX < length) & (centre + RADIUS_PX + 1 >= 0)
    values = values.masked_fill((pixels - nearest[..., None]).abs() > RADIUS_PX, 0.0)
    return values, (nearest - RADIUS_PX < length) & (nearest + RADIUS_PX + 1 >= 0)


def kornia_render(keypoints: Tensor, visibility: Tensor, setting: Setting) -> Tensor:
    from kornia.geometry.subpix import render_gaussian2d

    centres = keypoints / STRIDE
    if setting.encoding == "msra":
        centres = (centres + 0.5).floor()
    return render_gaussian2d(
        centres, torch.full_like(centres, SIGMA_PX), setting.size, normalized_coordinates=False
    )


def same_peak_height(result: Tensor, expected: Any) -> tuple[Tensor, Tensor]:
    """kornia's maps and ours, each over its maximum, where ours is drawn at all."""
    wanted = expected[0] / expected[0].amax((2, 3), keepdim=True).clamp_min(1e-6)
    return torch.where(wanted > 0, result / result.amax((2, 3), keepdim=True), 0.0), wanted
