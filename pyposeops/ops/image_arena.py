"""Many images of different sizes in one buffer on one device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy


class ImageArena(NamedTuple):
    """Images of any sizes, their pixels one after another in one buffer.

    ``crop_images`` reads it in one CUDA launch, whatever the number of images, and the host never needs to know
    what is in it: where a list of tensors costs a few microseconds per image and call, an arena costs none. One
    buffer also means one copy to the device.

    Example:
        >>> images = [torch.zeros(4, 6, 3, dtype=torch.uint8), torch.ones(2, 3, 3, dtype=torch.uint8)]
        >>> arena = ImageArena.pack(images)
        >>> arena.pixels.shape, arena.offsets.tolist(), arena.sizes.tolist()
        (torch.Size([90]), [0, 72], [[4, 6], [2, 3]])
    """

    pixels: Tensor  # (bytes,) uint8, contiguous: every image dense, (H, W, 3)
    offsets: Tensor  # (M,) int64, the byte that every image starts at
    sizes: Tensor  # (M, 2) int64, (height, width) in pixels

    @staticmethod
    def pack(images: Sequence[Tensor]) -> ImageArena:
        """Copy images into one buffer, on the device that they are on.

        Args:
            images: (H, W, 3) uint8 of any sizes and strides.

        Returns:
            The arena; of NumPy arrays one that holds NumPy arrays.

        Raises:
            ValueError: no image, shapes or devices that do not fit.
            TypeError: images that are not uint8.
        """
        arena: ImageArena = _pack(images)
        return arena

    def to(self, device: torch.device | str, *, non_blocking: bool = True) -> ImageArena:
        """The arena on a device; from page-locked memory the copies are asynchronous."""
        return ImageArena(*(tensor.to(device, non_blocking=non_blocking) for tensor in self))

    def pin_memory(self) -> ImageArena:
        """The arena in page-locked memory."""
        return ImageArena(*(tensor.pin_memory() for tensor in self))

    def images(self) -> list[Tensor]:
        """The images (H, W, 3) as views of the buffer. On CUDA this waits for offsets and sizes."""
        views = []
        for start, (height, width) in zip(self.offsets.tolist(), self.sizes.tolist(), strict=True):
            views.append(self.pixels[start : start + 3 * height * width].reshape(height, width, 3))
        return views


@accepts_numpy
def _pack(images: Sequence[Tensor]) -> ImageArena:
    if len(images) == 0:
        raise ValueError("images: expected at least one image, got none")
    device = images[0].device
    for n, image in enumerate(images):
        if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise ValueError(f"images[{n}]: expected (H, W, 3), got {tuple(image.shape)}")
        if image.dtype != torch.uint8:
            raise TypeError(f"images[{n}]: expected dtype uint8, got {image.dtype}")
        if image.device != device:
            raise ValueError(f"images[{n}]: expected the device of images[0], {device}, got {image.device}")
    ends = [0]
    for image in images:
        ends.append(ends[-1] + math.prod(image.shape))
    sizes = [tuple(image.shape[:2]) for image in images]
    return ImageArena(
        torch.cat([image.reshape(-1) for image in images]),
        torch.tensor(ends[:-1], dtype=torch.int64, device=device),
        torch.tensor(sizes, dtype=torch.int64, device=device),
    )
