"""Definition of gaussian_heatmap in plain PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from pyposeops.reference.peak_refine import gaussian_taps


class _Form(NamedTuple):
    """How a person's joints are drawn."""

    size: Sequence[int]
    sigma: Tensor  # broadcasts to the keypoints, float64
    encoding: str
    stride: tuple[float, float]  # (y, x)
    compat: str
    kernel_size: int
    combine: str


def gaussian_heatmap(
    keypoints: Tensor,
    visibility: Tensor,
    size: Sequence[int],
    *,
    sigma: float | Sequence[float] | Tensor | None = None,
    encoding: str = "msra",
    input_size: Sequence[float] | None = None,
    compat: str = "fixed",
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
    kernel_size: int | None = None,
    combine: str = "max",
    background: bool = False,
    offsets: Tensor | None = None,
    interference_keypoints: Tensor | None = None,
    interference_visibility: Tensor | None = None,
    interference_offsets: Tensor | None = None,
    interference_weight: float = 0.5,
) -> tuple[Tensor, Tensor]:
    """Heatmaps (B, K, H, W) and weights (B, K), as ``pyposeops.gaussian_heatmap`` documents them."""
    form = _Form(
        size,
        _per_axis(sigma, kernel_size, keypoints),
        encoding,
        _stride(size, size if input_size is None else input_size, encoding),
        compat,
        kernel_size or 0,
        combine,
    )
    heatmaps, weights = _combined(keypoints, visibility, offsets, form)
    if interference_keypoints is not None and interference_visibility is not None:
        others, _ = _combined(interference_keypoints, interference_visibility, interference_offsets, form)
        heatmaps = heatmaps + interference_weight * others
    if background:
        zero = heatmaps.new_zeros(heatmaps.shape[0], 1, *size)
        largest = torch.cat((heatmaps, zero), dim=1).amax(dim=1, keepdim=True)
        heatmaps = torch.cat((heatmaps, (1 - largest).clamp(min=0)), dim=1)
        weights = torch.cat((weights, weights.new_ones(len(weights), 1)), dim=1)
    dtype = keypoints.dtype if dtype is None else dtype
    heatmaps = heatmaps.to(dtype)
    if channels_last:
        heatmaps = heatmaps.contiguous(memory_format=torch.channels_last)
    return heatmaps, weights.to(torch.float64 if dtype == torch.float64 else torch.float32)


