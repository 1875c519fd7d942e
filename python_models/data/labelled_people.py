"""Several labelled people in each image of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor


class LabelledPeople(NamedTuple):
    """The people of a batch of images, up to N in each."""

    keypoints: Tensor  # (B, N, K, 2), (x, y) in image pixels, centre of the first pixel 0.0
    visibility: Tensor  # (B, N, K), 0 where a joint is not labelled, and for places without a person
    counted: Tensor | None = None  # (B, H, W), bool or floating: 1 where all is labelled; None: everywhere
    # (B, N, 4), x, y, width and height in image pixels, reaching beyond the image where people do; all 0 for places
    # without a person; None: not known
    boxes: Tensor | None = None


class PeopleBatch(NamedTuple):
    """Whole images as a network sees them; all but `indices` on the preparer's device."""

    images: Tensor  # (B, 3, h, w), normalised
    people: LabelledPeople  # in pixels of these images
    affines: Tensor  # (B, 2, 3), pixels of the image as it is to those
    indices: Tensor  # (B,) int64 on the CPU, into the images of the data set

    def tensors(self) -> Iterator[Tensor]:
        """All that it holds."""
        people = (tensor for tensor in self.people if tensor is not None)
        yield from (self.images, *people, self.affines, self.indices)
