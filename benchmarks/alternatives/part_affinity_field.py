"""Part affinity fields as OpenPose's ports make them: limb by limb in NumPy, and all at once in torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

Array: TypeAlias = np.ndarray[Any, Any]

STRIDE = 8
JOINTS = 18
# OpenPose's COCO limbs: nose 0, neck 1, arms 2-7, legs 8-13, eyes and ears 14-17
LIMBS = ((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
         (1, 0), (0, 14), (14, 16), (0, 15), (15, 17), (2, 16), (5, 17))  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """One way to draw the fields of a batch of ``people`` per image."""

    batch: int
    people: int
    size: tuple[int, int]
    profile: str = "flat"
    dtype: torch.dtype = torch.float32
    channels_last: bool = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self.batch, 2 * len(LIMBS), *self.size

    @property
    def options(self) -> dict[str, Any]:
        return {
            "limbs": LIMBS,
            "size": self.size,
            "profile": self.profile,
            "overlap": "mean" if self.profile == "flat" else "sum",
            "input_size": (STRIDE * self.size[0], STRIDE * self.size[1]),
            "dtype": self.dtype,
            "channels_last": self.channels_last,
        }


def numpy_loop(keypoints: Array, visibility: Array, setting: Setting) -> tuple[Array, Array]:
    """One limb of one person at a time, on the pixels of its box."""
    fields = np.zeros((setting.batch, len(LIMBS), 2, *setting.size), np.float32)
    weights = np.zeros((setting.batch, len(LIMBS)), np.float32)
    joints = (keypoints + 0.5) / STRIDE - 0.5
    for b in range(setting.batch):
        for limb, (first, second) in enumerate(LIMBS):
            count = np.zeros(setting.size, np.float32)
            for n in range(setting.people):
                if visibility[b, n, first] >= 0.5 and visibility[b, n, second] >= 0.5:
                    weights[b, limb] = 1
                    _add_limb(fields[b, limb], count, joints[b, n, first], joints[b, n, second])
            fields[b, limb] /= np.maximum(count, 1)
    return fields.reshape(setting.shape), weights


def _add_limb(field: Array, count: Array, start: Array, end: Array) -> None:
    height, width = count.shape
    left, top = np.maximum(np.floor(np.minimum(start, end) - 1), 0).astype(int)
    right, bottom = (np.ceil(np.maximum(start, end) + 1) + 1).astype(int)
    rows, columns = slice(top, min(bottom, height)), slice(left, min(right, width))
    y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - start[1]
    x = np.arange(columns.start, columns.stop, dtype=np.float32) - start[0]
    length = np.hypot(*(end - start))
    unit_x, unit_y = (end - start) / length
    along = unit_x * x + unit_y * y
    inside = (np.abs(unit_x * y - unit_y * x) <= 1) & (along >= 0) & (along <= length)
    field[0, rows, columns][inside] += unit_x
    field[1, rows, columns][inside] += unit_y
    count[rows, columns][inside] += 1


def torch_whole_maps(keypoints: Tensor, visibility: Tensor, setting: Setting) -> tuple[Tensor, Tensor]:
    """Every limb on every pixel, person by person so that the temporaries stay small."""
    height, width = setting.size
    limbs = torch.tensor(LIMBS, device=keypoints.device)
    joints = (keypoints + 0.5) / STRIDE - 0.5
    start, end = joints[:, :, limbs[:, 0]], joints[:, :, limbs[:, 1]]
    seen = (visibility[:, :, limbs[:, 0]] >= 0.5) & (visibility[:, :, limbs[:, 1]] >= 0.5)
    along = end - start
    length = along.norm(dim=-1, keepdim=True)
    unit = along / length
    y = torch.arange(height, dtype=torch.float32, device=keypoints.device)[:, None]
    x = torch.arange(width, dtype=torch.float32, device=keypoints.device)
    fields = torch.zeros(setting.batch, len(LIMBS), 2, height, width, device=keypoints.device)
    count = torch.zeros(setting.batch, len(LIMBS), height, width, device=keypoints.device)
    for n in range(setting.people):
        dx = x - start[:, n, :, 0, None, None]
        dy = y - start[:, n, :, 1, None, None]
        unit_x, unit_y = unit[:, n, :, 0, None, None], unit[:, n, :, 1, None, None]
        dot = unit_x * dx + unit_y * dy
        cross = unit_x * dy - unit_y * dx
        if setting.profile == "gaussian":
            beyond = dot.clamp(max=0) + (dot - length[:, n, :, None]).clamp(min=0)
            inside = torch.exp(-(beyond.square() + cross.square()))
        else:
            inside = ((cross.abs() <= 1) & (dot >= 0) & (dot <= length[:, n, :, None])).float()
        inside = inside * seen[:, n, :, None, None]
        fields = fields + inside[:, :, None] * unit[:, n, :, :, None, None]
        count = count + inside
    if setting.profile == "flat":
        fields = fields / count.clamp(min=1)[:, :, None]
    layout = torch.channels_last if setting.channels_last else torch.contiguous_format
    fields = fields.flatten(1, 2).to(setting.dtype).contiguous(memory_format=layout)
    return fields, seen.any(1).to(torch.float32)
