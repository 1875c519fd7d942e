"""Joint positions from heatmaps: the maximum of every map, refined below the pixel."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops import _core
from pyposeops._library import accepts_numpy, choice, register

Refine = Literal["none", "quarter", "quarter_mmpose", "dark", "dark_udp", "parabola"]
# enum class HeatmapRefine in heatmap_decode_math.h
_REFINE = {"none": 0, "quarter": 1, "quarter_mmpose": 2, "dark": 3, "dark_udp": 4, "parabola": 5}


class Keypoints(NamedTuple):
    """What :func:`heatmap_decode` returns."""

    coords: Tensor
    """(B, K, 2): (x, y) in heatmap pixels, centre of the first pixel 0.0."""
    scores: Tensor
    """(B, K): the maxima."""


def _allocate(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    if heatmaps.ndim != 4:
        raise ValueError(f"heatmaps: expected (B, K, H, W), got {tuple(heatmaps.shape)}")
    batch, joints = heatmaps.shape[:2]
    dtype = torch.float64 if heatmaps.dtype == torch.float64 else torch.float32
    return heatmaps.new_empty((batch, joints, 2), dtype=dtype), heatmaps.new_empty(
        (batch, joints), dtype=dtype
    )


def _kernel(
    heatmaps: Tensor, refine: int, blur_kernel: int = 11, empty_coord: float = 0.0
) -> tuple[Tensor, Tensor]:
    coords, scores = _allocate(heatmaps)
    _core.heatmap_decode(heatmaps, refine, blur_kernel, empty_coord, coords, scores)
    return coords, scores


def _fake(
    heatmaps: Tensor, refine: int, blur_kernel: int = 11, empty_coord: float = 0.0
) -> tuple[Tensor, Tensor]:
    return _allocate(heatmaps)


_decode_op = register(
    "heatmap_decode(Tensor heatmaps, int refine, int blur_kernel=11, float empty_coord=0.0) "
    "-> (Tensor coords, Tensor scores)",
    _kernel,
    _fake,
)


@accepts_numpy
def heatmap_decode(
    heatmaps: Tensor,
    *,
    refine: Refine = "quarter",
    blur_kernel: int = 11,
    empty_coord: float | None = None,
) -> Keypoints:
    """Find the maximum of every map and refine its position below the pixel.

    The maximum is the first one in row-major order, on plateaus too. A NaN counts as larger than every number,
    as in NumPy. Where the maximum is above 0, its pixel (x, y) is refined:

    ================ ==========================================================================
    refine           what is added to (x, y)
    ================ ==========================================================================
    "none"           nothing
    "quarter"        0.25 toward the larger neighbour on each axis, 0 between equal ones; only if
                     ``1 < x < W - 1`` and ``1 < y < H - 1``: the rule of HRNet
    "quarter_mmpose" the same, each axis for itself: on x if ``1 < x < W - 1`` and ``y > 0``,
                     on y if ``1 < y < H - 1`` and ``x > 0``: the rule of mmpose
    "dark"           the Newton step -H^-1 g on the logarithm of the smoothed map, g over one
                     pixel and H over two; only if ``1 < x < W - 2`` and ``1 < y < H - 2``
    "dark_udp"       the Newton step with g and H over one pixel, on every pixel: beyond the
                     border the values on it repeat, so a peak there moves half a pixel outward
    "parabola"       on each axis that has both neighbours, the vertex of the parabola through
                     three log-values (clipped at 1e-10), at most 0.5; exact for a Gaussian
    ================ ==========================================================================

    The two DARK methods smooth with OpenCV's Gaussian of ``blur_kernel`` taps, zeros around the map, scale the
    smoothed map so that its maximum is again the map's own, and clip it: dark below 1e-10, dark_udp below 1e-3
    and above 50. This is evaluated around the peak only, and gives what the whole map would give within
    rounding. The step is not limited: on nearly flat maps it can be long, as published. Unrefined stays a peak
    with a singular H or a step that is not finite, and that of a map with no positive value once smoothed.

    An infinite maximum is a maximum like any other; dark, dark_udp and parabola leave it unrefined.

    Args:
        heatmaps: (B, K, H, W), float32, float64, float16 or bfloat16; NCHW, channels_last or any strides,
            nothing is copied. B and K may be 0, H and W must be at least 1.
        refine: see the table.
        blur_kernel: taps of the smoothing, odd, 3 to 63. DARK and DARK-UDP use 11 for heatmaps of sigma 2 and
            17 for sigma 3.
        empty_coord: both coordinates of a map whose maximum is not above 0 (all zero, all negative) or is NaN.
            Default 0, for "quarter_mmpose" -1, as in the original projects.

    Returns:
        coords: (B, K, 2), (x, y) in heatmap pixels; float32 (float64 for float64 heatmaps, computed so).
        scores: (B, K), the maxima as they are, in the same dtype; NaN for a map with a NaN.

    Raises:
        ValueError: a shape that is not (B, K, H, W) with H and W at least 1, an unknown ``refine``, a
            ``blur_kernel`` that is even or out of range.
        TypeError: heatmaps that are not floating.

    The result carries no gradient, even if the heatmaps require one.

    Example:
        >>> y, x = torch.arange(64.0)[:, None], torch.arange(48.0)
        >>> heatmap = torch.exp(-((x - 20.3) ** 2 + (y - 30.6) ** 2) / 8)
        >>> heatmap_decode(heatmap[None, None], refine="parabola").coords
        tensor([[[20.3000, 30.6000]]])

    Source: quarter: Newell et al., Stacked Hourglass Networks for Human Pose Estimation, ECCV 2016, section 3.
    dark: Zhang et al., Distribution-Aware Coordinate Representation for Human Pose Estimation, CVPR 2020,
    section 3.2. dark_udp: Huang et al., The Devil is in the Details, CVPR 2020, as mmpose 1.x computes it.
    """
    code = choice(refine, _REFINE, "refine")
    if empty_coord is None:
        empty_coord = -1.0 if refine == "quarter_mmpose" else 0.0
    return Keypoints(*_decode_op(heatmaps, code, blur_kernel, empty_coord))
