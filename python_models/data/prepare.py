"""From decoded images to a training batch on the device: crop, augment, normalise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import torch

import pyposeops
from pyposeops.ops.crop_images import MEAN as IMAGENET_MEAN
from pyposeops.ops.crop_images import STD as IMAGENET_STD
from python_models.data.augment import Augmentation, AugmentationDraw
from python_models.data.crop_source import CropSource
from python_models.data.other_people import OtherPeople, SharedImages
from python_models.data.packing import PackedSamples
from python_models.data.proposals import NONE, open_proposals
from python_models.data.records import PoseDataset, Sample
from python_models.errors import UserError

Convention = Literal["msra", "udp"]


class Batch(NamedTuple):
    """What a model is trained or tested on, N people; all but `indices` on the preparer's device."""

    crops: torch.Tensor  # (N, 3, h, w), normalised
    keypoints: torch.Tensor  # (N, K, 2) in crop pixels
    visibility: torch.Tensor  # (N, K), 0, 1 or 2 as in COCO
    affines: torch.Tensor  # (N, 2, 3), image pixels to crop pixels
    indices: torch.Tensor  # (N,) int64 on the CPU, into the data set's records
    source: CropSource | None = None  # what the crops were cut from
    others: OtherPeople | None = None  # who else is in the images of these people
    centred: torch.Tensor | None = None  # (N, K, 2), the joints in the crop as it is cut out of the true box

    def tensors(self) -> Iterator[torch.Tensor]:
        """All that it holds."""
        yield from self[:5]
        if self.centred is not None:
            yield self.centred
        if self.source is not None:
            yield from self.source.tensors()
        if self.others is not None:
            yield from self.others


