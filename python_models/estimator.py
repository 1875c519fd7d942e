"""From image crops to joints in image pixels, with our operators: the part that evaluate and predict share."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

import pyposeops
from python_models.model_card import ModelCard
from python_models.zoo import model_info

Refine = Literal["auto", "none", "quarter", "dark", "dark_udp", "parabola"]
_REFINE_OF_ENCODING = {"msra": "quarter", "unbiased": "dark", "udp": "dark_udp"}
# The published DARK smooths with 11 pixels for a sigma of 2 pixels.
_BLUR_PER_SIGMA = 5.5
CROP_PADDING = 1.25


class Poses(NamedTuple):
    """Joints of N people."""

    keypoints: Tensor  # (N, K, 2), (x, y) in image pixels
    scores: Tensor  # (N, K), height of the heat map's peak


class PoseEstimator:
    """A model with everything around it.

    Args:
        network: Crops (N, 3, h, w) -> heat maps (N, K, H, W), on `device`, in eval mode.
        card: Input size, encoding and skeleton.
        device: Where crops are made and decoded.
        refine: How peaks are refined; "auto" takes what belongs to the encoding.
        flip_test: Average with the heat maps of the mirrored crop.
    """

    def __init__(
        self,
        network: Callable[[Tensor], Tensor],
        card: ModelCard,
        *,
        device: torch.device,
        refine: Refine = "auto",
        flip_test: bool = False,
    ) -> None:
        self.network, self.card, self.device, self.flip_test = network, card, device, flip_test
        self.refine = _REFINE_OF_ENCODING[card.encoding] if refine == "auto" else refine
        self.convention: Literal["msra", "udp"] = "udp" if card.encoding == "udp" else "msra"

    def from_images(self, images: Sequence[Tensor], boxes: Tensor, image_index: Tensor) -> Poses:
        """People in `boxes` (N, 4) xywh, each in image `image_index` (N,) of the uint8 RGB `images` (H, W, 3)."""
        info = model_info(self.card.model)
        affines = pyposeops.affine_from_box(
            boxes, self.card.input_size, convention=self.convention, padding=CROP_PADDING
        ).to(self.device)
        crops = pyposeops.crop_images(
            [image.to(self.device) for image in images],
            affines,
            self.card.input_size,
            mean=info.mean,
            std=info.std,
            image_index=image_index.to(self.device),
        )
        return self.from_crops(crops, affines)

    def from_crops(self, crops: Tensor, affines: Tensor) -> Poses:
        """Poses of normalised crops; `affines` (N, 2, 3) led from image to crop pixels."""
        flipped = self.network(crops.flip(-1)) if self.flip_test else None
        return self.decode(self.network(crops), affines, flipped)

    def decode(self, heatmaps: Tensor, affines: Tensor, flipped: Tensor | None = None) -> Poses:
        """Peaks of heat maps, averaged with those of the mirrored crops where given, carried back to image pixels."""
        blur_kernel = min(max(2 * round((_BLUR_PER_SIGMA * self.card.sigma_px - 1) / 2) + 1, 3), 63)
        return Poses(
            *pyposeops.heatmap_decode(
                heatmaps,
                refine=self.refine,
                blur_kernel=blur_kernel,
                flipped=flipped,
                flip_pairs=() if flipped is None else self.card.skeleton.flip_pairs,
                # Box centre and map centre lie half a pixel apart in this convention, so the mirrored map is shifted.
                shift=flipped is not None and self.convention == "msra",
                affines=affines,
                input_size=self.card.input_size,
                convention=self.convention,
            )
        )
