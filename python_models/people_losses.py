"""What networks of several people learn: targets of whole images and the losses to them.

Joints are in pixels of the image that the network sees. What an annotation leaves out (crowds, people without
labelled joints) is masked: such cells count in no loss.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

import pyposeops
from pyposeops.skeletons import PafSkeleton
from python_models.data import LabelledPeople
from python_models.maps import PartAffinityMaps, TaggedMaps

TAGGED_SIGMA_CELLS = 2.0  # in cells of the map, at every resolution
TAG_WEIGHT = 1e-3  # of the pull and the push beside the heat maps


class Drawing(NamedTuple):
    """How OpenPose's targets are drawn.

    The published weights were made with grid="aligned": their fields lie half a cell further down and right than the
    heat maps. In the paper limbs end at their joints (ends="clipped"); one shorter than a cell may then cover none.
    """

    sigma_px: float = 7.0  # standard deviation of the Gaussians, in pixels of the image
    ends: Literal["openpose", "clipped"] = "openpose"  # of limbs, as of `pyposeops.part_affinity_field`
    grid: Literal["half_pixel", "aligned"] = "half_pixel"  # of the fields, likewise


DRAWING = Drawing()


class TaggedLoss(NamedTuple):
    """The parts of `tagged_loss`, each a scalar, and their weighted sum."""

    total: Tensor
    heatmaps: Tensor
    pull: Tensor
    push: Tensor


def cell_weights(people: LabelledPeople, size: tuple[int, int]) -> Tensor:
    """Weight of each cell of maps of `size`: the part of it that counts, (B or 1, 1, height, width) in float32."""
    if people.counted is None:
        return torch.ones(1, 1, *size, device=people.keypoints.device)
    return functional.adaptive_avg_pool2d(people.counted[:, None].float(), size)


def part_affinity_targets(
    people: LabelledPeople,
    skeleton: PafSkeleton,
    input_size: tuple[int, int],
    size: tuple[int, int],
    drawing: Drawing = DRAWING,
) -> PartAffinityMaps:
    """Heat maps with a background, and fields one cell wide to each side of a limb.

    Args:
        people: K joints as the skeleton has them.
        skeleton: Limbs, and the channels of their fields.
        input_size: (height, width) of the images in pixels.
        size: (height, width) of the maps.
        drawing: Widths, ends and places.

    Returns: one stage: heat maps (B, K + 1, height, width) and fields (B, 2 * limbs, height, width), float32.

    Source: Cao et al., CVPR 2017, sections 2.2 and 2.3.
    """
    stride = input_size[0] / size[0]
    heatmaps = pyposeops.gaussian_heatmap(
        people.keypoints,
        people.visibility,
        size,
        sigma=drawing.sigma_px / stride,
        encoding="cmu",
        input_size=input_size,
        background=True,
    ).heatmaps
    drawn = pyposeops.part_affinity_field(
        people.keypoints,
        people.visibility,
        skeleton.limbs,
        size,
        ends=drawing.ends,
        grid=drawing.grid,
        input_size=input_size,
    ).fields
    fields = torch.empty_like(drawn)
    channels = [channel for limb in skeleton.channels for channel in limb]
    fields[:, channels] = drawn
    return PartAffinityMaps([heatmaps], [fields])


def part_affinity_loss(
    output: PartAffinityMaps,
    people: LabelledPeople,
    skeleton: PafSkeleton,
    input_size: tuple[int, int],
    drawing: Drawing = DRAWING,
) -> Tensor:
    """OpenPose's loss: half of the summed squared error of all maps of all stages, the mean over the images.

    Args: as of `part_affinity_targets`; `output` is what the network gave.

    Returns: a scalar in float32. Learning rates of the published codes belong to this sum.

    Source: Cao et al., CVPR 2017, equations 3 to 5; the half as in the authors' Caffe and in lightweight OpenPose.
    """
    size = (output.heatmaps[0].shape[-2], output.heatmaps[0].shape[-1])
    target = part_affinity_targets(people, skeleton, input_size, size, drawing)
    weights = cell_weights(people, size)
    losses = [
        (weights * (maps.float() - wanted).square()).sum()
        for stages, (wanted,) in zip(output, target, strict=True)
        for maps in stages
    ]
    return torch.stack(losses).sum() / (2 * len(people.keypoints))


def tagged_loss(
    output: TaggedMaps,
    people: LabelledPeople,
    input_size: tuple[int, int],
    *,
    sigma_cells: float = TAGGED_SIGMA_CELLS,
    tag_weight: float = TAG_WEIGHT,
    compat: Literal["paper", "mmpose", "higherhrnet"] = "higherhrnet",
) -> TaggedLoss:
    """Associative embedding: squared error of the heat maps of every stage, and the grouping loss of its tags.

    Args:
        output: What the network gave; stages may have different resolutions.
        people: K joints, as there are heat maps.
        input_size: (height, width) of the images in pixels.
        sigma_cells: Standard deviation of the Gaussians in cells, the same at every resolution.
        tag_weight: Factor of pull and push; 1e-3 as published.
        compat: Which form of the grouping loss, see `pyposeops.associative_embedding_loss`.

    Returns: scalars in float32: the sum over the stages of the heat maps' mean squared error, of pull and of push.

    Source: Newell et al., NIPS 2017, section 3.2; Cheng et al., CVPR 2020, section 3.
    """
    heatmaps = torch.stack([_heatmap_loss(maps, people, input_size, sigma_cells) for maps in output.heatmaps])
    groupings = [_grouping_loss(tags, people, input_size, compat) for tags in output.tags]
    pull = torch.stack([loss.pull for loss in groupings]).sum()
    push = torch.stack([loss.push for loss in groupings]).sum()
    total = heatmaps.sum() + tag_weight * (pull + push)
    return TaggedLoss(total, heatmaps.sum(), pull, push)


def in_cells(keypoints: Tensor, input_size: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Places (..., 2) of the input in cells of maps that cover all of it, whatever their size."""
    (height, width), (rows, columns) = input_size, size
    return (keypoints + 0.5) * keypoints.new_tensor((columns / width, rows / height)) - 0.5


def _heatmap_loss(
    maps: Tensor, people: LabelledPeople, input_size: tuple[int, int], sigma_cells: float
) -> Tensor:
    size = (maps.shape[-2], maps.shape[-1])
    places = in_cells(people.keypoints, input_size, size)
    target, _ = pyposeops.gaussian_heatmap(places, people.visibility, size, sigma=sigma_cells)
    return (cell_weights(people, size) * (maps.float() - target).square()).mean()


def _grouping_loss(
    tags: Tensor,
    people: LabelledPeople,
    input_size: tuple[int, int],
    compat: Literal["paper", "mmpose", "higherhrnet"],
) -> pyposeops.AssociativeEmbedding:
    """The tags are read at the joints' places on their map."""
    places = in_cells(people.keypoints, input_size, (tags.shape[-2], tags.shape[-1]))
    if (
        compat == "higherhrnet"
    ):  # fractions are cut off: half a cell more, and it is the cell that the joint lies in
        places = places + 0.5
    return pyposeops.associative_embedding_loss(tags, places, people.visibility, compat=compat)
