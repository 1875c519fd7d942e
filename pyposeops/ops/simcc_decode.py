"""Joint positions from SimCC's distributions along x and y."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from pyposeops import _core
from pyposeops._library import accepts_numpy, choice, register
from pyposeops.ops.flip_merge import flat_pairs
from pyposeops.ops.heatmap_decode import Keypoints

SimccRefine = Literal["none", "dark"]
SimccNormalization = Literal["none", "softmax"]
SimccScore = Literal["min", "max", "mean"]
_REFINE = {"none": 0, "dark": 1}
_NORMALIZATION = {"none": 0, "softmax": 1}
_SCORE = {"min": 0, "max": 1, "mean": 2}  # enum class SimccScore in simcc_decode_math.h


def _allocate(simcc_x: Tensor) -> tuple[Tensor, Tensor]:
    if simcc_x.ndim != 3:
        raise ValueError(f"simcc_x: expected (B, K, X), got {tuple(simcc_x.shape)}")
    batch, joints = simcc_x.shape[:2]
    dtype = torch.float64 if simcc_x.dtype == torch.float64 else torch.float32
    return simcc_x.new_empty((batch, joints, 2), dtype=dtype), simcc_x.new_empty((batch, joints), dtype=dtype)


def _kernel(
    simcc_x: Tensor,
    simcc_y: Tensor,
    split_ratio: float,
    kernel_x: int = 0,
    kernel_y: int = 0,
    softmax: bool = False,
    inverse_temperature: float = 1.0,
    score: int = 0,
    empty_coord: float | None = None,
    flipped_x: Tensor | None = None,
    flipped_y: Tensor | None = None,
    flip_pairs: Sequence[int] = (),
    shift: int = 0,
    affines: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    coords, scores = _allocate(simcc_x)
    _core.simcc_decode(
        simcc_x,
        simcc_y,
        split_ratio,
        kernel_x,
        kernel_y,
        softmax,
        inverse_temperature,
        score,
        empty_coord,
        flipped_x,
        flipped_y,
        flip_pairs,
        shift,
        affines,
        coords,
        scores,
    )
    return coords, scores


def _fake(simcc_x: Tensor, *_options: Any, **_named: Any) -> tuple[Tensor, Tensor]:
    return _allocate(simcc_x)


_decode_op = register(
    "simcc_decode(Tensor simcc_x, Tensor simcc_y, float split_ratio, int kernel_x=0, int kernel_y=0, "
    "bool softmax=False, float inverse_temperature=1.0, int score=0, float? empty_coord=None, "
    "Tensor? flipped_x=None, Tensor? flipped_y=None, int[] flip_pairs=[], int shift=0, Tensor? affines=None) "
    "-> (Tensor coords, Tensor scores)",
    _kernel,
    _fake,
)


def _kernel_pair(blur_kernel: int | Sequence[int]) -> tuple[int, int]:
    if isinstance(blur_kernel, int):
        blur_kernel = (blur_kernel, blur_kernel)
    try:
        across, down = blur_kernel
    except (TypeError, ValueError):
        raise ValueError(f"blur_kernel: expected a number or one along x and y, got {blur_kernel}") from None
    for size in (across, down):
        if size < 3:  # 0 means no refinement to the operator
            raise ValueError(f"blur_kernel: expected an odd number from 3 to 63, got {size}")
    return across, down


def _flipped_pair(
    flipped: Sequence[Tensor] | None, flip_pairs: Sequence[Sequence[int]], shift: int
) -> tuple[Tensor | None, Tensor | None]:
    if flipped is None:
        if len(flip_pairs) or shift:
            raise ValueError("flipped: expected the mirrored crops' rows with flip_pairs or shift, got None")
        return None, None
    try:
        across, down = flipped
    except (TypeError, ValueError):
        raise ValueError("flipped: expected the pair (simcc_x, simcc_y) of the mirrored crops") from None
    return across, down


@accepts_numpy
def simcc_decode(
    simcc_x: Tensor,
    simcc_y: Tensor,
    *,
    split_ratio: float = 2.0,
    refine: SimccRefine = "none",
    blur_kernel: int | Sequence[int] = 37,
    normalization: SimccNormalization = "none",
    inverse_temperature: float = 1.0,
    score: SimccScore = "min",
    empty_coord: float | None = None,
    flipped: Sequence[Tensor] | None = None,
    flip_pairs: Sequence[Sequence[int]] = (),
    shift: int = 0,
    affines: Tensor | None = None,
) -> Keypoints:
    """Find the maximum of every row along x and along y, refine it below the bin and bring it to pixels.

    The position of a joint is ``bin / split_ratio``, with the first maximum of each of its two rows. A NaN counts as
    larger than every number, as in NumPy. With ``refine="dark"`` a maximum that is finite and above 0 is moved by one
    Newton step along its axis: the row is smoothed with OpenCV's Gaussian of ``blur_kernel`` taps, zeros around it,
    scaled so that its maximum is again the row's own, clipped to 1e-3 and 50, its logarithm L taken, and

    ``step = -(L[i+1] - L[i-1]) / 2 / ((L[i+2] - 2 L[i] + L[i-2]) / 4 + 1e-9)``,

    where values repeat beyond the border. This is evaluated around the maximum only, and gives what the whole row
    would give within rounding. The step is not limited, as published, and left out where it is not finite or where no
    value of the smoothed row is above 0.

    Args:
        simcc_x: (B, K, X), one row per joint, float32, float64, float16 or bfloat16; any strides, nothing is copied.
            B and K may be 0.
        simcc_y: (B, K, Y), the same along y, of the same dtype.
        split_ratio: bins per pixel, above 0.
        refine: "none" or "dark".
        blur_kernel: taps of the smoothing, odd, 3 to 63, or one along x and one along y. For ``dark``. mmpose takes
            the odd number at or below ``(20 sigma - 7) / 3``, with sigma as in :func:`simcc_label`: 37 for 6.
        normalization: "softmax" replaces each row by ``softmax(inverse_temperature * row)``, as the published SimCC
            decodes; "none" takes the rows as they are, as mmpose does.
        inverse_temperature: above 0, for the softmax.
        score: of the two maxima the smaller ("min", mmpose), the larger ("max", the published SimCC) or their mean.
        empty_coord: if given, both coordinates, in bins, of a joint whose score is not above 0 or is NaN; mmpose: -1.
            By default every joint is where its maxima are, as suits logits, which may all be negative.
        flipped: the pair (simcc_x, simcc_y) for the mirrored crops, as the network gave them: normalised, sides
            swapped by ``flip_pairs``, mirrored along x, and averaged with the crops' own before anything else.
        flip_pairs: (left, right) joints that trade places, for ``flipped``; at most 512 joints.
        shift: bins by which the mirrored row along x is moved to the left, 0 to X - 1; its last bins repeat the last.
            Pixels mirror about another line than bins, which leaves the rows ``split_ratio - 1`` bins apart: that
            brings them together. The published SimCC: 1; mmpose: 0.
        affines: (B, 2, 3) from image to crop, float32 or float64, as ``crop_images`` takes them and
            ``affine_from_box`` makes them. The coordinates are brought back to the image, in float64.

    Returns:
        coords: (B, K, 2), (x, y) in pixels of the crop, or of the image with ``affines``; float32 (for float64 rows
            float64, and computed so). NaN where an affine has no inverse.
        scores: (B, K), in the same dtype; NaN where a row has a NaN, or the softmax of a row is NaN.

    Raises:
        ValueError: shapes that do not fit, no bins, an unknown option or one out of its range, pairs that are none,
            flip_pairs or shift without ``flipped``.
        TypeError: rows that are not floating or of two dtypes, affines in half precision.

    The result carries no gradient, whether the rows require one or not.

    Example:
        >>> labels = simcc_label(torch.tensor([[[20.3, 30.9]]]), torch.ones(1, 1), (64, 48))
        >>> simcc_decode(labels.x, labels.y).coords
        tensor([[[20.5000, 31.0000]]])
        >>> simcc_decode(labels.x, labels.y, refine="dark").coords
        tensor([[[20.3000, 30.9000]]])

    Source: Li et al., SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation, ECCV 2022,
    section 3.1. dark: Zhang et al., Distribution-Aware Coordinate Representation for Human Pose Estimation, CVPR
    2020, section 3.2, along one axis, as mmpose 1.x computes it.
    """
    dark = choice(refine, _REFINE, "refine") == _REFINE["dark"]
    softmax = choice(normalization, _NORMALIZATION, "normalization") == _NORMALIZATION["softmax"]
    score_code = choice(score, _SCORE, "score")
    kernel_x, kernel_y = _kernel_pair(blur_kernel) if dark else (0, 0)
    flipped_x, flipped_y = _flipped_pair(flipped, flip_pairs, shift)
    return Keypoints(
        *_decode_op(
            simcc_x,
            simcc_y,
            split_ratio,
            kernel_x,
            kernel_y,
            softmax,
            inverse_temperature,
            score_code,
            empty_coord,
            flipped_x,
            flipped_y,
            flat_pairs(flip_pairs),
            shift,
            affines,
        )
    )
