"""Offset fields: from the pixels around a joint to the joint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops import _core
from pyposeops._library import accepts_numpy, choice, register
from pyposeops.ops._people import (
    GRIDS,
    Grid,
    empty_maps,
    pair,
    place_on_map,
    stride_of,
    udp_stride_of,
    weights_dtype,
)

Kind = Literal["udp", "offset"]
Region = Literal["disc", "map"]
Overlap = Literal["nearest", "last"]
_CHANNELS = {"udp": 3, "offset": 2}
# enum classes OffsetRegion and OffsetOrder in csrc/ops/offset_heatmap
_REGIONS = {"disc": 0, "map": 1}
_ORDERS = {"nearest": 0, "last": 1}
_SMALLEST = 2
_UDP_RADIUS_FACTOR = 0.0546875


class OffsetHeatmaps(NamedTuple):
    """What :func:`offset_heatmap` returns."""

    heatmaps: Tensor
    """(B, 3 K, H, W), the disc, x and y of each joint; (B, 2 K, H, W), x and y, for kind ``offset``."""
    masks: Tensor
    """(B, K, H, W): where the discs are; for kind ``udp`` a view of the heatmaps."""
    weights: Tensor
    """(B, K): the visibility."""


def _allocate(
    keypoints: Tensor,
    channels: int,
    size: tuple[int, int],
    order: int,
    offsets: Tensor | None,
    dtype: torch.dtype | None,
    channels_last: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    dtype = keypoints.dtype if dtype is None else dtype
    joints = keypoints.shape[-2]
    heatmaps = empty_maps(keypoints, offsets, channels * joints, size, dtype, channels_last)
    weights = keypoints.new_empty((heatmaps.shape[0], joints), dtype=weights_dtype(dtype))
    mask_dtype = dtype if order == _SMALLEST else torch.bool
    if channels == _CHANNELS["udp"]:
        return heatmaps, keypoints.new_empty(0, dtype=mask_dtype), weights
    return heatmaps, empty_maps(keypoints, offsets, joints, size, mask_dtype, channels_last), weights


def _kernel(
    keypoints: Tensor,
    visibility: Tensor,
    height: int,
    width: int,
    channels: int,
    region: int,
    order: int,
    radius: float,
    multiplier: float,
    grid: int = 0,
    stride: Sequence[float] | None = None,
    offsets: Tensor | None = None,
    roots: Tensor | None = None,
    instance_sizes: Tensor | None = None,
    only_on_map: bool = False,
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    outputs = _allocate(keypoints, channels, (height, width), order, offsets, dtype, channels_last)
    heatmaps, masks, weights = outputs
    _core.offset_heatmap(
        keypoints,
        visibility,
        offsets,
        roots,
        instance_sizes,
        region,
        order,
        radius,
        multiplier,
        only_on_map,
        *place_on_map(grid, stride),
        heatmaps,
        None if channels == _CHANNELS["udp"] else masks,
        weights,
    )
    return outputs


def _fake(
    keypoints: Tensor,
    visibility: Tensor,
    height: int,
    width: int,
    channels: int,
    region: int,
    order: int,
    radius: float,
    multiplier: float,
    grid: int = 0,
    stride: Sequence[float] | None = None,
    offsets: Tensor | None = None,
    roots: Tensor | None = None,
    instance_sizes: Tensor | None = None,
    only_on_map: bool = False,
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    return _allocate(keypoints, channels, (height, width), order, offsets, dtype, channels_last)


_op = register(
    "offset_heatmap(Tensor keypoints, Tensor visibility, SymInt height, SymInt width, int channels, int region, "
    "int order, float radius, float multiplier, int grid=0, float[]? stride=None, Tensor? offsets=None, "
    "Tensor? roots=None, Tensor? instance_sizes=None, bool only_on_map=False, ScalarType? dtype=None, "
    "bool channels_last=False) -> (Tensor heatmaps, Tensor masks, Tensor weights)",
    _kernel,
    _fake,
)


def root_offsets(
    keypoints: Tensor,
    visibility: Tensor,
    roots: Tensor,
    instance_sizes: Tensor,
    size: tuple[int, int],
    *,
    radius: float,
    multiplier: float,
    only_on_map: bool,
    grid: int,
    stride: Sequence[float] | None,
    offsets: Tensor | None,
    dtype: torch.dtype | None,
    channels_last: bool,
) -> tuple[Tensor, Tensor]:
    """The same operator on squares around roots: offsets (B, 2 K, H, W), and (B, K, H, W) 1 / size of the person."""
    heatmaps, person_weights, _ = _op(
        keypoints,
        visibility,
        *size,
        _CHANNELS["offset"],
        2,  # root boxes
        _SMALLEST,
        radius,
        multiplier,
        grid,
        stride,
        offsets,
        roots,
        instance_sizes,
        only_on_map,
        dtype,
        channels_last,
    )
    return heatmaps, person_weights


def _place(
    kind: str, grid: str | None, size: tuple[int, int], input_size: Sequence[int] | None
) -> tuple[int, tuple[float, float] | None]:
    """The grid's code and the stride."""
    if grid is None:
        grid = "udp" if kind == "udp" else "half_pixel"
    if grid == "udp":
        return GRIDS["aligned"], udp_stride_of(size, input_size)
    if grid not in GRIDS:
        raise ValueError(f"grid: expected one of udp, {', '.join(GRIDS)}, got {grid!r}")
    return GRIDS[grid], stride_of(size, input_size)


