"""Gaussian targets for heat-map regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pyposeops import reference
from pyposeops._library import accepts_numpy, choice
from pyposeops.ops._gaussian import (
    COMBINE,
    DIFFERENTIABLE,
    ENCODINGS,
    Combine,
    Compat,
    Encoding,
    check_kernel_size,
    compat_code,
    pair,
    split_sigma,
    stride_of,
)
from pyposeops.ops._gaussian_heatmap import DifferentiableHeatmap, forward_op


class GaussianHeatmaps(NamedTuple):
    """What :func:`gaussian_heatmap` returns."""

    heatmaps: Tensor
    """(B, K, H, W): one Gaussian per joint; (B, K + 1, H, W) with a background."""
    weights: Tensor
    """A weight per map: the visibility, 0 for joints off the map; 1 for the background."""


@accepts_numpy
def gaussian_heatmap(
    keypoints: Tensor,
    visibility: Tensor,
    size: Sequence[int],
    *,
    sigma: float | Sequence[float] | Tensor | None = None,
    encoding: Encoding = "msra",
    input_size: Sequence[int] | None = None,
    compat: Compat = "fixed",
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
    kernel_size: int | None = None,
    combine: Combine = "max",
    background: bool = False,
    offsets: Tensor | None = None,
    interference_keypoints: Tensor | None = None,
    interference_visibility: Tensor | None = None,
    interference_offsets: Tensor | None = None,
    interference_weight: float = 0.5,
) -> GaussianHeatmaps:
    """Render one Gaussian per joint: the training target of heat-map regression, and the joints' loss weights.

    With the joint at mu (heatmap pixels) the value at pixel q is ``exp(-|q - c|^2 / (2 sigma^2))``, where

    =========== =========================== ============================================
    encoding    centre c                    pixels drawn
    =========== =========================== ============================================
    msra        mu, rounded half up         ``|q - c| <= 3 sigma`` on each axis
    unbiased    mu                          the whole map
    udp         mu                          ``|q - round(mu)| <= 3 sigma`` on each axis
    megvii      mu, rounded down            ``|q - c| <= kernel_size // 2`` on each axis
    cmu         mu + 0.5 / stride - 0.5     where the exponent is at least -4.6052
    normalized  mu                          the whole map
    =========== =========================== ============================================

    megvii is OpenCV's ``GaussianBlur`` of the joint's pixel, with its tables for up to 9 taps and its mirror at the
    border, over the value at c, times 255: next to a border the largest value is beside c and above 255. normalized
    is divided by its sum. Several people on one map are combined by the maximum (normalized maps then sum to more
    than 1). All other pixels are 0, and so are values below the smallest normal number of float32 (float64 with
    ``dtype=torch.float64``: of float64).

    Args:
        keypoints: (B, K, 2), or (B, N, K, 2) for N people on each map, or (P, K, 2) with ``offsets``; (x, y) in
            pixels, centre of the first pixel 0.0; float32, float64, float16 or bfloat16. In heatmap pixels, or in
            input pixels with ``input_size``.
        visibility: keypoints' shape without the 2, floating, integer or bool. Below 0.5 a joint is not drawn. Padding
            of a list of people: visibility 0.
        size: (height, width) of the heatmaps.
        sigma: standard deviation in heatmap pixels, above 0: one number, or per joint (K,), or per joint for x and y
            (K, 2), or (1, 2), as numbers or a tensor; or a tensor per person and joint, of keypoints' shape or with a
            last dimension of 1. On CUDA prefer the tensor: numbers are copied to the device at each call. In a
            tensor, joints whose sigma is not finite and above 0 are treated as off the map (nothing is read back to
            the host). None for megvii.
        encoding: see the table.
        input_size: (height, width) of the input image that the keypoints refer to. mu is keypoint / stride with
            stride = input / heatmap size, and for udp (input - 1) / (heatmap - 1). Without it the stride is 1.
        compat: "fixed", or the corner cases of published code. "reference", for msra and udp: mu is truncated toward
            zero instead of rounded down; where 3 sigma is no integer the window is one pixel off centre (and on the
            left and top border the whole Gaussian shifts by a pixel); a joint whose window ends right before the
            first pixel keeps its weight although nothing is drawn. "fixed" has symmetric windows and weight 0 exactly
            where the window misses the map. "reference", for megvii: mmpose's truncation of mu toward zero; "mspn":
            that, and 255 is the largest value of the map. "lightning_pose", for normalized: a joint of visibility 1
            (0.5 up to 1.5) is occluded and its map uniform, 1 / (H W), wherever it lies; one of visibility 2 is not
            drawn where it is more than a pixel outside the map; the weight is 1 where something is drawn. Else
            without effect.
        dtype: of the heatmaps; default the dtype of the keypoints.
        channels_last: memory layout of the heatmaps.
        kernel_size: for megvii, taps of the blur: odd, and less than twice the smaller side of the map.
        combine: "max", or for cmu "add": people are added up and clipped to 1, as OpenPose's first trainer and
            lightweight-openpose do.
        background: add a last map of 1 minus the largest of all others, at least 0, with weight 1. Not for megvii and
            normalized.
        offsets: (B + 1,) int64: image b has the people offsets[b] up to offsets[b + 1] of keypoints (P, K, 2). On
            CUDA they are not checked: people of a range that runs backward or past the end are not drawn.
        interference_keypoints: (B, K, 2), (B, M, K, 2) or, with ``interference_offsets``, (Q, K, 2): the same joints
            of other people in the crop, in the units of keypoints. What they draw (combined as the own people are) is
            added, times ``interference_weight``, as in CrowdPose; the sum may pass 1. Weights come from keypoints
            alone.
        interference_visibility: its shape without the 2.
        interference_offsets: as offsets.
        interference_weight: mu; 0.5 in CrowdPose.

    Returns:
        heatmaps: (B, K, H, W), values in [0, 1] (megvii: see above); (B, K + 1, H, W) with a background.
        weights: (B, K) or (B, K + 1), float32 (float64 with float64 heatmaps): the visibility as given (the largest
            of the people), 0 where the joint is off the map: window (msra, udp, cmu), pixel (megvii) or 3 sigma
            square (unbiased, normalized) outside. A joint with a NaN or infinite coordinate or a NaN visibility is
            not drawn and has weight 0.

    Raises:
        ValueError: shapes that do not fit, sigma not above 0, an unknown option or one that the encoding has not; on
            CUDA 2^26 elements or more in a map (channels_last: in an image).
        TypeError: keypoints or sigma of a dtype that is not floating.

    unbiased, normalized and cmu are differentiable in keypoints and in a sigma tensor, twice too (the second
    derivative runs through the definition, at its speed, and so does the first with ``combine="add"``, a background
    or interference joints); where people have equal maximal values, the first gets the gradient; cmu's cut gets none.
    The other encodings pass no gradient, and interference joints get none.

    Example:
        >>> keypoints = torch.tensor([[[10.0, 20.0], [30.0, 40.0]]])
        >>> target = gaussian_heatmap(keypoints, torch.ones(1, 2), (64, 48), sigma=2.0)
        >>> target.heatmaps.shape, float(target.heatmaps[0, 0, 20, 10])
        (torch.Size([1, 2, 64, 48]), 1.0)

    Source: msra: Xiao et al., Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018, section 2, with
    the window of its published code. unbiased: Zhang et al., Distribution-Aware Coordinate Representation, CVPR
    2020, section 3.2. udp: Huang et al., The Devil is in the Details, CVPR 2020, section 3. megvii: Chen et al.,
    Cascaded Pyramid Network, CVPR 2018, and Li et al., Rethinking on Multi-Stage Networks, 2019, with the published
    code of the latter and of mmpose. cmu: Cao et al., Realtime Multi-Person 2D Pose Estimation, CVPR 2017, section
    2.2 (its sigma^2 is 2 sigma^2 here), with the grid and the cut of its published code. normalized: Nibali et al.,
    Numerical Coordinate Regression, 2018, section 3.3. Interference joints: Li et al., CrowdPose, CVPR 2019, section
    3.1.
    """
    height, width = pair(size, "size")
    code = choice(encoding, ENCODINGS, "encoding")
    compat_of_code = 0 if compat == "fixed" else compat_code(compat, encoding)
    stride = None
    if input_size is not None:
        stride = stride_of((height, width), pair(input_size, "input_size"), encoding)
    sigma_px, sigma_tensor = split_sigma(sigma, encoding, keypoints.device)
    extras: tuple[object, ...] = ()
    if (
        kernel_size is not None
        or combine != "max"
        or background
        or offsets is not None
        or interference_keypoints is not None
        or interference_visibility is not None
        or encoding == "megvii"
    ):
        extras = (
            check_kernel_size(kernel_size, encoding, sigma),
            _adds_people(combine, encoding),
            _has_background(background, encoding),
            offsets,
            *_interference(
                interference_keypoints, interference_visibility, interference_offsets, sigma_tensor
            ),
            float(interference_weight),
        )
    elif interference_offsets is not None:
        raise ValueError("interference_offsets: expected None without interference_keypoints")
    if (
        code in DIFFERENTIABLE
        and torch.is_grad_enabled()
        and (keypoints.requires_grad or (sigma_tensor is not None and sigma_tensor.requires_grad))
    ):
        if combine == "add" or background or interference_keypoints is not None:
            # More than a maximum of people: the definition, whose gradient PyTorch knows, beside the weights.
            defined, _ = reference.gaussian_heatmap(
                keypoints,
                visibility,
                (height, width),
                sigma=sigma_px if sigma_tensor is None else sigma_tensor,
                encoding=encoding,
                input_size=input_size,
                compat=compat,
                dtype=dtype,
                combine=combine,
                background=background,
                offsets=offsets,
                interference_keypoints=interference_keypoints,
                interference_visibility=interference_visibility,
                interference_offsets=interference_offsets,
                interference_weight=interference_weight,
            )
            given = (
                height,
                width,
                sigma_px,
                code,
                sigma_tensor,
                stride,
                compat_of_code,
                dtype,
                channels_last,
            )
            _, weights = forward_op(keypoints, visibility, *given, *extras)
            layout = torch.channels_last if channels_last else torch.contiguous_format
            return GaussianHeatmaps(defined.contiguous(memory_format=layout), weights)
        rare = extras or (0, False, False, None, None, None, None, 0.0)
        options = (height, width, sigma_px, code, stride, compat_of_code, dtype, channels_last, *rare)
        return GaussianHeatmaps(*DifferentiableHeatmap.apply(keypoints, visibility, sigma_tensor, *options))
    if (
        sigma_tensor is None
        and stride is None
        and compat_of_code == 0
        and dtype is None
        and not channels_last
        and not extras
    ):
        return GaussianHeatmaps(*forward_op(keypoints, visibility, height, width, sigma_px, code))
    options = (height, width, sigma_px, code, sigma_tensor, stride, compat_of_code, dtype, channels_last)
    return GaussianHeatmaps(*forward_op(keypoints, visibility, *options, *extras))


def _adds_people(combine: str, encoding: str) -> bool:
    add = choice(combine, COMBINE, "combine") == COMBINE["add"]
    if add and encoding != "cmu":
        raise ValueError(f"combine: add is for encoding cmu, got {encoding}")
    return add


def _has_background(background: bool, encoding: str) -> bool:
    if background and encoding in ("megvii", "normalized"):
        raise ValueError(f"background: expected False for {encoding}, whose peak is not 1")
    return bool(background)


def _interference(
    keypoints: Tensor | None, visibility: Tensor | None, offsets: Tensor | None, sigma_tensor: Tensor | None
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    if (keypoints is None) != (visibility is None):
        raise ValueError("interference_keypoints, interference_visibility: expected both or none, got one")
    if keypoints is None and offsets is not None:
        raise ValueError("interference_offsets: expected None without interference_keypoints")
    if keypoints is not None and sigma_tensor is not None and sigma_tensor.ndim > 2:
        raise ValueError(
            "sigma: expected a number, (K,), (K, 2) or (1, 2) with interference joints, "
            f"got {tuple(sigma_tensor.shape)}"
        )
    return keypoints, visibility, offsets
