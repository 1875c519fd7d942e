"""What a pose data set is made of: the skeleton, one record per person, and the data set itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from pyposeops import flip_order
from pyposeops.metrics.keypoint_sets import COCO_17, CROWDPOSE_14
from python_models.data.regions import Region
from python_models.errors import UserError

# Spread of human labels around the true joint, as a fraction of sqrt(area), by joint name without its side.
_COCO_STEMS = ("nose", "eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_PUBLISHED_SIGMAS = dict(zip(_COCO_STEMS, (COCO_17[0], *COCO_17[1::2]), strict=True))
# CrowdPose publishes a value for head and neck; the names LSP, MPII and PoseTrack give to these places share
# it. The pelvis lies between the hips and takes their value.
_RELATED_SIGMAS = {
    **dict.fromkeys(("head", "head_top", "head_bottom", "neck", "upper_neck", "thorax"), CROWDPOSE_14[-1]),
    "pelvis": _PUBLISHED_SIGMAS["hip"],
}
# Joints nobody published a spread for (animals, hands): between the face and the limbs, near 0.067, the
# mean over COCO's joints, but on the strict side, because a loose value hides errors.
DEFAULT_SIGMA = 0.05

# Area of a person where no mask is known, as a fraction of the box: the convention of CrowdPose.
AREA_OF_BOX = 0.53

_LOWER_BODY = ("hip", "knee", "ankle", "foot", "toe", "heel", "pelvis")


def joint_side(name: str) -> str | None:
    """Return "left" or "right" for names such as `left_knee` or `rightear`, None for joints in the middle."""
    lowered = name.lower()
    return next((side for side in ("left", "right") if lowered.startswith(side)), None)


def joint_stem(name: str) -> str:
    """Return the joint's name in lower case without its side: `left_knee` and `rightknee` give `knee`."""
    lowered = name.lower()
    side = joint_side(lowered)
    return lowered[len(side) :].lstrip("_- ") if side else lowered


