"""What the operators on Gaussian targets share: their options, as the C++ side knows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Literal

import torch
from torch import Tensor

from pyposeops._library import choice

Encoding = Literal["msra", "unbiased", "udp", "megvii", "cmu", "normalized"]
Compat = Literal["fixed", "reference", "mspn", "lightning_pose"]
Combine = Literal["max", "add"]
# enum class GaussianEncoding and GaussianCompat in core/gaussian.h
ENCODINGS = {"msra": 0, "unbiased": 1, "udp": 2, "megvii": 3, "cmu": 4, "normalized": 5}
COMPAT = {"fixed": 0, "reference": 1, "mspn": 2, "lightning_pose": 3}
COMBINE = {"max": 0, "add": 1}
# The encodings that move with the joint, without rounding: the ones with a gradient.
DIFFERENTIABLE = (ENCODINGS["unbiased"], ENCODINGS["cmu"], ENCODINGS["normalized"])
_ONLY_FOR = {"mspn": "megvii", "lightning_pose": "normalized"}


def pair(size: Sequence[int], name: str) -> tuple[int, int]:
    """(height, width)."""
    try:
        height, width = size
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected (height, width), got {size}") from None
    return height, width


def stride_of(
    size: tuple[int, int], input_size: tuple[int, int] | None, encoding: str
) -> tuple[float, float]:
    """Input pixels per heatmap pixel, (y, x)."""
    if input_size is None:
        return 1.0, 1.0
    if min(input_size) < 1:
        raise ValueError(f"input_size: expected a height and width of at least 1, got {input_size}")
    if encoding != "udp":
        return input_size[0] / size[0], input_size[1] / size[1]
    if min(input_size) < 2 or min(size) < 2:
        raise ValueError(
            f"size, input_size: udp with input_size needs at least 2 pixels, got {size}, {input_size}"
        )
    return (input_size[0] - 1) / (size[0] - 1), (input_size[1] - 1) / (size[1] - 1)


def input_size_of(
    stride: Sequence[float] | None, size: Sequence[int], encoding: str
) -> tuple[float, float] | None:
    """The input size that has this stride, for the definitions."""
    if stride is None:
        return None
    last = 1 if encoding == "udp" else 0
    return stride[0] * (size[0] - last) + last, stride[1] * (size[1] - last) + last


def compat_code(compat: str, encoding: str) -> int:
    code = choice(compat, COMPAT, "compat")
    wanted = _ONLY_FOR.get(compat, encoding)
    if wanted != encoding:
        raise ValueError(f"compat: {compat} is for encoding {wanted}, got {encoding}")
    return code


def split_sigma(
    sigma: float | Sequence[float] | Tensor | None, encoding: str, device: torch.device
) -> tuple[float, Tensor | None]:
    """One number for all joints, or a tensor; the other is NaN or None."""
    if isinstance(sigma, Real):
        return float(sigma), None
    if sigma is None:
        if encoding != "megvii":
            raise ValueError(f"sigma: expected a number or a tensor for {encoding}, got None")
        return math.nan, None
    if isinstance(sigma, Tensor):
        return math.nan, sigma
    return math.nan, torch.tensor(sigma, dtype=torch.float64, device=device)


def check_kernel_size(kernel_size: int | None, encoding: str, sigma: object) -> int:
    """The taps of megvii's blur; 0 for all other encodings."""
    if encoding != "megvii":
        if kernel_size is not None:
            raise ValueError(f"kernel_size: expected None for {encoding}, got {kernel_size}")
        return 0
    if sigma is not None:
        raise ValueError("sigma: expected None for megvii, whose kernel_size sets it")
    if kernel_size is None or kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size: expected an odd number above 0 for megvii, got {kernel_size}")
    return kernel_size
