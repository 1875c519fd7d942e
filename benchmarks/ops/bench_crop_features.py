"""crop_features beside grid_sample, which most projects use for windows around joints, and advanced indexing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import pyposeops
from benchmarks.cases import Alternative, Case, Inputs, Overhead, Tolerance, Traffic

OP = "crop_features"
JOINTS, WINDOW = 17, 9
ROUNDING = {torch.float32: 3e-5, torch.bfloat16: 4e-2}  # sums of up to 17 windows of values around 1


def make_inputs(
    shape: tuple[int, ...], dtype: torch.dtype, layout: torch.memory_format, device: Any
) -> Inputs:
    """Features, joints anywhere on the map at whole pixels, and a gradient of the crops in their layout."""
    generator = torch.Generator().manual_seed(0)
    batch, channels, height, width = shape
    features = torch.randn(shape, generator=generator).to(device, dtype).contiguous(memory_format=layout)
    across = torch.randint(0, width, (batch, JOINTS), generator=generator)
    down = torch.randint(0, height, (batch, JOINTS), generator=generator)
    upstream = torch.randn(batch, JOINTS, channels, WINDOW, WINDOW, generator=generator).to(device, dtype)
    upstream = upstream.flatten(0, 1).contiguous(memory_format=layout).unflatten(0, (batch, JOINTS))
    return features, torch.stack([across, down], dim=2).float().to(device), upstream


def grid_sample_crops(features: Tensor, centers: Tensor) -> Tensor:
    """(B, K, C, 9, 9) as a view of grid_sample's result."""
    batch, channels, height, width = features.shape
    step = torch.arange(WINDOW, device=features.device) - WINDOW // 2
    x = (centers[..., 0, None, None] + step).expand(-1, -1, WINDOW, -1)
    y = (centers[..., 1, None, None] + step[:, None]).expand(-1, -1, -1, WINDOW)
    grid = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1).flatten(1, 2)
    crops = F.grid_sample(features, grid.to(features.dtype), align_corners=True)
    return crops.view(batch, channels, -1, WINDOW, WINDOW).transpose(1, 2)


def indexed_crops(features: Tensor, centers: Tensor) -> Tensor:
    """(B, K, C, 9, 9) by advanced indexing into the zero-padded map."""
    batch, channels = features.shape[:2]
    padded = F.pad(features, [WINDOW // 2] * 4)
    step = torch.arange(WINDOW, device=features.device)
    x, y = (centers.long()[..., axis, None] + step for axis in (0, 1))
    image = torch.arange(batch, device=features.device)[:, None, None, None, None]
    channel = torch.arange(channels, device=features.device)[:, None, None]
    return padded[image, channel, y[:, :, None, :, None], x[:, :, None, None, :]]


def with_gradient(crop: Callable[..., Tensor], features: Tensor, centers: Tensor, upstream: Tensor) -> Inputs:
    features = features.detach().requires_grad_()
    crops = crop(features, centers)
    return crops, *torch.autograd.grad(crops, features, upstream)


def forward_only(crop: Callable[..., Tensor], features: Tensor, centers: Tensor, _upstream: Tensor) -> Tensor:
    return crop(features, centers)


def _case(
    shape: tuple[int, ...],
    *,
    sampling: str = "integer",
    training: bool = True,
    dtype: torch.dtype = torch.float32,
    channels_last: bool = False,
    quick: bool = False,
) -> Case:
    run = with_gradient if training else forward_only
    layout = torch.channels_last if channels_last else torch.contiguous_format
    batch, channels, height, width = shape
    crops = batch * JOINTS * channels * WINDOW * WINDOW * dtype.itemsize
    maps = batch * channels * height * width * dtype.itemsize
    touched = min(crops, maps)  # overlapping windows read the same features
    options: dict[str, Any] = {"window": WINDOW, "sampling": sampling}
    alternatives = {"torch-eager": Alternative(partial(run, grid_sample_crops), note="grid_sample")}
    if sampling == "integer":
        alternatives["torch-indexing"] = Alternative(partial(run, indexed_crops))
    return Case(
        op=OP,
        name=f"{sampling} {'forward+backward' if training else 'forward'}"
        + (" channels_last" if channels_last else ""),
        shape=shape,
        dtype=dtype,
        make_inputs=partial(make_inputs, shape, dtype, layout),
        ours=partial(run, partial(pyposeops.crop_features, **options)),
        reference=partial(run, partial(pyposeops.reference.crop_features, **options)),
        traffic=Traffic(read=touched + (crops if training else 0), written=crops + (maps if training else 0)),
        alternatives=alternatives,
        tolerance=Tolerance(absolute=ROUNDING[dtype], relative=ROUNDING[dtype] / 4),
        quick=quick,
    )


def cases() -> list[Case]:
    usual, small = (64, 64, 64, 48), (4, 16, 64, 48)
    return [
        _case(small, quick=True),
        _case(small, sampling="bilinear", quick=True),
        _case(usual, training=False),
        _case(usual),
        _case(usual, channels_last=True),
        _case(usual, dtype=torch.bfloat16),
        _case(usual, sampling="bilinear", training=False),
        _case(usual, sampling="bilinear"),
        _case(usual, sampling="bilinear", channels_last=True),
    ]


def overhead() -> Overhead:
    call = partial(pyposeops.crop_features, window=3)
    return Overhead(
        OP, lambda device: (torch.ones(1, 1, 4, 4, device=device), torch.ones(1, 1, 2, device=device)), call
    )
