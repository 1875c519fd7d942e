"""The local maxima of heatmaps, as lists."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops import _core
from pyposeops._library import accepts_numpy, choice, register
from pyposeops.ops.heatmap_nms import PLATEAUS, Plateau

PeakRefine = Literal["none", "quarter", "quarter_mmpose", "dark", "dark_udp", "parabola", "centroid"]
_REFINE = {  # enum class HeatmapRefine in csrc/core/peak_refine.h
    "none": 0,
    "quarter": 1,
    "quarter_mmpose": 2,
    "dark": 3,
    "dark_udp": 4,
    "parabola": 5,
    "centroid": 6,
}
_MAX_PEAKS = 1024  # kMaxPeaks in heatmap_peaks_math.h


class Peaks(NamedTuple):
    """What :func:`heatmap_peaks` returns."""

    coords: Tensor
    """(B, K, P, 2): (x, y) in heatmap pixels, centre of the first pixel 0.0; (-1, -1) where there is no peak."""
    scores: Tensor
    """(B, K, P): the values of the peaks, largest first; 0 where there is no peak."""
    counts: Tensor
    """(B, K) int64: the first so many of the P entries are peaks."""


def _allocate(heatmaps: Tensor, max_peaks: int) -> tuple[Tensor, Tensor, Tensor]:
    if heatmaps.ndim != 4:
        raise ValueError(f"heatmaps: expected (B, K, H, W), got {tuple(heatmaps.shape)}")
    batch, joints = heatmaps.shape[:2]
    dtype = torch.float64 if heatmaps.dtype == torch.float64 else torch.float32
    return (
        heatmaps.new_empty((batch, joints, max_peaks, 2), dtype=dtype),
        heatmaps.new_empty((batch, joints, max_peaks), dtype=dtype),
        heatmaps.new_empty((batch, joints), dtype=torch.int64),
    )


def _kernel(
    heatmaps: Tensor,
    max_peaks: int,
    threshold: float,
    window: int,
    refine: int,
    plateau: int = 0,
    blur_kernel: int = 11,
    centroid_window: int = 7,
) -> tuple[Tensor, Tensor, Tensor]:
    coords, scores, counts = _allocate(heatmaps, max_peaks)
    scratch = None
    if heatmaps.is_cuda:
        words = _core.heatmap_peaks_scratch_words(heatmaps, max_peaks, window, plateau, refine)
        scratch = heatmaps.new_empty(words, dtype=torch.int32)
    _core.heatmap_peaks(
        heatmaps,
        threshold,
        window,
        plateau,
        refine,
        blur_kernel,
        centroid_window,
        coords,
        scores,
        counts,
        scratch,
    )
    return coords, scores, counts


def _fake(
    heatmaps: Tensor,
    max_peaks: int,
    threshold: float,
    window: int,
    refine: int,
    plateau: int = 0,
    blur_kernel: int = 11,
    centroid_window: int = 7,
) -> tuple[Tensor, Tensor, Tensor]:
    return _allocate(heatmaps, max_peaks)


_peaks_op = register(
    "heatmap_peaks(Tensor heatmaps, int max_peaks, float threshold, int window, int refine, int plateau=0, "
    "int blur_kernel=11, int centroid_window=7) -> (Tensor coords, Tensor scores, Tensor counts)",
    _kernel,
    _fake,
)


@accepts_numpy
def heatmap_peaks(
    heatmaps: Tensor,
    *,
    max_peaks: int = 30,
    threshold: float = 0.0,
    window: int = 5,
    refine: PeakRefine = "quarter",
    plateau: Plateau = "first",
    blur_kernel: int = 11,
    centroid_window: int = 7,
) -> Peaks:
    """Find the largest local maxima of every map and refine their positions below the pixel.

    Which pixels are peaks is decided by ``window``, ``plateau`` and ``threshold`` as in
    :func:`pyposeops.heatmap_nms`: a value above the threshold that no value in its window exceeds, outside the map
    all being minus infinity; of a plateau of equal values one pixel, the first in row-major order, or all, or none.
    NaN is no peak and suppresses none. The ``max_peaks`` largest are returned, largest first; of equal ones the first
    in row-major order. No suppressed map is stored.

    Each peak's pixel (x, y) is refined on the map as it is, whatever the threshold and the other peaks:

    ================ ======================================================================================
    refine           what is added to (x, y)
    ================ ======================================================================================
    "none"           nothing
    "quarter", "quarter_mmpose", "dark", "dark_udp", "parabola"
                     as in :func:`pyposeops.heatmap_decode`. The two DARK methods scale the smoothed map to
                     the map's maximum, and leave all peaks of a map with a NaN or an infinite maximum
    "centroid"       the mean position of the positive values in ``centroid_window`` x ``centroid_window``
                     pixels around the peak, weighted with them. Rule of OpenPose (7) and, on maps without
                     negative values, of SLEAP (5)
    ================ ======================================================================================

    An infinite peak is a peak like any other; dark, dark_udp, parabola and centroid leave it unrefined.

    Args:
        heatmaps: (B, K, H, W), float32, float64, float16 or bfloat16; NCHW, channels_last or any strides, nothing is
            copied. B and K may be 0, H and W must be at least 1.
        max_peaks: P, the entries per map, 1 to 1024.
        threshold: a peak's value is above it.
        window: side of the window in pixels, odd, 3 to 63.
        refine: see the table.
        plateau: "first", "all" or "none", see :func:`pyposeops.heatmap_nms`.
        blur_kernel: taps of the smoothing of "dark" and "dark_udp", odd, 3 to 63.
        centroid_window: side of the window of "centroid" in pixels, odd, 3 to 63.

    Returns:
        coords: (B, K, P, 2), (x, y) in heatmap pixels, float32 (float64 for float64 heatmaps); -1 beyond the peaks
            found.
        scores: (B, K, P), the values of the peaks, of the same dtype; 0 beyond the peaks found.
        counts: (B, K), int64, the number of peaks found, at most P.

    Raises:
        ValueError: a shape that is not (B, K, H, W) with H and W at least 1, an argument out of its range, an unknown
            ``refine`` or ``plateau``, a ``threshold`` that is NaN.
        TypeError: heatmaps that are not floating.

    The result carries no gradient, whether heatmaps require one or not, and is the same in every run. Computation is
    in float32, for float64 heatmaps in float64.

    Example:
        >>> heatmaps = torch.zeros(1, 1, 5, 8)
        >>> heatmaps[0, 0, 2, 1], heatmaps[0, 0, 3, 6] = 0.5, 0.75
        >>> peaks = heatmap_peaks(heatmaps, max_peaks=3, refine="none")
        >>> peaks.coords[0, 0, : peaks.counts[0, 0]]
        tensor([[6., 3.],
                [1., 2.]])

    Source: Newell et al., Associative Embedding, NeurIPS 2017, for peaks of joint heatmaps; centroid: Cao et al.,
    OpenPose, TPAMI 2021, as its code computes it; the others: see :func:`pyposeops.heatmap_decode`.
    """
    code = choice(refine, _REFINE, "refine")
    plateau_code = choice(plateau, PLATEAUS, "plateau")
    if not 1 <= max_peaks <= _MAX_PEAKS:
        raise ValueError(f"max_peaks: expected a number from 1 to {_MAX_PEAKS}, got {max_peaks}")
    return Peaks(
        *_peaks_op(heatmaps, max_peaks, threshold, window, code, plateau_code, blur_kernel, centroid_window)
    )
