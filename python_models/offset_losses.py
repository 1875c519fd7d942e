"""What PersonLab learns: disks around joints, from them to the joint, and along a tree to the person's other joints.

Source: Papandreou et al., "PersonLab", ECCV 2018, section 3.1. That distances count in radii, and the weights of the
parts, are those of octiapp's KerasPersonLab. Masks of people, and offsets over them, are not what this network gives.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from python_models.data import LabelledPeople
from python_models.deepcut import OFFSET_PX
from python_models.maps import PartOffsetMaps
from python_models.part_grid import PartGrid
from python_models.part_losses import PartTargets, counted_cells, part_targets, weighted_mean

DISK_WEIGHT, SHORT_WEIGHT, MIDDLE_WEIGHT = 4.0, 1.0, 0.25


class OffsetLoss(NamedTuple):
    """The parts of `offset_loss`, each a scalar, and their weighted sum."""

    total: Tensor
    disks: Tensor  # cross-entropy
    short: Tensor  # mean distances, in radii of the disks
    forward: Tensor
    backward: Tensor


def offset_loss(
    output: PartOffsetMaps,
    people: LabelledPeople,
    grid: PartGrid,
    input_size: tuple[int, int],
    edges: Sequence[tuple[int, int]],
) -> OffsetLoss:
    """Cross-entropy of the disks, absolute differences of vectors within them; of the last stage.

    Args:
        output: What the network gave: logits, and vectors in pixels.
        people: K joints, as there are heat maps, in pixels of the input.
        grid: Of the network's maps; its radius is that of the disks.
        input_size: (height, width) of the input in pixels.
        edges: The tree's pairs of joints, as there are vectors.

    Returns: scalars in float32. A cell in several disks of a joint belongs to the nearest person. Vectors along an
    edge count where both of its joints are labelled.
    """
    heatmaps = output.heatmaps[-1].float()
    size = (heatmaps.shape[-2], heatmaps.shape[-1])
    targets = part_targets(people, grid, size)
    weights = counted_cells(people, grid, size, input_size)
    entropy = functional.binary_cross_entropy_with_logits(
        heatmaps, targets.positive.float(), reduction="none"
    )
    disks = weighted_mean(entropy, weights.expand_as(entropy))
    to_joint = OFFSET_PX * targets.offsets.unflatten(1, (-1, 2)).transpose(1, 2)
    near = targets.positive * weights
    short = _distance(output.offsets[-1], to_joint, near) / grid.radius_px
    ways = (output.forward[-1], edges), (output.backward[-1], [(end, start) for start, end in edges])
    middle = []
    for vectors, own in ways:
        wanted, known = along_edges(people, targets, grid, own)
        middle.append(_distance(vectors, wanted, known * weights) / grid.radius_px)
    total = DISK_WEIGHT * disks + SHORT_WEIGHT * short + MIDDLE_WEIGHT * (middle[0] + middle[1])
    return OffsetLoss(total, disks, short, *middle)


def along_edges(
    people: LabelledPeople, targets: PartTargets, grid: PartGrid, edges: Sequence[tuple[int, int]]
) -> tuple[Tensor, Tensor]:
    """From cells in the disk of an edge's first joint to the same person's second one.

    Returns: vectors (B, 2, E, h, w), x and y, in pixels, 0 where they are not known; and (B, E, h, w) bool: where
    they are.
    """
    starts, ends = (torch.tensor(own, device=targets.people.device) for own in zip(*edges, strict=True))
    near, owner = targets.positive[:, starts], targets.people[:, starts]
    if people.keypoints.shape[1] == 0:
        return near.new_zeros(len(near), 2, *near.shape[1:], dtype=torch.float32), near
    image = torch.arange(len(owner), device=owner.device)[:, None, None, None]
    joint = ends[:, None, None]
    known = near & (people.visibility[image, owner, joint] > 0)
    places = grid.places(owner.shape[-2], owner.shape[-1], owner.device)
    vectors = torch.where(known[..., None], people.keypoints[image, owner, joint] - places, 0.0)
    return vectors.permute(0, 4, 1, 2, 3), known


def _distance(found: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    """The mean absolute difference of vectors, (B, 2 * n, h, w), y first, and (B, 2, n, h, w), x first."""
    difference = found.float().unflatten(1, (2, -1)).flip(1) - wanted
    return weighted_mean(difference.abs(), weights[:, None].expand_as(difference))
