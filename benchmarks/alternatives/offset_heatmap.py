"""Offset and displacement fields as mmpose, PersonLab's ports and DEKR make them, and all at once in torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

Array: TypeAlias = np.ndarray[Any, Any]

UDP_RADIUS_FACTOR = 0.0546875


@dataclass(frozen=True)
class Setting:
    """One way to draw a batch of maps; joints are given in map pixels."""

    batch: int
    joints: int
    size: tuple[int, int]
    people: int = 1
    dtype: torch.dtype = torch.float32
    channels_last: bool = False

    @property
    def radius(self) -> float:
        return UDP_RADIUS_FACTOR * max(self.size)

    @property
    def layout(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format


def numpy_udp(keypoints: Array, visibility: Array, setting: Setting) -> tuple[Array, Array, Array]:
    """One joint of one sample at a time, on the whole map, as UDP and mmpose do it."""
    height, width = setting.size
    maps = np.zeros((setting.batch, setting.joints, 3, height, width), np.float32)
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    for b in range(setting.batch):
        for k in range(setting.joints):
            if visibility[b, k] < 0.5:
                continue
            across = (keypoints[b, k, 0] - columns) / setting.radius
            down = (keypoints[b, k, 1] - rows) / setting.radius
            disc = across**2 + down**2 <= 1
            maps[b, k, 0] = disc
            maps[b, k, 1] = across * disc
            maps[b, k, 2] = down * disc
    heatmaps = maps.reshape(setting.batch, -1, height, width)
    return heatmaps, heatmaps[:, ::3], visibility.copy()


def torch_udp(keypoints: Tensor, visibility: Tensor, setting: Setting) -> tuple[Tensor, Tensor, Tensor]:
    height, width = setting.size
    columns = torch.arange(width, dtype=torch.float32, device=keypoints.device)
    rows = torch.arange(height, dtype=torch.float32, device=keypoints.device)[:, None]
    across = (keypoints[..., 0, None, None] - columns) / setting.radius
    down = (keypoints[..., 1, None, None] - rows) / setting.radius
    disc = (across.square() + down.square() <= 1) & (visibility >= 0.5)[..., None, None]
    disc = disc.float()
    maps = torch.stack((disc, across * disc, down * disc), dim=2).flatten(1, 2).to(setting.dtype)
    maps = maps.contiguous(memory_format=setting.layout)
    return maps, maps[:, ::3], visibility


def torch_nearest(keypoints: Tensor, visibility: Tensor, setting: Setting) -> tuple[Tensor, Tensor, Tensor]:
    """PersonLab's short-range offsets, person by person so that the temporaries stay small."""
    height, width = setting.size
    columns = torch.arange(width, dtype=torch.float32, device=keypoints.device)
    rows = torch.arange(height, dtype=torch.float32, device=keypoints.device)[:, None]
    shape = (setting.batch, setting.joints, height, width)
    best = torch.full(shape, setting.radius**2, device=keypoints.device)
    found = torch.zeros(shape, dtype=torch.bool, device=keypoints.device)
    across, down = torch.zeros(shape, device=keypoints.device), torch.zeros(shape, device=keypoints.device)
    for n in range(setting.people):
        dx = keypoints[:, n, :, 0, None, None] - columns
        dy = keypoints[:, n, :, 1, None, None] - rows
        squared = dx.square() + dy.square()
        nearer = (squared < best) & (visibility[:, n, :, None, None] >= 0.5)
        across, down = torch.where(nearer, dx, across), torch.where(nearer, dy, down)
        best, found = torch.where(nearer, squared, best), found | nearer
    maps = torch.stack((across, down), dim=2).flatten(1, 2).to(setting.dtype)
    return maps.contiguous(memory_format=setting.layout), found, visibility.amax(1)


def numpy_displacement(keypoints: Array, visibility: Array, roots: Array, sizes: Array, setting: Setting,
                       radius: int) -> tuple[Array, Array]:  # fmt: skip
    """One pixel of one joint of one person at a time, as DEKR's ports do it."""
    height, width = setting.size
    maps = np.zeros((setting.batch, setting.joints, 2, height, width), np.float32)
    weights = np.zeros((setting.batch, setting.joints, height, width), np.float32)
    held = np.full((setting.batch, setting.joints, height, width), np.inf, np.float32)
    for b, n in np.ndindex(setting.batch, setting.people):
        left, top = (max(int(v - radius), 0) for v in roots[b, n])
        right, bottom = (min(int(v + radius), m) for v, m in zip(roots[b, n], (width, height), strict=True))
        for k in np.flatnonzero(visibility[b, n] >= 0.5):
            for y in range(top, bottom):
                for x in range(left, right):
                    if held[b, k, y, x] < sizes[b, n]:
                        continue
                    maps[b, k, 0, y, x] = keypoints[b, n, k, 0] - x
                    maps[b, k, 1, y, x] = keypoints[b, n, k, 1] - y
                    weights[b, k, y, x] = 1 / sizes[b, n]
                    held[b, k, y, x] = sizes[b, n]
    return maps.reshape(setting.batch, -1, height, width), weights


def torch_displacement(keypoints: Tensor, visibility: Tensor, roots: Tensor, sizes: Tensor, setting: Setting,
                       radius: int) -> tuple[Tensor, Tensor]:  # fmt: skip
    height, width = setting.size
    columns = torch.arange(width, dtype=torch.float32, device=keypoints.device)
    rows = torch.arange(height, dtype=torch.float32, device=keypoints.device)[:, None]
    shape = (setting.batch, setting.joints, height, width)
    held = torch.full(shape, torch.inf, device=keypoints.device)
    across, down = torch.zeros(shape, device=keypoints.device), torch.zeros(shape, device=keypoints.device)
    first, past = (roots - radius).floor(), (roots + radius).floor()
    for n in range(setting.people):
        in_x = (columns >= first[:, n, 0, None, None]) & (columns < past[:, n, 0, None, None])
        in_y = (rows >= first[:, n, 1, None, None]) & (rows < past[:, n, 1, None, None])
        size = sizes[:, n, None, None, None]
        takes = (in_x & in_y)[:, None] & (visibility[:, n, :, None, None] >= 0.5) & (size <= held)
        across = torch.where(takes, keypoints[:, n, :, 0, None, None] - columns, across)
        down = torch.where(takes, keypoints[:, n, :, 1, None, None] - rows, down)
        held = torch.where(takes, size, held)
    maps = torch.stack((across, down), dim=2).flatten(1, 2).to(setting.dtype)
    return maps.contiguous(memory_format=setting.layout), (1 / held).to(setting.dtype)