@accepts_numpy
def offset_heatmap(
    keypoints: Tensor,
    visibility: Tensor,
    size: Sequence[int],
    *,
    kind: Kind = "udp",
    radius: float | None = None,
    scale: float | None = None,
    region: Region = "disc",
    overlap: Overlap = "nearest",
    grid: Grid | Literal["udp"] | None = None,
    input_size: Sequence[int] | None = None,
    offsets: Tensor | None = None,
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
) -> OffsetHeatmaps:
    """Render for each joint the field of offsets that lead to it, and the disc of pixels around it.

    At pixel q the offset to the joint p (both in map pixels) is ``(p - q) / scale``; the disc is where
    ``|p - q| <= radius``. What the projects draw:

    ============================ ==================================================================================
    UDP, combined                the defaults: (disc, x, y) of each joint, radius ``0.0546875 max(H, W)``, offsets in
                                 radii
    PersonLab, short range       ``kind="offset", radius=32 / stride``; times the stride for input pixels
    DeepLabCut, locref           ``kind="offset", radius=17 / stride, scale=7.2801 / stride, overlap="last",
                                 grid="edge"``, with ``region="map"`` for its Gaussian and ``"disc"`` for its plateau
                                 generator
    ============================ ==================================================================================

    Args:
        keypoints: (B, K, 2), (B, N, K, 2) for N people on each map, or (M, K, 2) with ``offsets``; (x, y) in pixels,
            centre of the first pixel 0.0; float32, float64, float16 or bfloat16. In map pixels, or in input pixels
            with ``input_size``.
        visibility: the shape of keypoints without its last dimension; floating, integer or bool. Below 0.5 a joint
            is not drawn. Padding of a list of people: visibility 0.
        size: (height, width) of the maps.
        kind: ``udp``: three channels for each joint, the disc and the offsets in x and y. ``offset``: two, x and y.
        radius: of the disc in map pixels, finite and above 0; default 0.0546875 times the longer side of the map.
        scale: map pixels per unit of the offsets; default the radius for udp, 1 for offset.
        region: offsets are written inside the discs only (``disc``) or on the whole map (``map``), and 0 elsewhere.
        overlap: of several people the ``nearest`` joint to the pixel, of equally near ones the first; or the
            ``last`` person (inside its disc, where the region is the disc).
        grid: which input position p pixel q stands for. ``udp``: ``p = q (input - 1) / (size - 1)``, the default for
            udp. ``half_pixel``: ``p = stride q + (stride - 1) / 2``, the default for offset. ``aligned``:
            ``p = stride q``. ``edge``: ``p = stride (q + 1/2)``, for keypoints that count from the outer edge of the
            first pixel.
        input_size: (height, width) of the input image that the keypoints refer to; stride = input / map size.
        offsets: (B + 1,) int64 or int32 on the device of the keypoints, for a ragged batch: image b has the people
            ``offsets[b]`` to ``offsets[b + 1]`` (excluded) of the list. On CUDA the values are not checked, but cut
            to the list.
        dtype: of the maps; default the dtype of the keypoints.
        channels_last: memory layout of the maps and masks.

    Returns:
        heatmaps: (B, 3 K, H, W): channels 3 k to 3 k + 2 are the disc (0 or 1), x and y of joint k; for kind
            ``offset`` (B, 2 K, H, W), x and y.
        masks: (B, K, H, W): whether the pixel is in the disc of anybody's joint; bool, and for udp the channels of
            the discs themselves (a view, of the dtype of the heatmaps).
        weights: (B, K), float32 (float64 with float64 heatmaps): the visibility as given, the largest of several
            people's; also of joints off the map, whose discs may be empty. Multiply by the masks where that matters.
            A joint with a NaN or infinite coordinate or a NaN visibility is not drawn and has weight 0.

    Raises:
        ValueError: shapes that do not fit, a radius or scale that is not above 0, unknown options, offsets (CPU)
            that fall or leave the list; more than 4096 joints in channels_last on CUDA.
        TypeError: keypoints of a dtype that is not floating.

    No gradient passes: these are targets.

    Example:
        >>> target = offset_heatmap(torch.tensor([[[10.5, 20.0]]]), torch.ones(1, 1), (64, 48))
        >>> target.heatmaps.shape, target.heatmaps[0, :, 20, 10].tolist()  # (10.5 - 10) / 3.5
        (torch.Size([1, 3, 64, 48]), [1.0, 0.1428571492433548, 0.0])

    Source: udp: Huang et al., The Devil is in the Details, CVPR 2020, section 3. Short range: Papandreou et al.,
    PersonLab, ECCV 2018, section 3.1. locref: Insafutdinov et al., DeeperCut, ECCV 2016, as DeepLabCut 3 draws it.
    """
    shape = pair(size, "size")
    channels = choice(kind, _CHANNELS, "kind")
    code, stride = _place(kind, grid, shape, input_size)
    radius = _UDP_RADIUS_FACTOR * max(shape) if radius is None else float(radius)
    if scale is not None and not scale > 0:
        raise ValueError(f"scale: expected a finite number above 0, got {scale}")
    if scale is None:
        scale = radius if kind == "udp" and radius > 0 else 1.0
    required = (
        keypoints,
        visibility,
        *shape,
        channels,
        choice(region, _REGIONS, "region"),
        choice(overlap, _ORDERS, "overlap"),
        radius,
        1.0 / scale,
    )
    if stride is None and offsets is None and dtype is None and not channels_last:
        heatmaps, masks, weights = _op(*required, code)  # the dispatcher's cost is per argument
    else:
        heatmaps, masks, weights = _op(
            *required, code, stride, offsets, None, None, False, dtype, channels_last
        )
    return OffsetHeatmaps(heatmaps, heatmaps[:, ::3] if kind == "udp" else masks, weights)
