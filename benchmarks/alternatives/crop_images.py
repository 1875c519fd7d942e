"""Normalised crops as the loaders of HRNet and mmpose, torch's grid_sample and kornia make them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

Array: TypeAlias = np.ndarray[Any, Any]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Setting:
    """One batch of crops: their shape (N, 3, h, w), how they are stored, and whether memory is reused for them."""

    shape: tuple[int, int, int, int]
    dtype: torch.dtype = torch.float32
    channels_last: bool = False
    reuse: bool = False

    @property
    def size(self) -> tuple[int, int]:
        return self.shape[2:]

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format


def as_arrays(images: list[Tensor], affines: Tensor, index: Tensor) -> tuple[list[Array], Array, list[int]]:
    """What OpenCV takes; it gets as many threads as torch."""
    import cv2

    cv2.setNumThreads(torch.get_num_threads())
    return [image.numpy() for image in images], affines.numpy(), index.tolist()


def opencv_loop(images: list[Array], affines: Array, index: list[int], setting: Setting) -> Tensor:
    """One warpAffine, ToTensor and Normalize per crop, then the stack."""
    import cv2

    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    height, width = setting.size
    crops = []
    for affine, image in zip(affines, index, strict=True):
        warped = cv2.warpAffine(images[image], affine, (width, height), flags=cv2.INTER_LINEAR)
        planes = torch.from_numpy(warped).permute(2, 0, 1).contiguous()
        crops.append(planes.to(torch.float32).div_(255).sub_(mean).div_(std))
    return torch.stack(crops).to(dtype=setting.dtype, memory_format=setting.memory_format)


# torch and kornia: float images, all crops of one image at a time


def torch_grid_sample(images: list[Tensor], affines: Tensor, index: Tensor, setting: Setting) -> Tensor:
    height, width = setting.size
    device = affines.device
    v, u = torch.meshgrid(
        torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
    )
    targets = torch.stack([u, v, torch.ones_like(u)], dim=-1).to(affines.dtype).view(-1, 3)
    bottom = affines.new_tensor([0.0, 0.0, 1.0]).expand(len(affines), 1, 3)
    inverses = torch.linalg.inv(torch.cat([affines, bottom], dim=1))[:, :2]
    crops = affines.new_empty(setting.shape, dtype=torch.float32)
    for picture, which in _by_image(images, index):
        sizes = affines.new_tensor([picture.shape[3], picture.shape[2]])
        sources = torch.einsum("nij,pj->npi", inverses[which], targets)
        grid = ((sources * 2 + 1) / sizes - 1).to(torch.float32).view(-1, height, width, 2)
        expanded = picture.expand(len(which), -1, -1, -1)
        crops[which] = torch.nn.functional.grid_sample(expanded, grid, align_corners=False)
    return _finished(crops, setting)


def kornia_warp(images: list[Tensor], affines: Tensor, index: Tensor, setting: Setting) -> Tensor:
    from kornia.geometry.transform import warp_affine

    crops = affines.new_empty(setting.shape, dtype=torch.float32)
    for picture, which in _by_image(images, index):
        expanded = picture.expand(len(which), -1, -1, -1)
        crops[which] = warp_affine(expanded, affines[which].to(torch.float32), setting.size)
    return _finished(crops, setting)


def _by_image(images: Sequence[Tensor], index: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Every image as (1, 3, H, W) floats of 0..1, and the numbers of its crops."""
    for number, image in enumerate(images):
        which = (index == number).nonzero()[:, 0]
        yield image.permute(2, 0, 1).to(torch.float32)[None] / 255, which


def _finished(crops: Tensor, setting: Setting) -> Tensor:
    mean, std = (torch.tensor(values, device=crops.device)[:, None, None] for values in (MEAN, STD))
    normalised = crops.sub_(mean).div_(std)
    return normalised.to(dtype=setting.dtype, memory_format=setting.memory_format)
