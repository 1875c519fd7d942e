"""Displacement fields: from the centre of a person to each of its joints. The kernels are those of offset_heatmap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy, choice
from pyposeops.ops._people import GRIDS, Grid, pair, stride_of
from pyposeops.ops.offset_heatmap import root_offsets

Direction = Literal["to_joint", "from_joint"]
OffMap = Literal["draw", "skip"]
_MULTIPLIERS = {"to_joint": 1, "from_joint": -1}
_OFF_MAP = {"draw": 0, "skip": 1}


class DisplacementHeatmaps(NamedTuple):
    """What :func:`displacement_heatmap` returns."""

    heatmaps: Tensor
    """(B, 2 K, H, W): x and y of each joint, seen from the pixel."""
    weights: Tensor
    """(B, K, H, W): 1 / size of the person whose joint it is, 0 where nobody's."""


@accepts_numpy
def displacement_heatmap(
    keypoints: Tensor,
    visibility: Tensor,
    size: Sequence[int],
    *,
    radius: float,
    roots: Tensor | None = None,
    instance_sizes: Tensor | None = None,
    direction: Direction = "to_joint",
    off_map: OffMap = "draw",
    grid: Grid = "half_pixel",
    input_size: Sequence[int] | None = None,
    offsets: Tensor | None = None,
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
) -> DisplacementHeatmaps:
    """Render for each joint the field of vectors that lead to it from the pixels around its person's root.

    At the pixels q of a square of twice the radius around the root the value is ``p - q``, p being the joint (all in
    map pixels). Where the squares of several people overlap, the smallest person keeps the pixel, joint by joint; of
    equally small ones the last. What the projects draw:

    ========== ====================================================================================================
    DEKR, SPR  the defaults with ``radius=4``: roots in the middle of the visible joints, sizes the diagonals of the
               boxes around them. (The published loops compare with the person who wrote the pixel last for any
               joint, and take an offset of exactly (0, 0) for empty.)
    DeepLabCut ``radius=17 / stride, instance_sizes=areas.sqrt(), direction="from_joint", off_map="skip",
               grid="edge"``, roots rounded down to whole input pixels
    CenterNet  ``radius=0``, only the pixel that the root is in, roots the centres of the boxes; ``off_map="skip"``
    ========== ====================================================================================================

    Args:
        keypoints: (B, K, 2), (B, N, K, 2) for N people on each map, or (M, K, 2) with ``offsets``; (x, y) in pixels,
            centre of the first pixel 0.0; float32, float64, float16 or bfloat16. In map pixels, or in input pixels
            with ``input_size``.
        visibility: the shape of keypoints without its last dimension; floating, integer or bool. Below 0.5 a joint
            is not drawn. Padding of a list of people: visibility 0.
        size: (height, width) of the maps.
        radius: map pixels, finite and at least 0: the square goes from ``floor(root - radius)`` to
            ``floor(root + radius)``, the last pixel left out. 0: the pixel ``floor(root)`` alone.
        roots: (B, 2), (B, N, 2) or (M, 2) to match the keypoints, floating, in their pixels; default the mean of
            the visible joints. People whose root is NaN or infinite are not drawn.
        instance_sizes: (B,), (B, N) or (M,), floating: what decides between people, and 1 / of which is the weight;
            default the diagonal of the box around the visible joints in map pixels, at least 1. People whose size is
            not finite and above 0 are not drawn.
        direction: ``to_joint``: p - q; ``from_joint``: q - p.
        off_map: joints off the map (a coordinate below 0, or not below the size) are drawn like others (``draw``), or
            not (``skip``).
        grid: which input position p pixel q stands for. ``half_pixel``: ``p = stride q + (stride - 1) / 2``.
            ``aligned``: ``p = stride q``. ``edge``: ``p = stride (q + 1/2)``, for keypoints that count from the outer
            edge of the first pixel.
        input_size: (height, width) of the input image that the keypoints refer to; stride = input / map size.
        offsets: (B + 1,) int64 or int32 on the device of the keypoints, for a ragged batch: image b has the people
            ``offsets[b]`` to ``offsets[b + 1]`` (excluded) of the list. On CUDA the values are not checked, but cut
            to the list.
        dtype: of the maps; default the dtype of the keypoints.
        channels_last: memory layout of the maps and weights.

    Returns:
        heatmaps: (B, 2 K, H, W): channel 2 k is x, channel 2 k + 1 y of joint k, in map pixels; 0 outside squares.
        weights: (B, K, H, W), the dtype of the maps, for both channels of a joint: 1 / size of the person, else 0. A
            joint with a NaN or infinite coordinate or a NaN visibility is not drawn.

    Raises:
        ValueError: shapes that do not fit, a radius below 0, unknown options, offsets (CPU) that fall or leave the
            list; more than 4096 joints in channels_last on CUDA.
        TypeError: keypoints, roots or sizes of a dtype that is not floating.

    No gradient passes: these are targets.

    Example:
        >>> keypoints = torch.tensor([[[4.0, 2.0], [8.0, 6.0]]])
        >>> target = displacement_heatmap(keypoints, torch.ones(1, 2), (12, 12), radius=1)
        >>> target.heatmaps[0, :, 3, 5].tolist()  # the root is (6, 4)
        [-1.0, -1.0, 3.0, 3.0]

    Source: Geng et al., Bottom-Up Human Pose Estimation via Disentangled Keypoint Regression, CVPR 2021, section 3;
    Nie et al., Single-Stage Multi-Person Pose Machines, ICCV 2019; CenterNet: Zhou et al., Objects as Points, 2019.
    """
    shape = pair(size, "size")
    code = choice(grid, GRIDS, "grid")
    stride = stride_of(shape, input_size)
    if roots is None or instance_sizes is None:
        middle, diagonal = _middle_and_diagonal(keypoints.detach(), visibility.detach(), stride)
        roots = middle if roots is None else roots
        instance_sizes = diagonal if instance_sizes is None else instance_sizes
    heatmaps, weights = root_offsets(
        keypoints,
        visibility,
        roots,
        instance_sizes,
        shape,
        radius=float(radius),
        multiplier=float(choice(direction, _MULTIPLIERS, "direction")),
        only_on_map=choice(off_map, _OFF_MAP, "off_map") == 1,
        grid=code,
        stride=stride,
        offsets=offsets,
        dtype=dtype,
        channels_last=channels_last,
    )
    return DisplacementHeatmaps(heatmaps, weights)


