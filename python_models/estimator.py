"""From image crops to joints in image pixels, with our operators: the part that evaluate and predict share."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

import pyposeops
from python_models.data.crop_source import CropSource
from python_models.errors import UserError
from python_models.model_card import ModelCard
from python_models.outputs import (
    expected_joints,
    prediction_of,
    predictions_of,
    simcc_joints,
    stages_of,
    uses_peaks,
)
from python_models.zoo import model_info, require_crops

Refine = Literal["auto", "none", "quarter", "dark", "dark_udp", "parabola", "megvii"]
_REFINE_OF_ENCODING = {
    "msra": "quarter",
    "unbiased": "dark",
    "udp": "dark_udp",
    "megvii": "megvii",
    "cmu": "quarter",
}
# The published DARK smooths with 11 pixels for a sigma of 2 pixels.
_BLUR_PER_SIGMA = 5.5
CROP_PADDING = 1.25


class Poses(NamedTuple):
    """Joints of N people."""

    keypoints: Tensor  # (N, K, 2), (x, y) in image pixels
    scores: Tensor  # (N, K), height of the peak, or of the softmax where joints are expectations


class PoseEstimator:
    """A model with everything around it.

    Args:
        network: Crops (N, 3, h, w) -> what `ModelInfo` says, on `device`, in eval mode.
        card: Input size, encoding and skeleton.
        device: Where crops are made and decoded.
        refine: How peaks are refined; "auto" takes what belongs to the encoding.
        flip_test: Average with the heat maps of the mirrored crop.
        scales: `from_images` looks at boxes of each of these sizes; heat maps are averaged where the box of size 1
            has them, what is not heat maps as joints.
    """

    def __init__(
        self,
        network: Callable[[Tensor], Any],
        card: ModelCard,
        *,
        device: torch.device,
        refine: Refine = "auto",
        flip_test: bool = False,
        scales: Sequence[float] = (1.0,),
    ) -> None:
        require_crops(card.model)
        if not scales or any(not 0 < scale < 100 for scale in scales):
            raise UserError(f"scales: expected numbers above 0, got {tuple(scales)}")
        if flip_test and card.skeleton.one_sided:
            raise UserError(
                f"flip_test: {card.skeleton.one_sided[0]!r} has no partner on the other side, so mirrored people "
                "cannot be averaged with"
            )
        self.network, self.card, self.device, self.flip_test = network, card, device, flip_test
        self.merges_maps = uses_peaks(card) and card.stages == 1
        self.scales = tuple(scales)
        self.refine = self._own_refinement() if refine == "auto" else refine

    def from_images(self, images: Sequence[Tensor], boxes: Tensor, image_index: Tensor) -> Poses:
        """People in `boxes` (N, 4) xywh, each in image `image_index` (N,) of the uint8 RGB `images` (H, W, 3)."""
        on_device = [image.to(self.device) for image in images]
        looks = [self.source(on_device, boxes, image_index, scale) for scale in self.scales]
        if len(looks) == 1 or not self.merges_maps:
            found = [self.from_crops(look.crops(), look.affines, look) for look in looks]
            return Poses(*(torch.stack(values).mean(0) for values in zip(*found, strict=True)))
        maps = [self.heatmaps(look.crops()) for look in looks]
        aligned = [self._at_size_one(own, scale) for own, scale in zip(maps, self.scales, strict=True)]
        return self.decode(torch.stack(aligned).mean(0), self._affines(boxes, 1.0))

    def nobody(self) -> Poses:
        """The poses of no people."""
        joints = self.card.skeleton.num_joints
        return Poses(torch.zeros(0, joints, 2), torch.zeros(0, joints))

    def _affines(self, boxes: Tensor, scale: float) -> Tensor:
        return pyposeops.affine_from_box(
            boxes, self.card.input_size, convention=self.card.convention, padding=CROP_PADDING, scale=scale
        ).to(self.device)

    def source(
        self, images: Sequence[Tensor], boxes: Tensor, image_index: Tensor, scale: float = 1.0
    ) -> CropSource:
        """How people are cut out of boxes `scale` times as large."""
        info = model_info(self.card.model)
        colours = {"mean": info.mean, "std": info.std, "reverse_channels": info.channel_order == "bgr"}
        affines = self._affines(boxes, scale)
        index = image_index.to(self.device)
        return CropSource(images, index, affines, self.card.input_size, options=colours)

    def heatmaps(self, crops: Tensor) -> Tensor:
        """Heat maps, averaged with those of the mirrored crops where asked for."""
        maps = prediction_of(self.network(crops), self.card)
        if not self.flip_test:
            return maps
        flipped = prediction_of(self.network(crops.flip(-1)), self.card)
        pairs, shift = self.card.skeleton.flip_pairs, self.card.grid == "msra"
        return pyposeops.flip_merge(maps, flipped, pairs, shift=shift)

    def _at_size_one(self, maps: Tensor, scale: float) -> Tensor:
        """Maps of boxes `scale` times as large at the places of the boxes' own; 0 where they do not reach."""
        if scale == 1.0:
            return maps.float()
        axes = []
        for crop, count in zip(self.card.input_size, maps.shape[-2:], strict=True):
            middle = self._middle(crop, count)
            position = (
                torch.arange(count, device=maps.device, dtype=torch.float32) - middle
            ) / scale + middle
            axes.append(2 * position / max(1, count - 1) - 1)
        y, x = torch.meshgrid(*axes, indexing="ij")
        grid = torch.stack([x, y], dim=-1).expand(len(maps), -1, -1, -1)
        return functional.grid_sample(maps.float(), grid, align_corners=True)

    def _middle(self, crop: int, count: int) -> float:
        """Where the middle of the box lies on a heat map, along one axis."""
        if self.card.convention == "udp":
            return (count - 1) / 2
        if self.card.grid == "half_pixel":
            return (crop / 2 + 0.5) * count / crop - 0.5
        return count / 2

    def from_crops(self, crops: Tensor, affines: Tensor | None, source: CropSource | None = None) -> Poses:
        """Poses of normalised crops.

        Args:
            crops: (N, 3, h, w).
            affines: (N, 2, 3), which led from image to crop pixels; None leaves the joints there.
            source: What the crops were cut from, for networks that look again.
        """
        return self._decoded(crops, affines, prediction_of)[0]

    def stage_poses(
        self, crops: Tensor, affines: Tensor | None, source: CropSource | None = None
    ) -> list[Poses]:
        """As `from_crops`, from each trained stage of the network; the last one is what `from_crops` gives."""
        return self._decoded(crops, affines, predictions_of)

    def stage_count(self) -> int:
        """How many poses `stage_poses` gives."""
        nothing = torch.zeros(1, 3, *self.card.input_size, device=self.device)
        return len(predictions_of(self.network(nothing), self.card))

    def _decoded(
        self, crops: Tensor, affines: Tensor | None, chosen: Callable[[Any, ModelCard], Any]
    ) -> list[Poses]:
        """The poses of the outputs that `chosen` takes from the network's answer."""
        found = stages_of(chosen(self.network(crops), self.card))
        flipped: list[Tensor | None] = [None] * len(found)
        if self.flip_test:
            flipped = list(stages_of(chosen(self.network(crops.flip(-1)), self.card)))
        return [
            self.decode(prediction, affines, other) for prediction, other in zip(found, flipped, strict=True)
        ]

    def decode(self, prediction: Tensor, affines: Tensor | None, flipped: Tensor | None = None) -> Poses:
        """Joints in image (or crop) pixels, averaged with what the mirrored crops gave where that is given."""
        if uses_peaks(self.card):
            return self._peaks(prediction, affines, flipped)
        if self.card.head == "simcc":
            refine = "dark" if self.refine == "dark" else "none"
            return Poses(
                *simcc_joints(prediction, self.card, affines=affines, flipped=flipped, refine=refine)
            )
        coords, scores = expected_joints(prediction, self.card)
        if flipped is not None:
            mirrored, mirrored_scores = expected_joints(flipped, self.card)
            # A crop pixel x of the mirrored crop was w - 1 - x; left and right joints trade places.
            order = list(self.card.skeleton.flip_order)
            last = mirrored.new_tensor((self.card.input_size[1] - 1.0, 0.0))
            mirrored = (last - mirrored * mirrored.new_tensor((1.0, -1.0)))[:, order]
            coords, scores = (coords + mirrored) / 2, (scores + mirrored_scores[:, order]) / 2
        if affines is None:
            return Poses(coords, scores)
        inverse = pyposeops.invert_affine(affines.to(coords.device))
        return Poses(pyposeops.transform_keypoints(coords, inverse), scores)

    def _own_refinement(self) -> str:
        own = model_info(self.card.model).refine
        return _REFINE_OF_ENCODING[self.card.encoding] if own == "auto" else own

    def _peaks(self, heatmaps: Tensor, affines: Tensor | None, flipped: Tensor | None) -> Poses:
        blur_kernel = min(max(2 * round((_BLUR_PER_SIGMA * self.card.sigma_px - 1) / 2) + 1, 3), 63)
        return Poses(
            *pyposeops.heatmap_decode(
                heatmaps,
                refine=self.refine,
                blur_kernel=blur_kernel,
                flipped=flipped,
                flip_pairs=() if flipped is None else self.card.skeleton.flip_pairs,
                # Crop and map have their middles in different places on this grid, so the mirrored map is shifted.
                shift=flipped is not None and self.card.grid == "msra",
                affines=affines,
                input_size=self.card.input_size,
                convention=self.card.grid,
            )
        )
