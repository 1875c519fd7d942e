"""What is drawn for each person of a training batch: scale, rotation, flip, half body, colour."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from python_models.data.records import Skeleton
from python_models.errors import UserError

# A half-body box is the joints' box times 1.5; crops already pad every box by 1.25.
_HALF_BODY_WIDENING = 1.5 / 1.25
_UPPER_HALF_PREFERENCE = 0.7


class AugmentationDraw(NamedTuple):
    """Drawn values of N people, as the arguments of `affine_from_box` and `crop_images` want them."""

    boxes: torch.Tensor  # (N, 4) xywh, some cut to half a body
    scale: torch.Tensor  # (N,) factor of the box size
    rotation_deg: torch.Tensor  # (N,)
    flip: torch.Tensor  # (N,) bool
    gain: torch.Tensor  # (N, 3)
    bias: torch.Tensor  # (N, 3)
    part: torch.Tensor  # (N,) bool, whose box shows but a part of the person


@dataclass(frozen=True)
class Augmentation:
    """Ranges and probabilities of the training augmentation; the defaults follow HRNet's COCO recipe.

    Args:
        scale: the box size is multiplied by a normal draw around 1 with this standard deviation, limited to
            1 +- scale.
        rotation_deg: largest rotation; a normal draw with half of it as standard deviation, limited to
            +- rotation_deg (the published "rotation factor 40", which allows 80 degrees, is 80 here).
        rotation_probability: how often a person is rotated at all.
        flip_probability: how often the crop is mirrored and left joints trade places with right ones.
        half_body_probability: how often a person with enough labelled joints is cut to half a body.
        half_body_joints: a person needs more labelled joints than this to be cut.
        brightness: the gain of all channels is uniform in 1 +- brightness.
        tint: the gain of each channel is multiplied by a uniform draw in 1 +- tint.
        offset: the bias of each channel is uniform in +- offset, in units of the full grey range.
        translation: whole images move along x and along y by a uniform draw in +- translation, in units of their
            longer side; one person's crop does not.
        proposals: boxes such as a detector gives in place of one person's true box (RMPE's pose-guided proposals):
            none; published, one Gaussian for each side and now and then a part of the person; or a file that the
            command proposals has learned.

    Source: Sun, Xiao, Liu and Wang, "Deep High-Resolution Representation Learning for Human Pose
    Estimation", CVPR 2019, section 4.1, and its published code; half body goes back to Wang et al., "MSCOCO
    Keypoints Challenge 2018", ECCV workshop 2018. The colour draws are ours.
    """

    scale: float = 0.35
    rotation_deg: float = 40.0
    rotation_probability: float = 0.6
    flip_probability: float = 0.5
    half_body_probability: float = 0.3
    half_body_joints: int = 8
    brightness: float = 0.25
    tint: float = 0.1
    offset: float = 0.05
    translation: float = 0.1
    proposals: str = "none"

    def __post_init__(self) -> None:
        for name in ("rotation_probability", "flip_probability", "half_body_probability"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UserError(f"{name}: expected 0 to 1, got {getattr(self, name)}")
        for name in ("scale", "brightness", "tint", "translation"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise UserError(f"{name}: expected 0 to below 1, got {getattr(self, name)}")
        for name in ("rotation_deg", "offset"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise UserError(f"{name}: expected 0 or more, got {getattr(self, name)}")

    def draw(
        self,
        boxes: torch.Tensor,
        keypoints: torch.Tensor,
        visibility: torch.Tensor,
        lower_body: torch.Tensor,
        generator: torch.Generator,
    ) -> AugmentationDraw:
        """Draw the values of N people; the same generator state gives the same values.

        Args:
            boxes: (N, 4) xywh; keypoints: (N, K, 2) in image pixels; visibility: (N, K), positive = labelled.
            lower_body: (K,) bool, joints of the lower half.
            generator: CPU generator; it advances by the same amount whatever is drawn.
        """
        count = boxes.shape[0]
        normal = torch.randn(count, 2, generator=generator)
        uniform = torch.rand(count, 11, generator=generator)
        rotated, mirrored, cut, upper, common = uniform[:, :5].unbind(1)
        scale = (1.0 + self.scale * normal[:, 0]).clamp(1.0 - self.scale, 1.0 + self.scale)
        rotation = (0.5 * self.rotation_deg * normal[:, 1]).clamp(-self.rotation_deg, self.rotation_deg)
        halves = half_body_boxes(keypoints, visibility > 0, lower_body, upper < _UPPER_HALF_PREFERENCE)
        enough = (visibility > 0).sum(1) > self.half_body_joints
        use_half = enough & (cut < self.half_body_probability) & (halves[:, 2:].amax(1) > 0)
        gain = 1.0 + self.brightness * (2.0 * common[:, None] - 1.0)
        return AugmentationDraw(
            boxes=torch.where(use_half[:, None], halves, boxes),
            scale=scale,
            rotation_deg=torch.where(rotated < self.rotation_probability, rotation, 0.0),
            flip=mirrored < self.flip_probability,
            gain=gain * (1.0 + self.tint * (2.0 * uniform[:, 5:8] - 1.0)),
            bias=self.offset * (2.0 * uniform[:, 8:] - 1.0),
            part=use_half,
        )

    def draw_whole(self, boxes: torch.Tensor, generator: torch.Generator) -> AugmentationDraw:
        """Draw the values of N whole images, given as boxes (N, 4) xywh; no half bodies, but translations."""
        nobody = torch.zeros(len(boxes), 1, 2)
        drawn = self.draw(boxes, nobody, nobody[..., 0], torch.zeros(1, dtype=torch.bool), generator)
        moved = self.translation * (2.0 * torch.rand(len(boxes), 2, generator=generator) - 1.0)
        corners = boxes[:, :2] + moved * boxes[:, 2:].amax(1, keepdim=True)
        return drawn._replace(boxes=torch.cat([corners, boxes[:, 2:]], dim=1))

    def check_mirror(self, skeleton: Skeleton) -> None:
        """Raise UserError where people with this skeleton cannot be mirrored, but are to be."""
        if self.flip_probability > 0 and skeleton.one_sided:
            raise UserError(
                f"flip_probability: {skeleton.one_sided[0]!r} has no partner on the other side, so mirrored "
                "people cannot be labelled; set it to 0"
            )


def half_body_boxes(
    keypoints: torch.Tensor, labelled: torch.Tensor, lower_body: torch.Tensor, prefer_upper: torch.Tensor
) -> torch.Tensor:
    """Return boxes (N, 4) xywh around the upper or the lower labelled joints of each person.

    The upper half is taken where preferred and more than two of its joints are labelled, else the lower
    half under the same condition, else the upper one. The box is centred on the mean of the joints and 1.2
    times as wide and high as they reach. Fewer than two joints give a box of size zero.
    """
    upper, lower = labelled & ~lower_body, labelled & lower_body
    take_upper = (prefer_upper & (upper.sum(1) > 2)) | (lower.sum(1) <= 2)
    chosen = torch.where(take_upper[:, None], upper, lower)[..., None]
    count = chosen.sum(1).clamp_min(1)
    centre = torch.where(chosen, keypoints, 0.0).sum(1) / count
    highest = torch.where(chosen, keypoints, -torch.inf).amax(1)
    lowest = torch.where(chosen, keypoints, torch.inf).amin(1)
    extent = torch.where(count > 1, _HALF_BODY_WIDENING * (highest - lowest), 0.0)
    return torch.cat([centre - 0.5 * extent, extent], dim=1)