def _flip_pairs(names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    right = {joint_stem(name): index for index, name in enumerate(names) if joint_side(name) == "right"}
    left = [(index, joint_stem(name)) for index, name in enumerate(names) if joint_side(name) == "left"]
    return tuple((index, right[stem]) for index, stem in left if stem in right)


def _sigma(name: str) -> float:
    stem = joint_stem(name)
    return _PUBLISHED_SIGMAS.get(stem, _RELATED_SIGMAS.get(stem, DEFAULT_SIGMA))


@dataclass(frozen=True)
class Skeleton:
    """Joints of one category: names, left/right partners, limbs and label spreads.

    `flip_pairs` and `limbs` hold 0-based joint indices; `sigmas` are OKS constants, one per joint.
    """

    name: str
    joint_names: tuple[str, ...]
    flip_pairs: tuple[tuple[int, int], ...]
    limbs: tuple[tuple[int, int], ...]
    sigmas: tuple[float, ...]

    @classmethod
    def from_names(
        cls,
        name: str,
        joint_names: Sequence[str],
        links: Sequence[Sequence[int]] = (),
        sigmas: Sequence[float] | None = None,
    ) -> Skeleton:
        """Build a skeleton from joint names and 1-based links, as a COCO category holds them.

        Partners come from the prefixes `left`/`right` (`left_ear` and `leftear` alike). Sigmas that are not
        given are COCO's published ones where the name without its side is a COCO joint, CrowdPose's for
        head, neck and thorax, and `DEFAULT_SIGMA` otherwise.
        """
        return cls(
            name=name,
            joint_names=tuple(joint_names),
            flip_pairs=_flip_pairs(joint_names),
            limbs=tuple((int(first) - 1, int(second) - 1) for first, second in links),
            sigmas=tuple(map(_sigma, joint_names) if sigmas is None else sigmas),
        )

    @property
    def num_joints(self) -> int:
        return len(self.joint_names)

    @property
    def flip_order(self) -> tuple[int, ...]:
        """Joint whose values stand at each place after mirroring: a permutation that is its own inverse."""
        return flip_order(self.flip_pairs, self.num_joints)

    @property
    def one_sided(self) -> tuple[str, ...]:
        """Names of left or right joints without a partner: a skeleton with any cannot be mirrored."""
        paired = {index for pair in self.flip_pairs for index in pair}
        names = enumerate(self.joint_names)
        return tuple(name for index, name in names if joint_side(name) and index not in paired)

    @property
    def lower_body(self) -> tuple[bool, ...]:
        """True for hips, knees, ankles, feet and pelvis; the other joints are the upper body."""
        stems = (joint_stem(name) for name in self.joint_names)
        return tuple(any(part in stem for part in _LOWER_BODY) for stem in stems)

    def to_category(self) -> dict[str, Any]:
        """Return the skeleton as an entry of `categories` in a COCO file, with 1-based links."""
        links = [[first + 1, second + 1] for first, second in self.limbs]
        names = list(self.joint_names)
        return {"id": 1, "name": self.name, "supercategory": self.name, "keypoints": names, "skeleton": links}


@dataclass
class PersonRecord:
    """One labelled person.

    image: file path, or the index of a generated image. keypoints (K, 2) float32: (x, y) in image pixels,
    centre of the first pixel 0.0. visibility (K,) float32: 0 not labelled, 1 labelled but hidden, 2 visible.
    box_xywh (4,) float32. area in square pixels, as OKS uses it. head_size in pixels, where known (PCKh).
    track_id: the same for one person throughout a video, where known.
    """

    image: str | int
    image_id: int
    annotation_id: int
    box_xywh: np.ndarray
    keypoints: np.ndarray
    visibility: np.ndarray
    area: float
    head_size: float | None = None
    track_id: int | None = None


@dataclass(frozen=True)
class Sample:
    """What a worker produces for one person: the whole image, uint8 (H, W, 3) RGB, and the record's index."""

    image: torch.Tensor
    index: int


class ImageReadError(UserError):
    """An image that cannot be read; the message names the file."""


class PoseDataset(Dataset[Sample]):
    """Base class: `skeleton`, `records`, and images by record. Subclasses define `load_image`.

    `ignored` has, by image id, where an image shows people who are not labelled, for data sets that tell.
    """

    skeleton: Skeleton
    records: list[PersonRecord]
    ignored: Mapping[int, list[Region]] = MappingProxyType({})

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Sample:
        return Sample(torch.from_numpy(self.load_image(self.records[index])), index)

    def load_image(self, record: PersonRecord) -> np.ndarray:
        """Return the record's image as a writable uint8 array (H, W, 3), RGB."""
        raise NotImplementedError

    def to_coco(self) -> dict[str, Any]:
        """Return the labels as a COCO keypoint dictionary, ready for pycocotools."""
        images = {
            record.image_id: {"id": record.image_id, "file_name": str(record.image)}
            for record in self.records
        }
        return {
            "images": list(images.values()),
            "annotations": [_to_annotation(record) for record in self.records],
            "categories": [self.skeleton.to_category()],
        }


def _to_annotation(record: PersonRecord) -> Mapping[str, Any]:
    labelled = record.visibility > 0
    triples = np.concatenate([record.keypoints, record.visibility[:, None]], axis=1).astype(np.float64)
    triples[~labelled] = 0.0
    annotation: dict[str, Any] = {
        "id": record.annotation_id,
        "image_id": record.image_id,
        "category_id": 1,
        "iscrowd": 0,
        "keypoints": triples.round(3).ravel().tolist(),
        "num_keypoints": int(labelled.sum()),
        "bbox": record.box_xywh.astype(np.float64).round(3).tolist(),
        "area": float(record.area),
    }
    if record.head_size is not None:
        annotation["head_size"] = float(record.head_size)
    if record.track_id is not None:
        annotation["track_id"] = record.track_id
    return annotation
