"""What DeepCut's part detectors learn: which cells are near a joint, and where it is from there.

Source: Pishchulin et al., CVPR 2016, section 4; Insafutdinov et al., DeeperCut, ECCV 2016, sections 3 and 4, for
the offsets to other parts. Radius, unit and weights are those of the published codes.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from python_models.data import LabelledPeople
from python_models.deepcut import OFFSET_PX
from python_models.maps import PairedPartMaps, PartScoreMaps
from python_models.part_grid import PartGrid

OFFSET_WEIGHT = 0.05  # of every Huber loss beside the scores


class PartTargets(NamedTuple):
    """The joint that each cell of the B images and K parts shows."""

    positive: Tensor  # (B, K, h, w) bool: a joint of this part is near
    people: Tensor  # (B, K, h, w) int64: whose; the nearest, the first of equals; 0 where nobody's
    offsets: Tensor  # (B, 2 * K, h, w): from there to the joint, x and y in turn, in units of OFFSET_PX; 0 elsewhere


def part_targets(people: LabelledPeople, grid: PartGrid, size: tuple[int, int]) -> PartTargets:
    """Targets of maps of `size` (rows, columns); a cell at exactly the radius is near. Joints may lie anywhere."""
    places = grid.places(*size, people.keypoints.device)
    batch, count, joints = people.visibility.shape
    if count == 0:
        nowhere = torch.zeros(batch, joints, *size, dtype=torch.bool, device=places.device)
        return PartTargets(nowhere, nowhere.long(), places.new_zeros(batch, 2 * joints, *size))
    labelled = people.visibility[..., None, None] > 0
    vectors = people.keypoints[:, :, :, None, None] - places  # (B, N, K, h, w, 2)
    squared = torch.where(labelled, vectors.square().sum(-1), torch.inf)
    nearest, owner = squared.min(1)
    positive = nearest <= grid.radius_px**2
    chosen = vectors.gather(1, owner[:, None, ..., None].expand(-1, -1, -1, -1, -1, 2))[:, 0]
    offsets = torch.where(positive[..., None], chosen / OFFSET_PX, 0.0)
    owner = torch.where(positive, owner, 0)
    return PartTargets(positive, owner, offsets.permute(0, 1, 4, 2, 3).flatten(1, 2))


def part_loss(
    output: PartScoreMaps | PairedPartMaps,
    people: LabelledPeople,
    grid: PartGrid,
    input_size: tuple[int, int],
) -> Tensor:
    """Sigmoid cross-entropy of the scores, and a twentieth of the Huber losses of offsets; the sum over all stages.

    Args:
        output: What the network gave: logits, and offsets in units of `OFFSET_PX`.
        people: K joints, as there are scores, in pixels of the input.
        grid: Of the network's maps.
        input_size: (height, width) of the input in pixels.

    Returns: a scalar in float32: the mean cross-entropy of all cells that count, of all parts; the mean Huber loss
    (quadratic up to a unit) of the cells near a joint; and likewise for the offsets to all other labelled parts of
    that person, where the network has them.
    """
    rows, columns = output.scores[0].shape[-2:]
    targets = part_targets(people, grid, (rows, columns))
    weights = counted_cells(people, grid, (rows, columns), input_size)
    wanted = targets.positive.float()
    near = (wanted * weights).repeat_interleave(2, dim=1)
    losses = [
        weighted_mean(_cross_entropy(scores, wanted), weights.expand_as(wanted)) for scores in output.scores
    ]
    losses += [OFFSET_WEIGHT * _huber(offsets, targets.offsets, near) for offsets in output.offsets]
    if isinstance(output, PairedPartMaps):
        pairs, known = pair_targets(people, targets, grid)
        known = (known * weights).repeat_interleave(2, dim=1)
        losses += [OFFSET_WEIGHT * _huber(own, pairs, known) for own in output.pairs]
    return torch.stack(losses).sum()


def pair_targets(people: LabelledPeople, targets: PartTargets, grid: PartGrid) -> tuple[Tensor, Tensor]:
    """From cells that show a part to every other part of that person.

    Returns: offsets (B, 2 * K * (K - 1), h, w), those of part 0 to 1, 2, ... first, x and y in turn, in units of
    OFFSET_PX; and (B, K * (K - 1), h, w), 1 where they are known, else 0.
    """
    joints, rows, columns = targets.positive.shape[1:]
    places = grid.places(rows, columns, people.keypoints.device)
    image = torch.arange(len(people.keypoints), device=places.device)[:, None, None]
    if people.keypoints.shape[1] == 0 or joints == 1:
        known = places.new_zeros(len(image), joints * (joints - 1), rows, columns)
        return known.repeat_interleave(2, dim=1), known
    others = torch.arange(joints - 1, device=places.device)
    offsets, known = [], []
    for part in range(joints):
        owner, other = targets.people[:, part], others + (others >= part)
        vectors = people.keypoints[image, owner][..., other, :] - places[..., None, :]  # (B, h, w, K - 1, 2)
        labelled = people.visibility[image, owner][..., other] > 0
        own = labelled & targets.positive[:, part, ..., None]
        vectors = torch.where(own[..., None], vectors / OFFSET_PX, 0.0)
        offsets.append(vectors.permute(0, 3, 4, 1, 2).flatten(1, 2))
        known.append(own.permute(0, 3, 1, 2).float())
    return torch.cat(offsets, dim=1), torch.cat(known, dim=1)


def counted_cells(
    people: LabelledPeople, grid: PartGrid, size: tuple[int, int], input_size: tuple[int, int]
) -> Tensor:
    """1 for cells that count, else 0; (B or 1, 1, rows, columns) in float32."""
    if people.counted is None:
        return torch.ones(1, 1, *size, device=people.keypoints.device)
    return counted_at(people.counted, grid.places(*size, people.counted.device), input_size)[:, None]


def counted_at(counted: Tensor, places: Tensor, input_size: tuple[int, int]) -> Tensor:
    """What a mask (B, H, W) of the input says at `places` (..., 2), the nearest at its rim; (B, ...) of 0 and 1."""
    rows, columns = counted.shape[-2:]
    x = ((places[..., 0] + 0.5) * columns / input_size[1]).long().clamp(0, columns - 1)
    y = ((places[..., 1] + 0.5) * rows / input_size[0]).long().clamp(0, rows - 1)
    return (counted[:, y, x] > 0.5).float()


def _cross_entropy(scores: Tensor, wanted: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(scores.float(), wanted, reduction="none")


def _huber(found: Tensor, wanted: Tensor, weights: Tensor) -> Tensor:
    return weighted_mean(functional.smooth_l1_loss(found.float(), wanted, reduction="none"), weights)


def weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """The mean of losses by weights of their shape; 0 where nothing counts."""
    return (losses * weights).sum() / weights.sum().clamp_min(1)
