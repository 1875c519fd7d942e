"""A data set seen image by image, for networks that find all people of an image at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from pyposeops.skeletons import OPENPOSE_COCO_18, openpose_of_coco_17
from python_models.data.records import PersonRecord, PoseDataset, Skeleton
from python_models.data.regions import Region
from python_models.data.skeletons import COCO_SKELETON, OPENPOSE_18_SKELETON
from python_models.errors import UserError


class PeopleOfImage(NamedTuple):
    """The labelled people of one image; float32."""

    keypoints: torch.Tensor  # (N, K, 2) in image pixels
    visibility: torch.Tensor  # (N, K)
    boxes: torch.Tensor  # (N, 4) xywh in image pixels


class ImagePeople(PoseDataset):
    """The images of a data set, each once, in the order in which people in them come.

    Args:
        dataset: one record per person; those of one image share `image_id`.
        skeleton: the joints that people are to have; COCO's can become OpenPose's 18, of which the neck lies between
            the shoulders where both are labelled. By default those of the data set.

    Attributes:
        records: of each image, that of its first person.
        members: of each image, the numbers of all its people in the data set.

    Raises: UserError for joints that do not follow from those of the data set.
    """

    def __init__(self, dataset: PoseDataset, skeleton: Skeleton | None = None) -> None:
        self.dataset, self.skeleton = dataset, skeleton or dataset.skeleton
        self._makes_neck = self.skeleton.joint_names != dataset.skeleton.joint_names
        if self._makes_neck and not follows(self.skeleton, dataset.skeleton):
            raise UserError(
                f"joints: {', '.join(self.skeleton.joint_names)} do not follow from those of the data, "
                f"{', '.join(dataset.skeleton.joint_names)}"
            )
        by_image: dict[int, list[int]] = {}
        for index, record in enumerate(dataset.records):
            by_image.setdefault(record.image_id, []).append(index)
        self.members = list(by_image.values())
        self.records = [dataset.records[own[0]] for own in self.members]

    def load_image(self, record: PersonRecord) -> np.ndarray:
        return self.dataset.load_image(record)

    def to_coco(self) -> dict[str, Any]:
        return self.dataset.to_coco()

    def people(self, index: int) -> PeopleOfImage:
        """Everybody in image `index`."""
        own = [self.dataset.records[member] for member in self.members[index]]
        keypoints = torch.from_numpy(np.stack([record.keypoints for record in own]))
        visibility = torch.from_numpy(np.stack([record.visibility for record in own]))
        boxes = torch.from_numpy(np.stack([record.box_xywh for record in own])).float()
        if not self._makes_neck:
            return PeopleOfImage(keypoints, visibility, boxes)
        triples = torch.cat([keypoints, visibility[..., None]], dim=-1)
        made = openpose_of_coco_17(triples, OPENPOSE_COCO_18)
        return PeopleOfImage(made[..., :2], made[..., 2], boxes)

    def ignored(self, index: int) -> list[Region]:
        """Where image `index` shows people who are not labelled."""
        return self.dataset.ignored.get(self.records[index].image_id, [])


def follows(wanted: Skeleton, given: Skeleton) -> bool:
    """Tell whether joints can be made of others."""
    made = wanted.joint_names == OPENPOSE_18_SKELETON.joint_names
    return wanted.joint_names == given.joint_names or (
        made and given.joint_names == COCO_SKELETON.joint_names
    )
