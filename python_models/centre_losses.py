"""What CenterNet learns: where the middle of each person is, and how far the box and all joints are from there.

Places are divided by the stride, and a cell is their whole part, as `pyposeops.centernet_decode` reads the maps.

Source: Zhou, Wang, Krähenbühl, "Objects as Points", 2019, sections 3 and 4.2; the Gaussians, and the focal loss that
they soften: Law and Deng, "CornerNet", ECCV 2018, sections 3.2 and 3.4.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from python_models.data import LabelledPeople
from python_models.errors import UserError
from python_models.maps import CentreMaps
from python_models.people_losses import cell_weights

MIN_OVERLAP = 0.7  # boxes whose corners are so far off as the Gaussian reaches still overlap by so much
SIZE_WEIGHT = 0.1  # of widths and heights in cells, beside all else
_FOCUS, _SOFTENING = 2, 4  # alpha and beta of CornerNet


class CentreTargets(NamedTuple):
    """The people of B images, up to N in each, in cells of maps of one size."""

    centres: Tensor  # (B, 1, h, w): 1 in the cell of each middle, a Gaussian around it
    heatmaps: Tensor  # (B, K, h, w): likewise of the joints
    present: Tensor  # (B, N) bool: somebody whose box has a part in the image
    places: Tensor  # (B, N, 2): the boxes' middles
    sizes: Tensor  # (B, N, 2): width and height
    joints: Tensor  # (B, N, K, 2)
    labelled: Tensor  # (B, N, K) bool: a joint of somebody present


class CentreLoss(NamedTuple):
    """The parts of `centre_loss`, each a scalar, and their weighted sum."""

    total: Tensor
    centres: Tensor  # focal loss
    heatmaps: Tensor  # focal loss
    sizes: Tensor  # mean distance, as of the next three
    centre_offsets: Tensor
    heatmap_offsets: Tensor
    joints: Tensor


def centre_loss(output: CentreMaps, people: LabelledPeople, input_size: tuple[int, int]) -> CentreLoss:
    """Focal losses of centres and joints, distances of boxes and joints from the centres; the mean of all stages.

    Args:
        output: What the network gave; centres and heat maps are logits.
        people: K joints, as there are heat maps, and boxes, in pixels of the input.
        input_size: (height, width) of the images in pixels.

    Returns: scalars in float32. A focal loss is summed over the cells and divided by the number of people or joints;
    distances are absolute differences, the mean over the components that are labelled. A joint outside the image and
    a box without a part in it count in none. Everything has the weight 1, sizes a tenth.

    Raises: UserError for people without boxes.
    """
    size = (output.centres[0].shape[-2], output.centres[0].shape[-1])
    targets = centre_targets(people, input_size, size)
    weights = cell_weights(people, size)
    stages = [_stage(output, stage, targets, weights) for stage in range(len(output.centres))]
    return CentreLoss(*(torch.stack(parts).mean() for parts in zip(*stages, strict=True)))


def centre_targets(
    people: LabelledPeople, input_size: tuple[int, int], size: tuple[int, int]
) -> CentreTargets:
    """Targets of maps of `size` (rows, columns); boxes end at the first and last cell, as published."""
    if people.boxes is None:
        raise UserError("boxes: people of a network of centres need them, got None")
    stride = input_size[0] / size[0]
    last = people.boxes.new_tensor((size[1] - 1, size[0] - 1))
    corner = people.boxes[..., :2] / stride
    low = corner.clamp_min(0).minimum(last)
    high = (corner + people.boxes[..., 2:] / stride).clamp_min(0).minimum(last)
    extent = high - low
    present = (extent > 0).all(-1)
    middles = (low + high) / 2
    joints = people.keypoints.nan_to_num() / stride
    labelled = (people.visibility > 0) & present[..., None]
    radius = gaussian_radius(extent.ceil()).floor()
    return CentreTargets(
        centres=_gaussians(middles[:, :, None], present[..., None], radius, size),
        heatmaps=_gaussians(joints, labelled, radius, size),
        present=present,
        places=middles,
        sizes=extent,
        joints=joints,
        labelled=labelled,
    )


def gaussian_radius(sizes: Tensor) -> Tensor:
    """How far both corners of boxes may be off, (...) for sizes (..., 2), while the overlap is `MIN_OVERLAP` or more.

    The smallest of three radii: both corners further out, both further in, or the box shifted along its diagonal.
    """
    total, area = sizes.sum(-1), sizes.prod(-1)
    shifted = (total - (total.square() - 4 * area * (1 - MIN_OVERLAP) / (1 + MIN_OVERLAP)).sqrt()) / 2
    inside = (total - (total.square() - 4 * area * (1 - MIN_OVERLAP)).sqrt()) / 4
    outside = ((total.square() + 4 * area * (1 / MIN_OVERLAP - 1)).sqrt() - total) / 4
    return torch.minimum(torch.minimum(shifted, inside), outside)


def _gaussians(places: Tensor, there: Tensor, radius: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, K, h, w): the largest of N people's Gaussians, 1 in the cell of the place, 0 beyond the radius.

    Args:
        places: (B, N, K, 2) in cells.
        there: (B, N, K) bool: what is drawn.
        radius: (B, N), whole numbers; the diameter, 2 radius + 1, is six standard deviations.
        size: (h, w).
    """
    batch, people, joints = there.shape
    maps = places.new_zeros(batch, joints, *size)
    for person in range(people):
        cells, reach = _cells(places[:, person], size), radius[:, person, None, None]
        across = _bell(cells[..., 0, None], reach, size[1])
        down = _bell(cells[..., 1, None], reach, size[0])
        drawn = down[..., :, None] * across[..., None, :] * there[:, person, :, None, None]
        maps = torch.maximum(maps, drawn)
    return maps


