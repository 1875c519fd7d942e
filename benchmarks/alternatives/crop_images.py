"""Normalised crops as the loaders of HRNet and mmpose, torch's grid_sample and kornia make them."""

from __future__ import annotations

import math
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
    """One batch of crops: their shape (N, 3, h, w), how they are stored, whether memory is reused for them, and which
    of the rarer options are used."""

    shape: tuple[int, int, int, int]
    dtype: torch.dtype = torch.float32
    channels_last: bool = False
    reuse: bool = False
    border: str = "constant"
    perspective: bool = False
    antialias: bool = False
    arena: bool = False

    @property
    def options(self) -> str:
        """The rarer options in words; "" for the plain call."""
        named = {self.border: self.border != "constant", "perspective": self.perspective}
        named |= {"antialias": self.antialias, "arena": self.arena}
        return " ".join(name for name, used in named.items() if used)

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

    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    height, width = setting.size
    crops = []
    for affine, image in zip(affines, index, strict=True):
        warped = _opencv_warp(images[image], affine, (width, height), setting)
        planes = torch.from_numpy(warped).permute(2, 0, 1).contiguous()
        crops.append(planes.to(torch.float32).div_(255).sub_(mean).div_(std))
    return torch.stack(crops).to(dtype=setting.dtype, memory_format=setting.memory_format)


def _opencv_warp(image: Array, matrix: Array, size: tuple[int, int], setting: Setting) -> Array:
    """One warp in uint8; where the crop shrinks the image, of a larger crop that INTER_AREA then reduces."""
    import cv2

    modes = {
        "constant": cv2.BORDER_CONSTANT,
        "replicate": cv2.BORDER_REPLICATE,
        "reflect": cv2.BORDER_REFLECT_101,
    }
    options = {"flags": cv2.INTER_LINEAR, "borderMode": modes[setting.border]}
    if setting.perspective:
        warped: Array = cv2.warpPerspective(image, matrix, size, **options)
        return warped
    step = np.linalg.inv(matrix[:, :2])
    lengths = np.hypot(step[0], step[1])
    many = [max(math.ceil(length), 1) if setting.antialias and length > 2 else 1 for length in lengths]
    if many == [1, 1]:
        return cv2.warpAffine(image, matrix, size, **options)
    larger = np.diag(many) @ matrix
    larger[:, 2] += (np.array(many) - 1) / 2
    samples = cv2.warpAffine(image, larger, (size[0] * many[0], size[1] * many[1]), **options)
    return cv2.resize(samples, size, interpolation=cv2.INTER_AREA)


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