def _middle_and_diagonal(
    keypoints: Tensor, visibility: Tensor, stride: tuple[float, float] | None
) -> tuple[Tensor, Tensor]:
    """Of the visible joints (..., K, 2): their mean, and the diagonal of their box in map pixels, at least 1."""
    if keypoints.ndim < 3 or visibility.shape != keypoints.shape[:-1]:
        shapes = tuple(keypoints.shape), tuple(visibility.shape)
        raise ValueError(
            f"visibility: expected the shape of keypoints {shapes[0]} without its last dimension, got {shapes[1]}"
        )
    if not keypoints.is_floating_point():
        raise TypeError(
            f"keypoints: expected dtype float32, float64, float16 or bfloat16, got {keypoints.dtype}"
        )
    points = keypoints.double()  # people of one size must come out equal
    seen = (visibility >= 0.5) & keypoints.isfinite().all(-1)
    counted = torch.where(seen[..., None], points, 0.0)
    middle = counted.sum(-2) / seen.sum(-1, keepdim=True).clamp(min=1)
    if keypoints.shape[-2] == 0:
        return middle, torch.ones_like(middle[..., 0])
    low = torch.where(seen[..., None], points, torch.inf).amin(-2)
    high = torch.where(seen[..., None], points, -torch.inf).amax(-2)
    extent = (high - low).clamp(min=0)
    stride_y, stride_x = stride or (1.0, 1.0)
    diagonal = torch.hypot(extent[..., 0] / stride_x, extent[..., 1] / stride_y)
    return middle, diagonal.clamp(min=1)
