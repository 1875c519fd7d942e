"""From decoded images to a batch of whole images with their people: fit, augment, normalise, mask."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import torch

import pyposeops
from pyposeops.ops.crop_images import MEAN as IMAGENET_MEAN
from pyposeops.ops.crop_images import STD as IMAGENET_STD
from python_models.data.augment import Augmentation, AugmentationDraw
from python_models.data.image_people import ImagePeople
from python_models.data.labelled_people import LabelledPeople, PeopleBatch
from python_models.data.other_people import labelled_inside
from python_models.data.packing import PackedSamples
from python_models.data.proposals import NONE
from python_models.data.records import Sample
from python_models.errors import UserError

# The mask of what counts has so many pixels of the network's input in one of its own.
_MASK_STRIDE = 4


class PeoplePreparer:
    """Turns a list of samples into a `PeopleBatch`, on the training device.

    An image is fitted into the input size, its proportions kept; augmentation enlarges, turns, shifts, mirrors and
    colours it. Joints that then lie outside are not labelled.

    Args:
        dataset: its people, joints and regions that do not count.
        size: (height, width) of the network's input in pixels.
        augmentation: None for none, or what to draw; half bodies are not cut out.
        mean, std: per channel, in units of the full grey range.
        reverse_channels: whether images are BGR.
        channels_last: of the images. device: where the batch is made.

    Raises: UserError if `augmentation` flips and the skeleton has a left or right joint without partner, or draws
        proposals.
    """

    def __init__(
        self,
        dataset: ImagePeople,
        *,
        size: tuple[int, int],
        augmentation: Augmentation | None = None,
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
        reverse_channels: bool = False,
        channels_last: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        if augmentation is not None:
            augmentation.check_mirror(dataset.skeleton)
            if augmentation.proposals != NONE:
                raise UserError(
                    "augmentation.proposals: are boxes of one person; this model sees whole images"
                )
        self.dataset, self.size, self.augmentation = dataset, size, augmentation
        self.device = torch.device(device)
        self._options = {
            "mean": mean,
            "std": std,
            "reverse_channels": reverse_channels,
            "channels_last": channels_last,
        }

    def __call__(self, samples: Iterable[Sample], generator: torch.Generator | None = None) -> PeopleBatch:
        """Prepare one batch; `generator` (CPU) is what an augmentation draws from and is then required."""
        packed = PackedSamples.pack(samples)
        boxes = torch.tensor([[0.0, 0.0, shape[1], shape[0]] for shape in packed.shapes]).reshape(-1, 4)
        draw = self._draw(boxes, generator)
        affines = pyposeops.affine_from_box(
            boxes if draw is None else draw.boxes,
            self.size,
            padding=1.0,
            scale=None if draw is None else draw.scale,
            rotation_deg=None if draw is None else draw.rotation_deg,
            flip=None if draw is None else draw.flip,
        )
        keypoints, visibility, placed = self._people(
            packed.indices, affines, None if draw is None else draw.flip
        )
        counted = self._counted(packed, affines)
        on_device = packed.to(self.device)
        colours = {} if draw is None else {"gain": self._up(draw.gain), "bias": self._up(draw.bias)}
        images = pyposeops.crop_images(
            on_device.images(),
            self._up(affines),
            self.size,
            image_index=torch.arange(len(packed), device=self.device),
            antialias=True,
            **colours,
            **self._options,
        )
        labelled = LabelledPeople(
            self._up(keypoints),
            self._up(visibility),
            None if counted is None else self._up(counted),
            self._up(placed),
        )
        return PeopleBatch(
            images, labelled, self._up(affines), torch.tensor(packed.indices, dtype=torch.int64)
        )

    def _draw(self, boxes: torch.Tensor, generator: torch.Generator | None) -> AugmentationDraw | None:
        if self.augmentation is None:
            return None
        if generator is None:
            raise UserError("generator: needed to draw the augmentation, got None")
        return self.augmentation.draw_whole(boxes, generator)

    def _people(
        self, indices: Sequence[int], affines: torch.Tensor, flip: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Keypoints (B, N, K, 2), visibility (B, N, K) and boxes (B, N, 4) in pixels of the input."""
        everybody = [self.dataset.people(index) for index in indices]
        most = max((len(own.keypoints) for own in everybody), default=0)
        joints = self.dataset.skeleton.num_joints
        keypoints = torch.zeros(len(everybody), most, joints, 2)
        visibility = torch.zeros(len(everybody), most, joints)
        boxes = torch.zeros(len(everybody), most, 4)
        for image, own in enumerate(everybody):
            count = len(own.keypoints)
            keypoints[image, :count], visibility[image, :count] = own.keypoints, own.visibility
            boxes[image, :count] = moved_boxes(own.boxes, affines[image])
        flat = pyposeops.transform_keypoints(keypoints.flatten(1, 2), affines)
        keypoints = flat.unflatten(1, (most, joints)) if most else keypoints
        if flip is not None and flip.any():
            order = list(self.dataset.skeleton.flip_order)
            keypoints[flip], visibility[flip] = keypoints[flip][:, :, order], visibility[flip][:, :, order]
        return keypoints, labelled_inside(keypoints, visibility, self.size), boxes

    def _counted(self, packed: PackedSamples, affines: torch.Tensor) -> torch.Tensor | None:
        """What counts, (B, h / 4, w / 4); None where everything does."""
        regions = [self.dataset.ignored(index) for index in packed.indices]
        if not any(regions):
            return None
        height, width = (max(1, side // _MASK_STRIDE) for side in self.size)
        counted = torch.ones(len(regions), height, width)
        to_mask = np.array([[width / self.size[1], 0, 0], [0, height / self.size[0], 0]])
        to_mask[:, 2] = (to_mask[[0, 1], [0, 1]] - 1) / 2  # corners stay corners
        for image, (own, shape) in enumerate(zip(regions, packed.shapes, strict=True)):
            if own:
                mask = np.zeros(tuple(shape[:2]), np.uint8)
                for region in own:
                    region.paint(mask)
                affine = np.vstack([affines[image].double().numpy(), [0, 0, 1]])
                seen = cv2.warpAffine(mask, to_mask @ affine, (width, height), flags=cv2.INTER_LINEAR)
                counted[image] = torch.from_numpy((seen == 0).astype(np.float32))
        return counted

    def _up(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self.device, non_blocking=True)


def moved_boxes(boxes: torch.Tensor, affine: torch.Tensor) -> torch.Tensor:
    """The upright boxes (N, 4) xywh around what an affine map (2, 3) makes of boxes (N, 4) xywh."""
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    x, y = torch.stack([low, high], dim=-1).unbind(1)
    corners = torch.stack([x[:, [0, 1, 0, 1]], y[:, [0, 0, 1, 1]]], dim=-1)  # (N, 4, 2)
    moved = corners @ affine[:, :2].T + affine[:, 2]
    return torch.cat([moved.amin(1), moved.amax(1) - moved.amin(1)], dim=-1)