class BatchPreparer:
    """Turns a list of samples into a `Batch`, for a whole batch at a time, on the training device.

    The draws and the affine maps of a batch are a few hundred numbers and are made on the CPU; images go to
    the device as they were decoded and are cropped, flipped, coloured and normalised there in one pass.

    Args:
        dataset: its records give boxes, joints and visibility; samples refer to them by index.
        size: (height, width) of the crops in pixels.
        convention: how crops are cut, "msra" or "udp", as in `pyposeops.crop_images`.
        augmentation: None for evaluation, or what to draw for training.
        padding: the person box is widened by this factor.
        mean, std: per channel of the crops, in units of the full grey range.
        reverse_channels: whether crops are BGR.
        dtype, channels_last: of the crops. device: where the batch is made.
        others: whether batches tell who else is there: the people whose records share the image.
        centred: whether batches tell where the joints are in the crop of the true box.

    Raises: UserError if `augmentation` flips and the skeleton has a left or right joint without partner, or if
        `others` are wanted and every image has one person, or for proposals that are not there or of other joints.
    """

    def __init__(
        self,
        dataset: PoseDataset,
        *,
        size: tuple[int, int] = (256, 192),
        convention: Convention = "msra",
        augmentation: Augmentation | None = None,
        padding: float = 1.25,
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
        reverse_channels: bool = False,
        dtype: torch.dtype = torch.float32,
        channels_last: bool = False,
        device: torch.device | str = "cpu",
        others: bool = False,
        centred: bool = False,
    ) -> None:
        skeleton = dataset.skeleton
        if augmentation is not None:
            augmentation.check_mirror(skeleton)
        self.size, self.convention, self.augmentation = size, convention, augmentation
        self.padding, self.mean, self.std, self.reverse_channels = padding, mean, std, reverse_channels
        self.dtype, self.channels_last, self.device = dtype, channels_last, torch.device(device)
        self.centred = centred
        name = NONE if augmentation is None else augmentation.proposals
        self._proposals = open_proposals(name, skeleton.joint_names)
        self._flip_pairs = skeleton.flip_pairs
        self._lower_body = torch.tensor(skeleton.lower_body)
        self._boxes, self._keypoints, self._visibility = _tables(dataset)
        self._images = _shared_images(dataset) if others else None

    def __call__(self, samples: Iterable[Sample], generator: torch.Generator | None = None) -> Batch:
        """Prepare one batch; `generator` (CPU) is what an augmentation draws from and is then required."""
        packed = PackedSamples.pack(samples)
        indices = torch.tensor(packed.indices, dtype=torch.int64)
        visibility = self._visibility[indices]
        draw = self._draw(indices, generator)
        affines = self._affines(self._boxes[indices] if draw is None else draw.boxes, draw)
        keypoints = pyposeops.transform_keypoints(self._keypoints[indices], affines)
        if draw is not None:
            # The affines have mirrored the coordinates; left and right joints still trade places.
            keypoints, visibility = pyposeops.flip_keypoints(
                keypoints, visibility, self._flip_pairs, None, flip=draw.flip
            )
        others = self._others(indices, affines, draw)
        affines, keypoints, visibility = self._upload(affines, keypoints, visibility)
        source = self._source(packed, affines, draw)
        centred = self._centred(indices, draw, keypoints) if self.centred else None
        return Batch(source.crops(), keypoints, visibility, affines, indices, source, others, centred)

    def _others(
        self, indices: torch.Tensor, affines: torch.Tensor, draw: AugmentationDraw | None
    ) -> OtherPeople | None:
        if self._images is None:
            return None
        members = self._images.others(indices)
        visibility = torch.where((members >= 0)[..., None], self._visibility[members], 0.0)
        others = OtherPeople(self._keypoints[members], visibility).moved(affines)
        if draw is not None:
            flip = draw.flip[:, None].expand(members.shape)
            others = OtherPeople(*pyposeops.flip_keypoints(*others, self._flip_pairs, None, flip=flip))
        return OtherPeople(*self._upload(*others))

    def _centred(
        self, indices: torch.Tensor, draw: AugmentationDraw | None, keypoints: torch.Tensor
    ) -> torch.Tensor:
        """The joints in the crop of the true box, turned and mirrored as drawn; in the crop itself where that shows
        but a part of the person on purpose."""
        if draw is None:
            return keypoints
        whole = draw._replace(scale=torch.ones_like(draw.scale))
        affines = self._affines(self._boxes[indices], whole)
        centred = pyposeops.transform_keypoints(self._keypoints[indices], affines)
        centred, *_ = pyposeops.flip_keypoints(
            centred, self._visibility[indices], self._flip_pairs, None, flip=draw.flip
        )
        part, centred = self._upload(draw.part, centred)
        return torch.where(part[:, None, None], keypoints, centred)

    def _draw(self, indices: torch.Tensor, generator: torch.Generator | None) -> AugmentationDraw | None:
        if self.augmentation is None:
            return None
        if generator is None:
            raise UserError("generator: needed to draw the augmentation, got None")
        people = self._boxes[indices], self._keypoints[indices], self._visibility[indices]
        draw = self.augmentation.draw(*people, self._lower_body, generator)
        return draw if self._proposals is None else self._proposals.apply(draw, *people, generator)

    def _affines(self, boxes: torch.Tensor, draw: AugmentationDraw | None) -> torch.Tensor:
        return pyposeops.affine_from_box(
            boxes,
            self.size,
            convention=self.convention,
            padding=self.padding,
            scale=None if draw is None else draw.scale,
            rotation_deg=None if draw is None else draw.rotation_deg,
            flip=None if draw is None else draw.flip,
        )

    def _upload(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(tensor.to(self.device, non_blocking=True) for tensor in tensors)

    def _source(
        self, packed: PackedSamples, affines: torch.Tensor, draw: AugmentationDraw | None
    ) -> CropSource:
        gain, bias = (None, None) if draw is None else self._upload(draw.gain, draw.bias)
        return CropSource(
            packed.to(self.device).images(),
            torch.arange(len(packed), device=self.device),
            affines,
            self.size,
            gain,
            bias,
            {
                "mean": self.mean,
                "std": self.std,
                "reverse_channels": self.reverse_channels,
                "out_dtype": self.dtype,
                "channels_last": self.channels_last,
            },
        )


def _shared_images(dataset: PoseDataset) -> SharedImages:
    images = SharedImages(dataset.records)
    if images.most < 2:
        raise UserError(
            "data: no image shows two labelled people; loss.interference_weight needs some that do"
        )
    return images


def _tables(dataset: PoseDataset) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return boxes (R, 4), keypoints (R, K, 2) and visibility (R, K) of all records."""
    joints = dataset.skeleton.num_joints
    boxes = torch.zeros(len(dataset.records), 4)
    keypoints = torch.zeros(len(dataset.records), joints, 2)
    visibility = torch.zeros(len(dataset.records), joints)
    for index, record in enumerate(dataset.records):
        boxes[index] = torch.from_numpy(record.box_xywh)
        keypoints[index] = torch.from_numpy(record.keypoints)
        visibility[index] = torch.from_numpy(record.visibility)
    return boxes, keypoints, visibility
