"""Who else the image of a person shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

import pyposeops
from python_models.data.records import PersonRecord


class OtherPeople(NamedTuple):
    """Up to M others in the images that the crops of N people are cut from."""

    keypoints: Tensor  # (N, M, K, 2), (x, y) in crop pixels, inside the crop or not
    visibility: Tensor  # (N, M, K), 0 for a joint without a label, and where there is nobody

    def moved(self, affines: Tensor) -> OtherPeople:
        """The same people where affine maps (N, 2, 3) take them."""
        flat = pyposeops.transform_keypoints(self.keypoints.flatten(1, 2), affines)
        return self._replace(keypoints=flat.view(self.keypoints.shape))


class SharedImages:
    """Which records show the same image.

    Args:
        records: of a data set; those of one image share `image_id`.

    Attributes:
        most: people in the image that shows the most.
    """

    def __init__(self, records: Sequence[PersonRecord]) -> None:
        members: dict[int, list[int]] = {}
        for index, record in enumerate(records):
            members.setdefault(record.image_id, []).append(index)
        number = {image_id: row for row, image_id in enumerate(members)}
        self.most = max((len(own) for own in members.values()), default=0)
        self._image = torch.tensor([number[record.image_id] for record in records], dtype=torch.int64)
        self._members = torch.full((len(members), self.most), -1)
        for row, own in enumerate(members.values()):
            self._members[row, : len(own)] = torch.tensor(own)

    def others(self, indices: Tensor) -> Tensor:
        """Records (N, `most`) of the images of records (N,); -1 for oneself and where there is nobody more."""
        members = self._members[self._image[indices]]
        return torch.where(members == indices[:, None], -1, members)


def labelled_inside(keypoints: Tensor, visibility: Tensor, size: tuple[int, int]) -> Tensor:
    """The visibility (..., K) of joints (..., K, 2) in pixels of images of one size; 0 outside."""
    (height, width), (x, y) = size, keypoints.unbind(-1)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return torch.where(inside, visibility, 0.0)
