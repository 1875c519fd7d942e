"""The images that people were cut from, kept so that a network can look at parts of them again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

import pyposeops


@dataclass(frozen=True)
class CropSource:
    """Images, and how N people are cut out of them.

    images: uint8 (H, W, 3) RGB, on the device of the crops. image_index (N,): the image of each person. affines
    (N, 2, 3): image pixels to crop pixels. size: (height, width) of the crops. gain, bias (N, 3): colours as drawn
    for training. options: further arguments of `pyposeops.crop_images`.
    """

    images: Sequence[torch.Tensor]
    image_index: torch.Tensor
    affines: torch.Tensor
    size: tuple[int, int]
    gain: torch.Tensor | None = None
    bias: torch.Tensor | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def crops(self) -> torch.Tensor:
        """Everybody's crop, (N, 3, height, width), normalised."""
        return self._cut(self.affines, self.image_index, self.gain, self.bias)

    def closer(self, affines: torch.Tensor, people: torch.Tensor) -> torch.Tensor:
        """Parts of crops, cut from the images themselves so that nothing is lost to the crops' resolution.

        Args:
            affines: (M, 2, 3), from pixels of the person's crop to pixels of the new one. NaN gives an empty crop.
            people: (M,) whose crops they are parts of, int64.

        Returns:
            (M, 3, height, width), normalised, in the colours of those people's crops.
        """
        colours = (None if values is None else values[people] for values in (self.gain, self.bias))
        whole = pyposeops.compose_affine(self.affines[people], affines)
        return self._cut(whole, self.image_index[people], *colours)

    def tensors(self) -> Iterator[torch.Tensor]:
        """Everything that lies on the device."""
        yield from self.images
        yield from (self.image_index, self.affines)
        yield from (values for values in (self.gain, self.bias) if values is not None)

    def _cut(
        self,
        affines: torch.Tensor,
        image_index: torch.Tensor,
        gain: torch.Tensor | None,
        bias: torch.Tensor | None,
    ) -> torch.Tensor:
        colours = {"gain": gain, "bias": bias}
        return pyposeops.crop_images(
            self.images, affines, self.size, image_index=image_index, **colours, **self.options
        )
