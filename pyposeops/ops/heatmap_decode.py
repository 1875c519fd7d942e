"""Joint positions from heatmaps: the maximum of every map, refined below the pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops import _core
from pyposeops._library import accepts_numpy, choice, register
from pyposeops.ops.affine import crop_size
from pyposeops.ops.flip_merge import flat_pairs

Refine = Literal[
    "none", "quarter", "quarter_mmpose", "dark", "dark_udp", "parabola", "megvii", "udp_combined"
]
# method_from in heatmap_decode_bind.cpp
_REFINE = {
    "none": 0,
    "quarter": 1,
    "quarter_mmpose": 2,
    "dark": 3,
    "dark_udp": 4,
    "parabola": 5,
    "megvii": 6,
    "udp_combined": 7,
}
_EMPTY_COORD = {"quarter_mmpose": -1.0, "megvii": -1.0, "udp_combined": -1.0}
Convention = Literal["msra", "udp", "half_pixel", "edge"]
# Added to a heatmap position before it is scaled, and after.
_CONVENTIONS = {"msra": (0.0, 0.0), "udp": (0.0, 0.0), "half_pixel": (0.5, -0.5), "edge": (0.5, 0.0)}
_UDP_RADIUS = 0.0546875  # of the larger side of the heatmap


class Keypoints(NamedTuple):
    """What :func:`heatmap_decode` returns."""

    coords: Tensor
    """(B, K, 2): (x, y) in pixels of the heatmap, the crop or the image, centre of the first pixel 0.0."""
    scores: Tensor
    """(B, K): the maxima."""


def _check_rank(heatmaps: Tensor) -> None:
    if heatmaps.ndim != 4:
        raise ValueError(f"heatmaps: expected (B, K, H, W), got {tuple(heatmaps.shape)}")


def _allocate(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    _check_rank(heatmaps)
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


def _to_image_kernel(
    heatmaps: Tensor,
    refine: int,
    blur_kernel: int,
    empty_coord: float,
    flipped: Tensor | None,
    flip_pairs: Sequence[int],
    shift: bool,
    offsets: Tensor | None,
    flipped_offsets: Tensor | None,
    offset_scale: float,
    affines: Tensor | None,
    *grid: float,
) -> tuple[Tensor, Tensor]:
    coords, scores = _allocate(heatmaps)
    _core.heatmap_decode_to_image(
        heatmaps,
        refine,
        blur_kernel,
        empty_coord,
        flipped,
        flip_pairs,
        shift,
        offsets,
        flipped_offsets,
        offset_scale,
        affines,
        *grid,
        coords,
        scores,
    )
    return coords, scores


def _to_image_fake(heatmaps: Tensor, *_options: Any) -> tuple[Tensor, Tensor]:
    return _allocate(heatmaps)


_to_image_op = register(
    "heatmap_decode_to_image(Tensor heatmaps, int refine, int blur_kernel, float empty_coord, Tensor? flipped, "
    "int[] flip_pairs, bool shift, Tensor? offsets, Tensor? flipped_offsets, float offset_scale, Tensor? affines, "
    "float scale_x, float scale_y, float shift_x, float shift_y) -> (Tensor coords, Tensor scores)",
    _to_image_kernel,
    _to_image_fake,
)


def _crop_grid(
    map_size: Sequence[int], input_size: Sequence[int] | None, convention: Convention
) -> tuple[float, float, float, float]:
    """Scale and shift, each along x and y, from heatmap pixels to those of the crop."""
    if convention not in _CONVENTIONS:
        raise ValueError(f"convention: expected one of {', '.join(_CONVENTIONS)}, got {convention!r}")
    if input_size is None:
        if convention != "msra":
            raise ValueError(f"input_size: expected (height, width) with convention={convention!r}, got None")
        return 1.0, 1.0, 0.0, 0.0
    last = 1 if convention == "udp" else 0
    height, width = crop_size(input_size, least=1 + last, name="input_size")
    map_height, map_width = crop_size(map_size, least=1 + last, name="heatmaps")
    across, down = (width - last) / (map_width - last), (height - last) / (map_height - last)
    before, after = _CONVENTIONS[convention]
    return across, down, before * across + after, before * down + after


@accepts_numpy
def heatmap_decode(
    heatmaps: Tensor,
    *,
    refine: Refine = "quarter",
    blur_kernel: int | None = None,
    empty_coord: float | None = None,
    flipped: Tensor | None = None,
    flip_pairs: Sequence[Sequence[int]] = (),
    shift: bool = False,
    offsets: Tensor | None = None,
    flipped_offsets: Tensor | None = None,
    offset_scale: float | None = None,
    affines: Tensor | None = None,
    input_size: Sequence[int] | None = None,
    convention: Convention = "msra",
) -> Keypoints:
    """Find the maximum of every map, refine its position below the pixel and bring it back to the image.

    The maximum is the first one in row-major order, on plateaus too. A NaN counts as larger than every number,
    as in NumPy. Where the maximum is above 0, its pixel (x, y) is refined:

    ================ ==========================================================================
    refine           what is added to (x, y)
    ================ ==========================================================================
    "none"           nothing, or what ``offsets`` hold
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
    "megvii"         (x, y) is the maximum of the smoothed map; where HRNet's rule lets it move,
                     the quarter between the smoothed map's values, and 0.5 on both axes; the
                     score is ``maximum / 255 + 0.5``: the rule of mmpose for maps of height 255
    "udp_combined"   map, (x, y) and score are those of the smoothed map, borders reflected; what
                     ``offsets`` hold: UDP's disc and offsets, as mmpose decodes them
    ================ ==========================================================================

    dark, dark_udp and megvii smooth with OpenCV's Gaussian of ``blur_kernel`` taps, zeros around the map, scale the
    smoothed map so that its maximum is again the map's own, and DARK clips it: dark below 1e-10, dark_udp below
    1e-3 and above 50. This is evaluated around the peak only, and gives what the whole map would give within
    rounding. The step is not limited: on nearly flat maps it can be long, as published. Unrefined stays a peak
    with a singular H or a step that is not finite, and that of a map with no positive value once smoothed.

    An infinite maximum is a maximum like any other; dark, dark_udp, parabola and megvii leave it unrefined,
    udp_combined spreads it over its window and takes the first pixel of that.

    With ``flipped`` the mean of the two maps is decoded, as :func:`flip_merge` makes it, which is never stored and
    not rounded to half precision. Each map is read once.

    With ``input_size`` the coordinates are pixels of the crop that the network saw, and with ``affines`` those of
    the image. Along x, with the crop w and the map W pixels wide:

    ============ =========================== ====================================================
    convention   crop pixel of map pixel x   used by
    ============ =========================== ====================================================
    "msra"       ``x w / W``                 Simple Baselines, HRNet, mmpose but for UDP
    "udp"        ``x (w - 1) / (W - 1)``     UDP
    "half_pixel" ``(x + 1/2) w / W - 1/2``   OpenPose, ``offset_heatmap`` of kind offset
    "edge"       ``(x + 1/2) w / W``         DeepLabCut, MSPN: 0 is the outer edge of the first pixel
    ============ =========================== ====================================================

    Args:
        heatmaps: (B, K, H, W), float32, float64, float16 or bfloat16; NCHW, channels_last or any strides,
            nothing is copied. B and K may be 0, H and W must be at least 1. Of UDP's three channels per joint,
            (disc, x offset, y offset), pass ``output.unflatten(1, (-1, 3))[:, :, 0]``.
        refine: see the table.
        blur_kernel: taps of the smoothing, odd, 3 to 63. Default 11, for udp_combined 23, as published. DARK and
            DARK-UDP use 11 for heatmaps of sigma 2 and 17 for sigma 3.
        empty_coord: both coordinates, in heatmap pixels, of a map whose maximum is not above 0 (all zero, all
            negative) or is NaN. Default 0, for the rules of mmpose (quarter_mmpose, megvii, udp_combined) -1, as
            in the original projects. Brought to the image like every position; NaN stays NaN.
        flipped: (B, K, H, W), dtype of ``heatmaps``: the network's maps of the mirrored crops, as they came.
        flip_pairs: (left, right) joints that trade places, for ``flipped``; at most 512 joints.
        shift: moves the mirrored map one pixel to the right, for ``flipped``; see :func:`flip_merge`.
        offsets: (B, K, 2, H, W) or (B, 2K, H, W), any floating dtype and strides: (x, y) per joint, read at the
            maximum's pixel, times ``offset_scale``, added. Only with refine "none" or "udp_combined". Offsets that
            are not finite are not added. Of UDP's channels pass ``output.unflatten(1, (-1, 3))[:, :, 1:]``.
        flipped_offsets: the offsets of the mirrored crops: mirrored like ``flipped``, x negated, averaged.
        offset_scale: heatmap pixels per unit of the offsets. Default 1, for udp_combined
            ``0.0546875 * max(H, W)``. DeepLabCut's locref maps hold crop pixels / 7.2801: pass ``7.2801 / stride``.
        affines: (B, 2, 3) from image to crop, float32 or float64, as ``crop_images`` takes them and
            ``affine_from_box`` makes them. Their inverses are computed in float64.
        input_size: (height, width) of the crop. Default: the coordinates stay in heatmap pixels, and with
            ``affines`` those are the crop's.
        convention: of ``input_size``, see the table.

    Returns:
        coords: (B, K, 2), (x, y) in pixels of the heatmap, the crop or the image; float32 (float64 for float64
            heatmaps, computed so). NaN where an affine has no inverse.
        scores: (B, K), the maxima, in the same dtype; NaN for a map with a NaN.

    Raises:
        ValueError: a shape that is not (B, K, H, W) with H and W at least 1, shapes or devices that do not fit it,
            an unknown ``refine`` or ``convention``, a ``blur_kernel`` that is even or out of range, pairs that are
            none, udp_combined without offsets, and options without what they belong to.
        TypeError: heatmaps or offsets that are not floating, ``flipped`` of another dtype, affines in half precision.

    The result carries no gradient, even if the heatmaps require one.

    Example:
        >>> y, x = torch.arange(64.0)[:, None], torch.arange(48.0)
        >>> heatmap = torch.exp(-((x - 20.3) ** 2 + (y - 30.6) ** 2) / 8)
        >>> heatmap_decode(heatmap[None, None], refine="parabola").coords
        tensor([[[20.3000, 30.6000]]])
        >>> affines = affine_from_box(torch.tensor([[100.0, 50.0, 96.0, 128.0]]), (256, 192), padding=1.0)
        >>> heatmap_decode(heatmap[None, None], refine="parabola", affines=affines, input_size=(256, 192)).coords
        tensor([[[140.6000, 111.2000]]])

    Source: quarter: Newell et al., Stacked Hourglass Networks for Human Pose Estimation, ECCV 2016, section 3.
    dark: Zhang et al., Distribution-Aware Coordinate Representation for Human Pose Estimation, CVPR 2020,
    section 3.2. dark_udp, udp_combined: Huang et al., The Devil is in the Details, CVPR 2020, as mmpose 1.x computes
    them. megvii: Li et al., Rethinking on Multi-Stage Networks for Human Pose Estimation, 2019, as mmpose 1.x
    computes it. edge: Insafutdinov et al., DeeperCut, ECCV 2016 (published code).
    """
    code = choice(refine, _REFINE, "refine")
    if blur_kernel is None:
        blur_kernel = 23 if refine == "udp_combined" else 11
    if empty_coord is None:
        empty_coord = _EMPTY_COORD.get(refine, 0.0)
    if flipped is None and (len(flip_pairs) or shift or flipped_offsets is not None):
        raise ValueError(
            "flipped: expected the mirrored crops' maps with flip_pairs, shift, flipped_offsets, got None"
        )
    if offsets is None and (
        refine == "udp_combined" or flipped_offsets is not None or offset_scale is not None
    ):
        raise ValueError(
            "offsets: expected maps with udp_combined, flipped_offsets or offset_scale, got None"
        )
    if (
        flipped is None
        and offsets is None
        and affines is None
        and input_size is None
        and convention == "msra"
    ):
        return Keypoints(*_decode_op(heatmaps, code, blur_kernel, empty_coord))
    if offsets is not None and refine not in ("none", "udp_combined"):
        raise ValueError(f"refine: expected none or udp_combined with offsets, got {refine}")
    _check_rank(heatmaps)
    if offset_scale is None:
        offset_scale = _UDP_RADIUS * max(heatmaps.shape[2:]) if refine == "udp_combined" else 1.0
    grid = _crop_grid(heatmaps.shape[2:], input_size, convention)
    return Keypoints(
        *_to_image_op(
            heatmaps,
            code,
            blur_kernel,
            empty_coord,
            flipped,
            flat_pairs(flip_pairs),
            shift,
            offsets,
            flipped_offsets,
            offset_scale,
            affines,
            *grid,
        )
    )
