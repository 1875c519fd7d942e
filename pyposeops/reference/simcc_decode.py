"""Definition of simcc_decode in plain PyTorch, on whole rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from pyposeops.reference.peak_refine import gaussian_taps


def simcc_decode(
    simcc_x: Tensor,
    simcc_y: Tensor,
    *,
    split_ratio: float = 2.0,
    refine: str = "none",
    blur_kernel: int | Sequence[int] = 37,
    normalization: str = "none",
    inverse_temperature: float = 1.0,
    score: str = "min",
    empty_coord: float | None = None,
    flipped: Sequence[Tensor] | None = None,
    flip_pairs: Sequence[Sequence[int]] = (),
    shift: int = 0,
    affines: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Coordinates (B, K, 2) and scores (B, K), as ``pyposeops.simcc_decode`` documents them."""
    kernels = (blur_kernel, blur_kernel) if isinstance(blur_kernel, int) else blur_kernel
    positions, maxima = [], []
    for d, rows in enumerate((simcc_x, simcc_y)):
        raw = _computed(rows)
        values = _normalized(raw, normalization, inverse_temperature)
        index = raw.argmax(-1, keepdim=True)  # the softmax grows with what it is taken of
        if flipped is not None:
            other = _normalized(_computed(flipped[d]), normalization, inverse_temperature)
            values = 0.5 * (values + _mirrored_back(other, flip_pairs, d == 0, shift))
            index = values.argmax(-1, keepdim=True)
        maximum = values.gather(-1, index)
        position = index.to(values.dtype)
        if refine == "dark":
            position = position + _dark_step(values, index, maximum, kernels[d])
        positions.append(position[..., 0])
        maxima.append(maximum[..., 0])
    scores = _score(maxima[0], maxima[1], score)
    bins = torch.stack(positions, dim=-1)
    if empty_coord is not None:
        bins = bins.where((scores > 0)[..., None], empty_coord)
    pixels = bins.double() / split_ratio
    return (pixels if affines is None else _in_image(pixels, affines)).to(bins.dtype), scores


def _computed(rows: Tensor) -> Tensor:
    rows = rows.detach()
    return rows if rows.dtype == torch.float64 else rows.float()


def _normalized(rows: Tensor, normalization: str, inverse_temperature: float) -> Tensor:
    return torch.softmax(inverse_temperature * rows, -1) if normalization == "softmax" else rows


def _mirrored_back(rows: Tensor, flip_pairs: Sequence[Sequence[int]], along_x: bool, shift: int) -> Tensor:
    """The rows of the mirrored crops: sides swapped, and along x mirrored and moved `shift` bins to the left."""
    order = list(range(rows.shape[1]))
    for left, right in flip_pairs:
        order[left], order[right] = right, left
    rows = rows[:, order]
    if not along_x:
        return rows
    source = rows.shape[2] - 1 - torch.arange(rows.shape[2], device=rows.device) - shift
    return rows[..., source.clamp(min=0)]


def _dark_step(values: Tensor, index: Tensor, maximum: Tensor, blur_kernel: int) -> Tensor:
    """The Newton step on the logarithm of the smoothed rows, second differences over two bins; 0 where not finite."""
    taps = gaussian_taps(blur_kernel).to(values)
    rows = values.flatten(0, 1)[:, None]
    smoothed = torch.nn.functional.conv1d(rows, taps[None, None], padding=blur_kernel // 2).view(values.shape)
    largest = smoothed.amax(-1, keepdim=True)
    scaled = smoothed / largest.where(largest > 0, math.nan) * maximum
    log = scaled.clamp(1e-3, 50.0).log()

    def at(distance: int) -> Tensor:
        return log.gather(-1, (index + distance).clamp(0, log.shape[-1] - 1))

    slope = 0.5 * (at(1) - at(-1))
    curvature = 1e-9 + 0.25 * ((at(2) - at(0)) + (at(-2) - at(0)))
    step = -slope / curvature
    return step.where((maximum > 0) & maximum.isfinite() & step.isfinite(), 0)


def _score(x: Tensor, y: Tensor, score: str) -> Tensor:
    if score == "mean":
        return 0.5 * (x + y)
    return torch.minimum(x, y) if score == "min" else torch.maximum(x, y)


def _in_image(pixels: Tensor, affines: Tensor) -> Tensor:
    """Where crop pixels lie in the image that ``affines`` led from; NaN where these have no inverse."""
    linear, translation = affines.double()[:, :, :2], affines.double()[:, :, 2]
    usable = affines.isfinite().all(2).all(1) & (torch.linalg.det(linear) != 0)
    safe = linear.where(usable[:, None, None], torch.eye(2, dtype=torch.float64, device=linear.device))
    image: Tensor = torch.linalg.solve(safe, (pixels - translation[:, None]).mT).mT
    return image.where(usable[:, None, None], math.nan)
