"""People out of maps: each kind of `python_models.maps` has its operator, and its way to pixels of the input."""

from functools import singledispatch
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

import pyposeops
from pyposeops.skeletons import (
    COCO_17_TAG_ORDER,
    POSENET_EDGES,
)
from python_models.data import COCO_SKELETON, paf_skeleton
from python_models.errors import UserError
from python_models.maps import CentreMaps, CompositeFields, PartAffinityMaps, PartOffsetMaps, TaggedMaps
from python_models.model_card import ModelCard
from python_models.people import People
from python_models.pifpaf import composite_fields
from python_models.zoo import model_info

CENTRE_THRESHOLD = 0.1  # of CenterNet; 0 gives a hundred people to every image, as its figures were made


@singledispatch
def decode_maps(maps: Any, card: ModelCard, size: tuple[int, int], **options: Any) -> list[People]:
    """The people of each image, in pixels of the network's input.

    Args:
        maps: What the network gave; the last of each list counts.
        card: Of the network.
        size: (height, width) of the network's input.
        options: Of the operator that decodes such maps.

    Raises: UserError for a network that has no decoder here, and options that the operator does not know.
    """
    raise UserError(f"model {card.model}: its maps are not made into people here")


@decode_maps.register
def _(maps: PartAffinityMaps, card: ModelCard, size: tuple[int, int], **options: Any) -> list[People]:
    skeleton = paf_skeleton(card.skeleton)
    heatmaps, pafs = maps.heatmaps[-1], maps.pafs[-1]
    upsampling = model_info(card.model).stride
    found = _call(
        pyposeops.paf_decode, card, heatmaps.float(), pafs.float(), skeleton, upsampling=upsampling, **options
    )
    return _split(found.keypoints, found.scores, found.counts)


@decode_maps.register
def _(maps: TaggedMaps, card: ModelCard, size: tuple[int, int], **options: Any) -> list[People]:
    """Maps are averaged at the finest resolution, then enlarged to the input's, where joints are placed."""
    finest = maps.heatmaps[-1].shape[-2:]
    heatmaps = torch.stack([_resized(stage.float(), finest) for stage in maps.heatmaps]).mean(0)
    tags = maps.tags[-1].float()
    order = COCO_17_TAG_ORDER if card.skeleton.joint_names == COCO_SKELETON.joint_names else None
    # Tags of the mirrored image, where there are any, lie behind those of the image: (B, K, h, w, T).
    stacked = tags if tags.ndim == 5 else tags[..., None]
    enlarged = torch.stack([_resized(own, size) for own in stacked.unbind(-1)], dim=-1)
    found = _call(
        pyposeops.tag_grouping, card, _resized(heatmaps, size), enlarged, **{"joint_order": order, **options}
    )
    return _split(found.keypoints, found.scores, found.counts)


@decode_maps.register
def _(maps: CentreMaps, card: ModelCard, size: tuple[int, int], **options: Any) -> list[People]:
    found = _call(
        pyposeops.centernet_decode,
        card,
        maps.centres[-1].float().sigmoid(),
        maps.sizes[-1].float(),
        maps.joints[-1].float(),
        center_offsets=maps.centre_offsets[-1].float(),
        joint_heatmaps=maps.heatmaps[-1].float().sigmoid(),
        joint_heatmap_offsets=maps.heatmap_offsets[-1].float(),
        **{"threshold": CENTRE_THRESHOLD, **options},
    )
    stride = model_info(card.model).stride
    # A joint that no peak confirms is where the centre says, as sure as that is.
    sure = torch.where(found.joint_scores > 0, found.joint_scores, found.scores[..., None])
    joints = torch.cat([found.keypoints * stride, sure[..., None]], dim=-1)
    return _split(joints, found.scores, found.counts)


@decode_maps.register
def _(maps: PartOffsetMaps, card: ModelCard, size: tuple[int, int], **options: Any) -> list[People]:
    found = _call(
        pyposeops.personlab_decode,
        card,
        maps.heatmaps[-1].float().sigmoid(),
        *(_x_before_y(vectors[-1].float()) for vectors in (maps.offsets, maps.forward, maps.backward)),
        POSENET_EDGES,
        stride_px=float(model_info(card.model).stride),
        **options,
    )
    return _split(found.keypoints, found.scores, found.counts)


@decode_maps.register
def _(maps: CompositeFields, card: ModelCard, size: tuple[int, int], **options: Any) -> list[People]:
    limbs = card.skeleton.limbs
    if maps.limbs[-1].shape[1] != len(limbs):
        raise UserError(
            f"model {card.model}: expected fields of its skeleton's {len(limbs)} limbs, got {maps.limbs[-1].shape[1]}"
        )
    found = _call(
        pyposeops.pifpaf_decode,
        card,
        composite_fields(maps.joints[-1].float(), 1),
        composite_fields(maps.limbs[-1].float(), 2),
        limbs,
        stride_px=float(model_info(card.model).stride),
        **options,
    )
    return _split(found.keypoints, found.scores, found.counts)


def _call(operator: Any, card: ModelCard, *maps: Any, **options: Any) -> Any:
    try:
        return operator(*maps, **options)
    except TypeError as error:
        raise UserError(f"model {card.model}: {operator.__name__}: {error}") from error


def _resized(maps: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    if maps.shape[-2:] == tuple(size):
        return maps
    return functional.interpolate(maps, (size[0], size[1]), mode="bilinear", align_corners=False)


def _x_before_y(vectors: Tensor) -> Tensor:
    """All y components, then all x, as x and y in turn."""
    return vectors.unflatten(1, (2, -1)).flip(1).transpose(1, 2).flatten(1, 2)


def _split(joints: Tensor, scores: Tensor, counts: Tensor) -> list[People]:
    """People image by image, from (B, M, K, 3) of which the first `counts` are real."""
    return [
        People(own[:count, :, :2].float(), own[:count, :, 2].float(), marks[:count].float())
        for own, marks, count in zip(joints.cpu(), scores.cpu(), counts.tolist(), strict=True)
    ]
