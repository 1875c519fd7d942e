"""Images of different sizes in one buffer: one hand-over from a worker, one copy to the device."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch

from python_models.data.records import Sample


class PackedSamples:
    """A batch of samples whose pixels lie one after another in `pixels` (uint8).

    A list of tensors would cost each worker hand-over one file descriptor, and each copy to a GPU one
    launch, per image.
    """

    def __init__(self, pixels: torch.Tensor, shapes: list[torch.Size], indices: list[int]) -> None:
        self.pixels, self.shapes, self.indices = pixels, shapes, indices

    @classmethod
    def pack(cls, samples: Iterable[Sample]) -> PackedSamples:
        """Copy the images of the samples into one buffer; a packed batch is returned as it is."""
        if isinstance(samples, cls):
            return samples
        samples = list(samples)
        flat = [sample.image.reshape(-1) for sample in samples]
        pixels = torch.cat(flat) if flat else torch.empty(0, dtype=torch.uint8)
        return cls(pixels, [sample.image.shape for sample in samples], [sample.index for sample in samples])

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> Sample:
        return Sample(self.images()[position], self.indices[position])

    def __iter__(self) -> Iterator[Sample]:
        return map(Sample, self.images(), self.indices)

    def images(self) -> list[torch.Tensor]:
        """Return the images (H, W, 3) as views of the buffer."""
        chunks = self.pixels.split([math.prod(shape) for shape in self.shapes])
        return [chunk.view(shape) for chunk, shape in zip(chunks, self.shapes, strict=True)]

    def pin_memory(self) -> PackedSamples:
        """Return the batch in page-locked memory (called by the DataLoader)."""
        return PackedSamples(self.pixels.pin_memory(), self.shapes, self.indices)

    def to(self, device: torch.device | str) -> PackedSamples:
        """Return the batch on a device; from page-locked memory the copy is asynchronous."""
        return PackedSamples(self.pixels.to(device, non_blocking=True), self.shapes, self.indices)
