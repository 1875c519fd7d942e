"""What networks give, brought to one form: the last stage, and joints in crop pixels."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from torch import Tensor

import pyposeops
from python_models.heads import SPLIT_RATIO, simcc_rows
from python_models.model_card import ModelCard
from python_models.zoo import model_info


class CropJoints(NamedTuple):
    """Joints of N people in their crops."""

    coords: Tensor  # (N, K, 2), (x, y) in crop pixels
    scores: Tensor  # (N, K)


def stages_of(output: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """The supervised outputs of a network in their order; the last one is the prediction."""
    return [output] if isinstance(output, Tensor) else list(output)


def predictions_of(output: Tensor | Sequence[Tensor], card: ModelCard) -> list[Tensor]:
    """The stages that are trained, without a map of the background."""
    stages = stages_of(output)[: card.trained_stages]
    return [x[:, : card.skeleton.num_joints] for x in stages] if model_info(card.model).background else stages


def prediction_of(output: Tensor | Sequence[Tensor], card: ModelCard) -> Tensor:
    """The last stage that is trained, without a map of the background."""
    return predictions_of(stages_of(output)[: card.trained_stages][-1], card)[0]


def uses_peaks(card: ModelCard) -> bool:
    """Whether joints are peaks of heat maps; else they are expectations, classes, or the network's own numbers."""
    return model_info(card.model).output == "heatmaps" and card.head == "peak"


def certain_score(card: ModelCard) -> float:
    """Joints that score more count in the score of their person, and are drawn.

    0.2 of a heat map's peak, as published. Maxima of a softmax are the lower the more cells it has: 0.005 of SimCC's
    rows, as published with labels of this width (Li et al., ECCV 2022, code); no limit for expectations.
    """
    if card.head == "simcc":
        return 0.005
    expects = card.head == "integral" or model_info(card.model).output == "volume"
    return 0.0 if expects else 0.2


def expected_joints(prediction: Tensor, card: ModelCard) -> CropJoints:
    """Joints of a network that regresses them, differentiable: coordinates as they come, or expectations.

    Heat maps and volumes are logits; their expectation is that of a softmax over the whole map. A joint of a network
    of coordinates has score 1, or 1 minus the mean of its deviations where the network gives them.

    Source: Sun et al., Integral Human Pose Regression, ECCV 2018, section 2.
    """
    info, (height, width) = model_info(card.model), card.input_size
    if info.output == "coordinates":
        numbers = prediction.float().flatten(1).unflatten(1, (card.skeleton.num_joints, -1))
        coords, others = numbers.tensor_split([2], dim=-1)  # others: nothing, a depth, or two deviations
        scores = 1 - others.mean(dim=-1) if others.shape[-1] == 2 else coords.new_ones(coords.shape[:2])
        from_corner = coords + 0.5 if info.from_centre else coords
        return CropJoints(from_corner * coords.new_tensor((width, height)), scores)
    if info.output == "volume":
        volumes = prediction.unflatten(1, (card.skeleton.num_joints, -1))
        coords, scores, _ = pyposeops.soft_argmax_3d(volumes)
    else:
        coords, scores, _ = pyposeops.soft_argmax_2d(prediction)
    return CropJoints(
        pyposeops.heatmap_to_crop(coords[..., :2], card.input_size, prediction.shape[-2:]), scores
    )


def simcc_joints(
    prediction: Tensor,
    card: ModelCard,
    *,
    affines: Tensor | None = None,
    flipped: Tensor | None = None,
    refine: Literal["none", "dark"] = "none",
) -> CropJoints:
    """Joints of SimCC's rows, in crop pixels, or in image pixels with `affines`; averaged with mirrored crops' rows.

    The score is the larger of the two maxima, as published. The mirrored row is shifted by one bin.
    """
    width = card.input_size[1]
    found = pyposeops.simcc_decode(
        *simcc_rows(prediction, width),
        split_ratio=SPLIT_RATIO,
        refine=refine,
        normalization="softmax",
        score="max",
        flipped=None if flipped is None else simcc_rows(flipped, width),
        flip_pairs=() if flipped is None else card.skeleton.flip_pairs,
        shift=0 if flipped is None else 1,
        affines=affines,
    )
    return CropJoints(*found)


def crop_joints(prediction: Tensor, card: ModelCard) -> CropJoints:
    """Joints of any network without refinement below the pixel, for figures during training."""
    if card.head == "simcc":
        return simcc_joints(prediction, card)
    if not uses_peaks(card):
        return expected_joints(prediction, card)
    return CropJoints(
        *pyposeops.heatmap_decode(
            prediction.float(), refine="none", input_size=card.input_size, convention=card.grid
        )
    )
