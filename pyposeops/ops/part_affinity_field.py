"""Part affinity fields: the direction of every limb, where the limb is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

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
    weights_dtype,
)

Profile = Literal["flat", "linear", "gaussian", "quartic"]
Overlap = Literal["mean", "sum", "overwrite"]
Ends = Literal["clipped", "openpose", "lightweight"]
# enum classes LimbProfile, LimbOverlap and LimbEnds in csrc/ops/part_affinity_field
_PROFILES = {"flat": 0, "linear": 1, "gaussian": 2, "quartic": 3}
_OVERLAPS = {"mean": 0, "sum": 1, "overwrite": 2}
_ENDS = {"clipped": 0, "openpose": 1, "lightweight": 2}

_Limbs: TypeAlias = Sequence[Sequence[int]] | Tensor


class PartAffinityFields(NamedTuple):
    """What :func:`part_affinity_field` returns."""

    fields: Tensor
    """(B, 2 L, H, W): the x and the y component of each limb."""
    weights: Tensor
    """(B, L): 0 for limbs that nobody has, else the visibility."""
    counts: Tensor | None
    """(B, L, H, W) uint8 with ``return_counts=True``: how many people's limbs cover the pixel."""


def _allocate(
    keypoints: Tensor,
    limbs: Sequence[int],
    size: tuple[int, int],
    offsets: Tensor | None,
    dtype: torch.dtype | None,
    channels_last: bool,
    return_counts: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    dtype = keypoints.dtype if dtype is None else dtype
    count = len(limbs) // 2
    fields = empty_maps(keypoints, offsets, 2 * count, size, dtype, channels_last)
    weights = keypoints.new_empty((fields.shape[0], count), dtype=weights_dtype(dtype))
    if not return_counts:
        return fields, weights, keypoints.new_empty(0, dtype=torch.uint8)
    return fields, weights, empty_maps(keypoints, offsets, count, size, torch.uint8, channels_last)


def _kernel(
    keypoints: Tensor,
    visibility: Tensor,
    limbs: Sequence[int],
    height: int,
    width: int,
    half_width: float = 1.0,
    profile: int = 0,
    overlap: int = 0,
    ends: int = 0,
    grid: int = 0,
    stride: Sequence[float] | None = None,
    offsets: Tensor | None = None,
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
    return_counts: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    outputs = _allocate(keypoints, limbs, (height, width), offsets, dtype, channels_last, return_counts)
    fields, weights, counts = outputs
    _core.part_affinity_field(
        keypoints,
        visibility,
        offsets,
        limbs,
        half_width,
        profile,
        ends,
        overlap,
        *place_on_map(grid, stride),
        fields,
        weights,
        counts if return_counts else None,
    )
    return outputs


def _fake(
    keypoints: Tensor,
    visibility: Tensor,
    limbs: Sequence[int],
    height: int,
    width: int,
    half_width: float = 1.0,
    profile: int = 0,
    overlap: int = 0,
    ends: int = 0,
    grid: int = 0,
    stride: Sequence[float] | None = None,
    offsets: Tensor | None = None,
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
    return_counts: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    return _allocate(keypoints, limbs, (height, width), offsets, dtype, channels_last, return_counts)


_op = register(
    "part_affinity_field(Tensor keypoints, Tensor visibility, int[] limbs, SymInt height, SymInt width, "
    "float half_width=1.0, int profile=0, int overlap=0, int ends=0, int grid=0, float[]? stride=None, "
    "Tensor? offsets=None, ScalarType? dtype=None, bool channels_last=False, bool return_counts=False) "
    "-> (Tensor fields, Tensor weights, Tensor counts)",
    _kernel,
    _fake,
)


def _flat_pairs(limbs: _Limbs) -> list[int]:
    if isinstance(limbs, Tensor):
        if limbs.device.type != "cpu":
            raise ValueError("limbs: expected numbers or a tensor on the CPU, since they are checked there")
        if limbs.is_floating_point():
            raise TypeError(f"limbs: expected integers, got {limbs.dtype}")
        limbs = limbs.tolist()
    try:
        flat = [int(joint) for first, second in limbs for joint in (first, second)]
    except (TypeError, ValueError):
        raise ValueError(f"limbs: expected (L, 2) pairs of joint indices, got {limbs}") from None
    return flat


@accepts_numpy
def part_affinity_field(
    keypoints: Tensor,
    visibility: Tensor,
    limbs: Sequence[Sequence[int]] | Tensor,
    size: Sequence[int],
    *,
    half_width: float = 1.0,
    profile: Profile = "flat",
    overlap: Overlap = "mean",
    ends: Ends = "clipped",
    grid: Grid = "half_pixel",
    input_size: Sequence[int] | None = None,
    offsets: Tensor | None = None,
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
    return_counts: bool = False,
) -> PartAffinityFields:
    """Render for each limb the field of unit vectors from its first joint to its second, where the limb is.

    With the joints at a and b, l = |b - a| and u = (b - a) / l (all in map pixels), the vector at pixel q is
    u times a strength that falls off with the distance d of q from the line through a and b:

    ========= ============================= ========================= =====================================
    profile   strength                      where                     as in
    ========= ============================= ========================= =====================================
    flat      1                             ``d <= half_width``       OpenPose and its ports
    linear    ``1 - d / half_width``        ``d <= half_width``       DeepLabCut
    gaussian  ``exp(-d^2 / half_width^2)``  everywhere; d is to the   trt_pose
                                            segment between a and b
    quartic   ``exp(-d^4 /                  likewise                  sleap (sigma there is in input pixels:
              (2 half_width^2))``                                     ``half_width = sigma / stride^2``)
    ========= ============================= ========================= =====================================

    Everywhere else the vector is 0, and such background belongs to the target, as in OpenPose: to leave regions out
    of a loss, multiply it by your own mask. (OpenPose's background channel belongs to the heat maps.)

    Args:
        keypoints: (B, K, 2), (B, N, K, 2) for N people on each map, or (M, K, 2) with ``offsets``; (x, y) in pixels,
            centre of the first pixel 0.0; float32, float64, float16 or bfloat16. In map pixels, or in input pixels
            with ``input_size``.
        visibility: the shape of keypoints without its last dimension; floating, integer or bool. A limb is drawn
            where both joints have at least 0.5. Padding of a list of people: visibility 0.
        limbs: (L, 2) indices of joints, at most 512 pairs: numbers or a CPU tensor (read on the host).
        size: (height, width) of the fields.
        half_width: distance from the axis in map pixels (see the table), finite and above 0. OpenPose: 1.
        profile: see the table.
        overlap: where several people's limbs cover a pixel, the ``mean`` of their vectors (the paper), their ``sum``,
            or that of the last person (``overwrite``: lightweight-openpose, DeepLabCut). gaussian and quartic reach
            every pixel and take only ``sum``.
        ends: where flat and linear limbs end along the axis; without effect on the others. ``clipped``: at the
            joints, both included (the paper). ``openpose``: where the box around the two joints ends that is grown
            by half_width on each side and whose sides are rounded half up, the last row and column left out; slanted
            limbs then reach beyond their joints. ``lightweight``: likewise, rounded down.
        grid: which input position p pixel q stands for. ``half_pixel``: ``p = stride q + (stride - 1) / 2``, where
            both images cover the same area (OpenPose's heat maps). ``aligned``: ``p = stride q`` (OpenPose's fields,
            lightweight-openpose, sleap). ``edge``: ``p = stride (q + 1/2)``, for keypoints that count from the outer
            edge of the first pixel (DeepLabCut, trt_pose). Without ``input_size`` the stride is 1.
        input_size: (height, width) of the input image that the keypoints refer to; stride = input / map size.
        offsets: (B + 1,) int64 or int32 on the device of the keypoints, for a ragged batch: image b has the people
            ``offsets[b]`` to ``offsets[b + 1]`` (excluded) of the list. On CUDA the values are not checked, but cut
            to the list.
        dtype: of the fields; default the dtype of the keypoints.
        channels_last: memory layout of the fields and counts.
        return_counts: also return how many people cover each pixel, for masks; flat and linear only.

    Returns:
        fields: (B, 2 L, H, W): channel 2 l is the x component of limb l, channel 2 l + 1 the y component. Vectors are
            added up in float32 (float64 for float64 fields).
        weights: (B, L), float32 (float64 with float64 fields): a limb's weight is the smaller visibility of its two
            joints, and of several people the largest; 0 where no person has the limb. Limbs off the map keep
            their weight: a field of zeroes is right for them.
        counts: (B, L, H, W) uint8, at most 255, or None.

        A limb with a NaN or infinite coordinate, a NaN visibility, or both joints at one place is not drawn and has
        weight 0.

    Raises:
        ValueError: shapes that do not fit, limbs that are no joints, half_width not above 0, unknown options, overlap
            or return_counts that the profile does not have, offsets (CPU) that fall or leave the list.
        TypeError: keypoints of a dtype that is not floating.

    No gradient passes: these are targets.

    Example:
        >>> keypoints = torch.tensor([[[2.0, 4.0], [6.0, 4.0]]])
        >>> target = part_affinity_field(keypoints, torch.ones(1, 2), [(0, 1)], (8, 8))
        >>> target.fields.shape, target.fields[0, 0, 3].tolist()
        (torch.Size([1, 2, 8, 8]), [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0])

    Source: Cao et al., Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields, CVPR 2017, section 2.3.
    """
    height, width = pair(size, "size")
    required = (keypoints, visibility, _flat_pairs(limbs), height, width, float(half_width))
    codes = (
        choice(profile, _PROFILES, "profile"),
        choice(overlap, _OVERLAPS, "overlap"),
        choice(ends, _ENDS, "ends"),
        choice(grid, GRIDS, "grid"),
    )
    stride = stride_of((height, width), input_size)
    usual = stride is None and offsets is None and dtype is None and not channels_last and not return_counts
    if usual:  # the dispatcher's cost is per argument
        fields, weights, counts = _op(*required) if codes == (0, 0, 0, 0) else _op(*required, *codes)
    else:
        rest = (stride, offsets, dtype, channels_last, return_counts)
        fields, weights, counts = _op(*required, *codes, *rest)
    return PartAffinityFields(fields, weights, counts if return_counts else None)
