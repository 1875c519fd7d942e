"""Outputs of the networks that see a whole image with several people: maps by name, each a list of its stages.

The last of a list is the prediction; every one of it is supervised. The first field has one map per joint (and the
background, where `ModelInfo.background` says so), in the last stage at `ModelInfo.stride`.
"""

from typing import NamedTuple

from torch import Tensor


class PartAffinityMaps(NamedTuple):
    """Where joints are, and which way limbs go."""

    heatmaps: list[Tensor]  # (B, K + 1, H/8, W/8), the last map the background
    pafs: list[Tensor]  # (B, 2 * limbs, H/8, W/8)


class TaggedMaps(NamedTuple):
    """Where joints are, and whose: tags of one person's joints are nearly equal, those of two people differ."""

    heatmaps: list[Tensor]  # (B, K, h, w), coarsest first where resolutions differ
    tags: list[Tensor]  # (B, K, H/4, W/4)


class CentreMaps(NamedTuple):
    """People as points: their centres, and all joints seen from there; joints by themselves make them exact."""

    heatmaps: list[Tensor]  # (B, K, H/4, W/4), logits of joints
    heatmap_offsets: list[Tensor]  # (B, 2, H/4, W/4), from a joint's cell to the joint, x and y in cells
    centres: list[Tensor]  # (B, 1, H/4, W/4), logits of the boxes' centres
    centre_offsets: list[Tensor]  # (B, 2, H/4, W/4), from a centre's cell to the centre
    sizes: list[Tensor]  # (B, 2, H/4, W/4), width and height of the box in cells
    joints: list[
        Tensor
    ]  # (B, 2 * K, H/4, W/4), from a centre's cell to each joint, x and y in turn, in cells


class PartScoreMaps(NamedTuple):
    """Scores of parts in every cell, and where in its neighbourhood the part is."""

    scores: list[Tensor]  # (B, K, h, w), logits
    offsets: list[Tensor]  # (B, 2 * K, h, w), x and y in turn, in units of `deepcut.OFFSET_PX`


class PairedPartMaps(NamedTuple):
    """Scores and offsets of parts, and where every other part of the same person is."""

    scores: list[Tensor]  # as in `PartScoreMaps`
    offsets: list[Tensor]
    # (B, 2 * K * (K - 1), h, w), from the cell of a part to each other part in turn, x and y, in units of
    # `deepcut.OFFSET_PX`
    pairs: list[Tensor]


class PartOffsetMaps(NamedTuple):
    """PersonLab's: around each joint a disk of scores, and vectors to it and along a tree of joints, in pixels.

    Vectors have all y components first, then all x.
    """

    heatmaps: list[Tensor]  # (B, K, h, w), logits
    offsets: list[Tensor]  # (B, 2 * K, h, w), to the joint from where it is near
    forward: list[Tensor]  # (B, 2 * (K - 1), h, w), from a joint to the next one of the tree
    backward: list[Tensor]  # (B, 2 * (K - 1), h, w), back


class CompositeFields(NamedTuple):
    """PifPaf's, as they leave the last layer; `pifpaf.composite_fields` makes places and sizes of them.

    The first component of both is not used.
    """

    joints: list[Tensor]  # (B, K, 5, h, w): unused, confidence, x, y, size
    limbs: list[Tensor]  # (B, L, 8, h, w): unused, confidence, x and y of both joints, both sizes
