"""Averaging maps of several people over sizes of the image, and over its mirror image."""

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

import pyposeops
from pyposeops.skeletons import PafSkeleton
from python_models.data import paf_skeleton
from python_models.errors import UserError
from python_models.maps import PartAffinityMaps, TaggedMaps
from python_models.model_card import ModelCard


def merged_maps(looks: Sequence[tuple[Any, Any]], card: ModelCard) -> Any:
    """One set of maps from those of each size, each with those of the mirrored image or None; the first leads."""
    unmirrored = [own if mirrored is None else with_mirrored(own, mirrored, card) for own, mirrored in looks]
    return unmirrored[0] if len(looks) == 1 else mean_of_scales(unmirrored[0], unmirrored, card)


@singledispatch
def with_mirrored(maps: Any, mirrored: Any, card: ModelCard) -> Any:
    """Maps averaged with those of the mirrored image; tags have an axis more, behind, for both."""
    raise UserError(f"model {card.model}: flip_test: not for maps of this kind")


@with_mirrored.register
def _(maps: PartAffinityMaps, mirrored: PartAffinityMaps, card: ModelCard) -> PartAffinityMaps:
    heatmaps = _merge(maps.heatmaps[-1], mirrored.heatmaps[-1], card)
    fields = mirror_fields(mirrored.pafs[-1], paf_skeleton(card.skeleton), card.skeleton.flip_order)
    return PartAffinityMaps([heatmaps], [(maps.pafs[-1] + fields) / 2])


@with_mirrored.register
def _(maps: TaggedMaps, mirrored: TaggedMaps, card: ModelCard) -> TaggedMaps:
    heatmaps = [_merge(*both, card) for both in zip(maps.heatmaps, mirrored.heatmaps, strict=True)]
    own = maps.tags[-1]
    # A network may have one map of tags for all joints.
    order = list(card.skeleton.flip_order) if own.shape[1] > 1 else [0]
    return TaggedMaps(heatmaps, [torch.stack([own, mirrored.tags[-1].flip(-1)[:, order]], dim=-1)])


@singledispatch
def mean_of_scales(first: Any, maps: Sequence[Any], card: ModelCard) -> Any:
    """Maps of several sizes of the image, averaged at the first one's resolution."""
    raise UserError(f"model {card.model}: scales: not for maps of this kind")


@mean_of_scales.register
def _(first: PartAffinityMaps, maps: Sequence[PartAffinityMaps], card: ModelCard) -> PartAffinityMaps:
    return PartAffinityMaps(
        [_mean([own.heatmaps[-1] for own in maps])], [_mean([own.pafs[-1] for own in maps])]
    )


@mean_of_scales.register
def _(first: TaggedMaps, maps: Sequence[TaggedMaps], card: ModelCard) -> TaggedMaps:
    stages = zip(*(own.heatmaps for own in maps), strict=True)
    return TaggedMaps([_mean(list(stage)) for stage in stages], first.tags)


def mirror_fields(fields: Tensor, skeleton: PafSkeleton, order: Sequence[int]) -> Tensor:
    """Fields (B, 2 * limbs, h, w) of the mirrored image, as those of the image.

    Args:
        fields: Of the mirrored image.
        skeleton: Their limbs and channels.
        order: Which joint each becomes in the mirror.

    Raises: UserError for a limb whose mirror image is none.
    """
    limbs = list(skeleton.limbs)
    back, result = fields.flip(-1), torch.empty_like(fields)
    for (start, end), (x, y) in zip(limbs, skeleton.channels, strict=True):
        image, sign = (order[start], order[end]), 1.0
        if image not in limbs:  # from one side to the other, as from shoulder to shoulder
            image, sign = (image[1], image[0]), -1.0
        if image not in limbs:
            names = skeleton.joints
            raise UserError(f"flip_test: the limb {names[start]} to {names[end]} has none on the other side")
        from_x, from_y = skeleton.channels[limbs.index(image)]
        result[:, x], result[:, y] = -sign * back[:, from_x], sign * back[:, from_y]
    return result


def _merge(maps: Tensor, mirrored: Tensor, card: ModelCard) -> Tensor:
    return pyposeops.flip_merge(maps, mirrored, card.skeleton.flip_pairs, shift=False)


def _mean(maps: list[Tensor]) -> Tensor:
    size = (maps[0].shape[-2], maps[0].shape[-1])
    return torch.stack([_resized(own.float(), size) for own in maps]).mean(0)


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(maps.shape[-2:]) == size:
        return maps
    return functional.interpolate(maps, size, mode="bilinear", align_corners=False)
