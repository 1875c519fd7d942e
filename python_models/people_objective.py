"""What networks of whole images are trained for, by the kind of their maps."""

from functools import singledispatch
from typing import Any

import torch
from torch import Tensor

from pyposeops.skeletons import POSENET_EDGES
from python_models.centre_losses import centre_loss
from python_models.data import COCO_SKELETON, LabelledPeople, paf_skeleton
from python_models.errors import UserError
from python_models.maps import (
    CentreMaps,
    PairedPartMaps,
    PartAffinityMaps,
    PartOffsetMaps,
    PartScoreMaps,
    TaggedMaps,
)
from python_models.model_card import ModelCard
from python_models.offset_losses import offset_loss
from python_models.part_grid import PartGrid
from python_models.part_losses import part_loss
from python_models.people_losses import Drawing, in_cells, part_affinity_loss, tagged_loss
from python_models.zoo import model_info


@singledispatch
def people_loss(maps: Any, people: LabelledPeople, card: ModelCard, tag_weight: float) -> Tensor:
    """The loss of a batch, a scalar.

    Args:
        maps: What the network gave.
        people: In pixels of its input.
        card: Of the network.
        tag_weight: Factor of the pull and push of tags.

    Raises: UserError for a network that has no loss here.
    """
    raise UserError(f"model {card.model}: there is no loss for its maps here; it is not trained")


@people_loss.register
def _(maps: PartAffinityMaps, people: LabelledPeople, card: ModelCard, tag_weight: float) -> Tensor:
    drawing = Drawing(sigma_px=card.sigma_px * model_info(card.model).stride)
    return part_affinity_loss(maps, people, paf_skeleton(card.skeleton), card.input_size, drawing)


@people_loss.register
def _(maps: TaggedMaps, people: LabelledPeople, card: ModelCard, tag_weight: float) -> Tensor:
    return tagged_loss(maps, people, card.input_size, sigma_cells=card.sigma_px, tag_weight=tag_weight).total


@people_loss.register
def _(maps: CentreMaps, people: LabelledPeople, card: ModelCard, tag_weight: float) -> Tensor:
    return centre_loss(maps, people, card.input_size).total


@people_loss.register
def _(maps: PartOffsetMaps, people: LabelledPeople, card: ModelCard, tag_weight: float) -> Tensor:
    if card.skeleton.joint_names != COCO_SKELETON.joint_names:
        names = ", ".join(card.skeleton.joint_names)
        raise UserError(f"joints: {card.model} has a tree of COCO's 17 joints, got {names}")
    return offset_loss(maps, people, PartGrid.of(card), card.input_size, POSENET_EDGES).total


@people_loss.register(PartScoreMaps)
@people_loss.register(PairedPartMaps)
def _(
    maps: PartScoreMaps | PairedPartMaps, people: LabelledPeople, card: ModelCard, tag_weight: float
) -> Tensor:
    return part_loss(maps, people, PartGrid.of(card), card.input_size)


@singledispatch
def seen_joints(maps: Any, people: LabelledPeople, card: ModelCard) -> Tensor:
    """The share of labelled joints at whose place the last heat map is above one half, a scalar; 0 for no joints."""
    heatmaps = maps.heatmaps[-1]
    places = in_cells(people.keypoints, card.input_size, (heatmaps.shape[-2], heatmaps.shape[-1]))
    return _share_above(heatmaps, 0.5, places, people)


@seen_joints.register
def _(maps: CentreMaps, people: LabelledPeople, card: ModelCard) -> Tensor:
    cells = people.keypoints / model_info(card.model).stride - 0.5  # the nearest is then the whole part
    return _share_above(maps.heatmaps[-1], 0.0, cells, people)


@seen_joints.register
def _(maps: PartOffsetMaps, people: LabelledPeople, card: ModelCard) -> Tensor:
    grid = PartGrid.of(card)
    return _share_above(maps.heatmaps[-1], 0.0, (people.keypoints - grid.first_px) / grid.stride_px, people)


@seen_joints.register(PartScoreMaps)
@seen_joints.register(PairedPartMaps)
def _(maps: PartScoreMaps | PairedPartMaps, people: LabelledPeople, card: ModelCard) -> Tensor:
    grid = PartGrid.of(card)
    return _share_above(maps.scores[-1], 0.0, (people.keypoints - grid.first_px) / grid.stride_px, people)


def _share_above(maps: Tensor, limit: float, places: Tensor, people: LabelledPeople) -> Tensor:
    """`places` (B, N, K, 2) are in cells of the maps."""
    rows, columns = maps.shape[-2:]
    nearest = places.round().long()
    x, y = nearest[..., 0].clamp(0, columns - 1), nearest[..., 1].clamp(0, rows - 1)
    image = torch.arange(len(x), device=x.device)[:, None, None]
    joint = torch.arange(x.shape[2], device=x.device)
    labelled = people.visibility > 0
    return ((maps[image, joint, y, x] > limit) & labelled).sum() / labelled.sum().clamp_min(1)
