"""What the operators on multi-person targets share: how many images, and where a keypoint lies on the map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Grid = Literal["half_pixel", "aligned", "edge"]
GRIDS = {"half_pixel": 0, "aligned": 1, "edge": 2}
# map pixel = (keypoint + before) / stride + after
_BEFORE_AFTER = ((0.5, -0.5), (0.0, 0.0), (0.0, -0.5))


def pair(size: Sequence[int], name: str) -> tuple[int, int]:
    try:
        height, width = size
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected (height, width), got {size}") from None
    if height < 1 or width < 1:
        raise ValueError(f"{name}: expected a height and width of at least 1, got ({height}, {width})")
    return height, width


def stride_of(size: tuple[int, int], input_size: Sequence[int] | None) -> tuple[float, float] | None:
    """Input pixels per map pixel, (y, x); None for 1."""
    if input_size is None:
        return None
    height, width = pair(input_size, "input_size")
    return height / size[0], width / size[1]


def udp_stride_of(size: tuple[int, int], input_size: Sequence[int] | None) -> tuple[float, float] | None:
    """Input pixels per map pixel, (y, x), where the centres of the outermost pixels coincide; None for 1."""
    if input_size is None:
        return None
    height, width = pair(input_size, "input_size")
    if min(height, width, *size) < 2:
        raise ValueError(
            f"size, input_size: udp with input_size needs at least 2 pixels, got {size}, ({height}, {width})"
        )
    return (height - 1) / (size[0] - 1), (width - 1) / (size[1] - 1)


def place_on_map(grid: int, stride: Sequence[float] | None) -> tuple[float, float, float, float]:
    """(stride_y, stride_x, before, after), as ``pyposeops._core`` takes them."""
    stride_y, stride_x = stride or (1.0, 1.0)
    before, after = _BEFORE_AFTER[grid]
    return stride_y, stride_x, before, after


def image_count(keypoints: Tensor, offsets: Tensor | None) -> int:
    if offsets is None:
        if keypoints.ndim not in (3, 4):
            shape = tuple(keypoints.shape)
            raise ValueError(f"keypoints: expected (B, K, 2) or (B, N, K, 2) without offsets, got {shape}")
        return keypoints.shape[0]
    if keypoints.ndim != 3:
        raise ValueError(f"keypoints: expected (M, K, 2) with offsets, got {tuple(keypoints.shape)}")
    if offsets.ndim != 1 or offsets.shape[0] < 1:
        raise ValueError(f"offsets: expected (B + 1,), got {tuple(offsets.shape)}")
    return offsets.shape[0] - 1


def empty_maps(
    keypoints: Tensor,
    offsets: Tensor | None,
    channels: int,
    size: tuple[int, int],
    dtype: torch.dtype,
    channels_last: bool,
) -> Tensor:
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    shape = (image_count(keypoints, offsets), channels, *size)
    return torch.empty(shape, dtype=dtype, device=keypoints.device, memory_format=memory_format)


def weights_dtype(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32
