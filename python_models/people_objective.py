"""What networks of whole images are trained for, by the kind of their maps."""

from functools import singledispatch
from typing import Any

import torch
from torch import Tensor

from python_models.data import LabelledPeople, paf_skeleton
from python_models.errors import UserError
from python_models.maps import PartAffinityMaps, TaggedMaps
from python_models.model_card import ModelCard
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


def seen_joints(maps: Any, people: LabelledPeople, card: ModelCard) -> Tensor:
    """The share of labelled joints at whose place the last heat map is above one half, a scalar; 0 for no joints."""
    heatmaps = maps.heatmaps[-1]
    rows, columns = heatmaps.shape[-2:]
    places = in_cells(people.keypoints, card.input_size, (rows, columns)).round().long()
    x, y = places[..., 0].clamp(0, columns - 1), places[..., 1].clamp(0, rows - 1)
    image = torch.arange(len(x), device=x.device)[:, None, None]
    joint = torch.arange(x.shape[2], device=x.device)
    labelled = people.visibility > 0
    return ((heatmaps[image, joint, y, x] > 0.5) & labelled).sum() / labelled.sum().clamp_min(1)