def _bell(middle: Tensor, reach: Tensor, side: int) -> Tensor:
    """(..., side): a Gaussian around `middle` (..., 1) whose six deviations are 2 reach + 1; 0 beyond the reach."""
    distance = torch.arange(side, device=middle.device) - middle
    sigma = (2 * reach + 1) / 6
    return torch.where(distance.abs() <= reach, torch.exp(-distance.square() / (2 * sigma.square())), 0.0)


def _cells(places: Tensor, size: tuple[int, int]) -> Tensor:
    """The whole part of places (..., 2), on the map; int64."""
    last = torch.tensor((size[1] - 1, size[0] - 1), device=places.device)
    return places.floor().long().clamp_min(0).minimum(last)


def _stage(maps: CentreMaps, stage: int, targets: CentreTargets, weights: Tensor) -> CentreLoss:
    size = (targets.centres.shape[-2], targets.centres.shape[-1])
    centres, joints = _cells(targets.places, size), _cells(targets.joints, size)
    from_centres = _read(maps.joints[stage], centres).unflatten(-1, (-1, 2))
    parts = {
        "centres": focal_loss(maps.centres[stage], targets.centres, weights),
        "heatmaps": focal_loss(maps.heatmaps[stage], targets.heatmaps, weights),
        "sizes": _distance(_read(maps.sizes[stage], centres), targets.sizes, targets.present),
        "centre_offsets": _distance(
            _read(maps.centre_offsets[stage], centres), targets.places - centres, targets.present
        ),
        "heatmap_offsets": _distance(
            _read(maps.heatmap_offsets[stage], joints.flatten(1, 2)).unflatten(1, joints.shape[1:3]),
            targets.joints - joints,
            targets.labelled,
        ),
        "joints": _distance(from_centres, targets.joints - centres[:, :, None], targets.labelled),
    }
    total = torch.stack(
        [SIZE_WEIGHT * part if name == "sizes" else part for name, part in parts.items()]
    ).sum()
    return CentreLoss(total, **parts)


def focal_loss(logits: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy that looks away from what is certain, and from cells next to a true one; a scalar in float32.

    Args:
        logits: (B, C, h, w).
        target: Likewise: 1 is true, anything below it false, the less so the higher it is.
        weights: (B or 1, 1, h, w): of each cell.

    Returns: the sum over all cells, divided by the sum of the weights of true ones where that is above 1.
    """
    score, logits = logits.float().sigmoid(), logits.float()
    true = target == 1
    positive = (1 - score) ** _FOCUS * functional.logsigmoid(logits)
    negative = (1 - target) ** _SOFTENING * score**_FOCUS * functional.logsigmoid(-logits)
    return -(weights * torch.where(true, positive, negative)).sum() / (weights * true).sum().clamp_min(1)


def _read(maps: Tensor, cells: Tensor) -> Tensor:
    """(B, M, C): maps (B, C, h, w) at cells (B, M, 2), in float32."""
    image = torch.arange(len(maps), device=maps.device)[:, None]
    return maps.float()[image, :, cells[..., 1], cells[..., 0]]


def _distance(found: Tensor, wanted: Tensor, counts: Tensor) -> Tensor:
    """The mean absolute difference of (..., 2) where `counts` (...); 0 where nothing does."""
    losses = torch.where(counts[..., None], (found - wanted).abs(), 0.0)
    return losses.sum() / (2 * counts.sum()).clamp_min(1)