def _per_axis(
    sigma: float | Sequence[float] | Tensor | None, kernel_size: int | None, keypoints: Tensor
) -> Tensor:
    """Sigmas that broadcast to the keypoints, float64; megvii's from the size of its kernel, as OpenCV gives it."""
    if kernel_size is not None:
        sigma = 0.3 * (kernel_size // 2 - 1) + 0.8
    tensor = torch.as_tensor(sigma, dtype=torch.float64, device=keypoints.device)
    return tensor[:, None] if tensor.ndim == 1 else tensor


def _stride(size: Sequence[int], input_size: Sequence[float], encoding: str) -> tuple[float, float]:
    """Input pixels per heatmap pixel."""
    last = 1 if encoding == "udp" else 0
    y, x = ((a - last) / (b - last) if a != b else 1.0 for a, b in zip(input_size, size, strict=True))
    return y, x


def _combined(
    keypoints: Tensor, visibility: Tensor, offsets: Tensor | None, form: _Form
) -> tuple[Tensor, Tensor]:
    """The people of each image on one map per joint, and the largest of their weights."""
    people, weights = _people(keypoints, visibility, form)
    if offsets is None:
        if keypoints.ndim == 3:
            people, weights = people[:, None], weights[:, None]
        return _join(people, weights, form.combine)
    nothing = _join(people[None, :0], weights[None, :0], form.combine)
    ranges = [slice(begin, end) for begin, end in pairwise(offsets.tolist())]
    images = [_join(people[None, part], weights[None, part], form.combine) for part in ranges]
    maps = torch.cat([nothing[0][:0], *(image[0] for image in images)])
    return maps, torch.cat([nothing[1][:0], *(image[1] for image in images)])


def _join(people: Tensor, weights: Tensor, combine: str) -> tuple[Tensor, Tensor]:
    """(B, N, K, H, W) maps of people and their weights (B, N, K), without N."""
    if people.shape[1] == 0:
        return people.sum(dim=1), weights.sum(dim=1)
    joined = people.max(dim=1).values if combine == "max" else people.sum(dim=1).clamp(max=1)
    return joined, weights.amax(dim=1)


def _people(keypoints: Tensor, visibility: Tensor, form: _Form) -> tuple[Tensor, Tensor]:
    """Each person's own map (..., K, H, W), and the weight (..., K)."""
    keypoints = keypoints / keypoints.new_tensor(form.stride[::-1])
    visibility = visibility.to(torch.float64)
    sigma = form.sigma.expand(keypoints.shape)
    known = keypoints.isfinite().all(-1) & ~visibility.isnan() & ((sigma > 0) & sigma.isfinite()).all(-1)
    mu = torch.where(known[..., None], keypoints, 0.0)
    sigma = torch.where(known[..., None], sigma, 1.0)
    gx, x_on = _axis(mu[..., 0], sigma[..., 0], form.size[1], form.stride[1], form)
    gy, y_on = _axis(mu[..., 1], sigma[..., 1], form.size[0], form.stride[0], form)
    on_map = known & x_on & y_on
    weights = torch.where(on_map, visibility, 0.0)
    maps = gy[..., :, None] * gx[..., None, :] * (weights >= 0.5)[..., None, None]
    if form.encoding == "cmu":
        maps = torch.where(maps >= torch.tensor(-4.6052, dtype=maps.dtype).exp(), maps, 0.0)
    if form.encoding == "megvii":
        maps = 255 * maps
    if form.compat == "lightning_pose":  # visibility 1 is occluded: a uniform map, wherever the joint is
        occluded = (visibility >= 0.5) & (visibility < 1.5)
        maps = torch.where(occluded[..., None, None], 1 / (form.size[0] * form.size[1]), maps)
        weights = (occluded | (weights >= 0.5)).to(weights.dtype)
    return maps, weights


def _axis(mu: Tensor, sigma: Tensor, size: int, stride: float, form: _Form) -> tuple[Tensor, Tensor]:
    """Factors (..., K, size) of one axis and whether the joint is on the map (..., K)."""
    encoding, compat = form.encoding, form.compat
    pixel = torch.arange(size, dtype=torch.float64, device=mu.device)
    exact = mu.to(torch.float64)
    radius = 3.0 * sigma
    if encoding == "unbiased":
        return _gaussian(pixel, exact, sigma), (exact - radius < size) & (exact + radius + 1 >= 0)
    if encoding == "normalized":
        on_map = (exact - radius < size) & (exact + radius + 1 >= 0)
        if compat == "lightning_pose":
            on_map = (exact >= -1) & (exact <= size + 1)
        return _exponent(pixel, exact, sigma).softmax(dim=-1), on_map
    if encoding == "cmu":  # pixel i stands for stride * i + stride / 2 - 0.5 in the input image
        centre = exact + 0.5 / stride - 0.5
        reach = (2 * 4.6052) ** 0.5 * sigma
        on_map = ((centre - reach).ceil() < size) & ((centre + reach).floor() >= 0)
        return _gaussian(pixel, centre, sigma), on_map
    if encoding == "megvii":
        joint = exact.floor() if compat == "fixed" else exact.trunc()
        on_map = (joint >= 0) & (joint < size)
        return _blurred(torch.where(on_map, joint, 0.0).long(), size, form.kernel_size, compat), on_map
    if compat == "reference":
        rounded = (mu + 0.5).trunc().to(torch.float64)
        first, past = (rounded - radius).trunc(), (rounded + radius + 1).trunc()
        centre = first + ((2 * radius + 1) / 2).floor()
        on_map = (first < size) & (past >= 0)
        past = torch.minimum(past, first + (2 * radius + 1).ceil())
    else:
        rounded = (mu + 0.5).floor().to(torch.float64)
        first, past = rounded - radius.floor(), rounded + radius.floor() + 1
        centre = rounded
        on_map = (first < size) & (past > 0)
    if encoding == "udp":
        centre = centre + (exact - rounded)
    inside = (pixel >= first[..., None]) & (pixel < past[..., None])
    return _gaussian(pixel, centre, sigma) * inside, on_map


def _exponent(pixel: Tensor, centre: Tensor, sigma: Tensor) -> Tensor:
    return -((pixel - centre[..., None]) ** 2) / (2 * sigma[..., None] ** 2)


def _gaussian(pixel: Tensor, centre: Tensor, sigma: Tensor) -> Tensor:
    return torch.exp(_exponent(pixel, centre, sigma))


def _blurred(joint: Tensor, size: int, kernel_size: int, compat: str) -> Tensor:
    """A 1 at pixel ``joint`` (...), blurred with a mirror at the border, over its value there or its maximum."""
    radius = kernel_size // 2
    delta = torch.nn.functional.one_hot(joint.flatten(), size).to(torch.float64)
    padded = (
        torch.nn.functional.pad(delta[:, None], (radius, radius), mode="reflect")[:, 0] if radius else delta
    )
    blurred = padded.unfold(1, kernel_size, 1) @ gaussian_taps(kernel_size).to(padded)
    peak = (
        blurred.amax(dim=1, keepdim=True) if compat == "mspn" else blurred.gather(1, joint.flatten()[:, None])
    )
    return (blurred / peak).reshape(*joint.shape, size)
