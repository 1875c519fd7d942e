"""Definition of heatmap_decode: the position of each map's maximum, refined below the pixel, on whole maps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from pyposeops.reference.flip_merge import flip_merge
from pyposeops.reference.peak_refine import peak_offset, smoothed, value_at


def heatmap_decode(
    heatmaps: Tensor,
    *,
    refine: str = "quarter",
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
    convention: str = "msra",
) -> tuple[Tensor, Tensor]:
    """Coordinates (B, K, 2) and scores (B, K), as ``pyposeops.heatmap_decode`` documents them."""
    maps = heatmaps if heatmaps.dtype == torch.float64 else heatmaps.float()
    height, width = maps.shape[2:]
    if flipped is not None:
        maps = flip_merge(maps, flipped.to(maps), flip_pairs, shift=shift)
    if blur_kernel is None:
        blur_kernel = 23 if refine == "udp_combined" else 11
    if refine == "udp_combined":
        maps = smoothed(maps, blur_kernel, reflect=True)
    x, y, scores = _maximum(maps)
    found = scores > 0  # false for NaN
    if refine == "megvii":
        x, y, offset = _megvii(smoothed(maps, blur_kernel), x, y, scores)
        scores = scores / 255 + 0.5
    else:
        method = "none" if refine == "udp_combined" else refine
        offset = peak_offset(maps, x, y, method, blur_kernel=blur_kernel)
    if offsets is not None:
        radius = 0.0546875 * max(height, width)
        scale = offset_scale if offset_scale is not None else radius if refine == "udp_combined" else 1.0
        offset = scale * _offsets_at(offsets, flipped_offsets, flip_pairs, shift, x, y, maps.dtype)
        offset = offset.where(offset.isfinite().all(dim=-1, keepdim=True), 0)
    if empty_coord is None:
        empty_coord = -1.0 if refine in ("quarter_mmpose", "megvii", "udp_combined") else 0.0
    coords = (torch.stack((x, y), dim=-1) + offset).where(found[..., None], empty_coord)[..., 0, :]
    return _in_image(coords, (height, width), input_size, convention, affines), scores[..., 0]


def _maximum(maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """x, y and value, each (B, K, 1), of every map's first maximum."""
    index = maps.flatten(2).argmax(dim=2, keepdim=True)
    x, y = index % maps.shape[3], index // maps.shape[3]
    return x, y, value_at(maps, x, y)


def _megvii(smooth: Tensor, x: Tensor, y: Tensor, peaks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The maximum of the smoothed map and what is added to it; (x, y) and nothing where there is none."""
    height, width = smooth.shape[2:]
    smooth_x, smooth_y, maximum = _maximum(smooth)
    moves = peaks.isfinite() & (maximum > 0)
    x, y = smooth_x.where(moves, x), smooth_y.where(moves, y)
    inside = moves & (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
    offset = peak_offset(smooth, x, y, "quarter") + 0.5
    return x, y, offset.where(inside[..., None], 0)


def _offsets_at(
    offsets: Tensor,
    flipped: Tensor | None,
    flip_pairs: Sequence[Sequence[int]],
    shift: bool,
    x: Tensor,
    y: Tensor,
    dtype: torch.dtype,
) -> Tensor:
    """The offsets (B, 2K, H, W) or (B, K, 2, H, W), averaged with the mirrored image's, at (x, y): (B, K, 1, 2)."""
    merged = _by_channel(offsets).to(dtype)
    if flipped is not None:
        merged = flip_merge(merged, _by_channel(flipped).to(dtype), flip_pairs, shift=shift, kind="offset")
    return torch.stack((value_at(merged[:, 0::2], x, y), value_at(merged[:, 1::2], x, y)), dim=-1)


def _by_channel(offsets: Tensor) -> Tensor:
    """(B, 2K, H, W): x and y of one joint after the other."""
    channels: Tensor = offsets.flatten(1, 2) if offsets.ndim == 5 else offsets
    return channels


def _in_image(
    coords: Tensor,
    map_size: Sequence[int],
    input_size: Sequence[int] | None,
    convention: str,
    affines: Tensor | None,
) -> Tensor:
    """Heatmap pixels as pixels of the crop, and of the image that ``affines`` led from; computed in float64."""
    scale, before, after = [1.0, 1.0], 0.0, 0.0
    if input_size is not None:
        last = 1 if convention == "udp" else 0
        before = 0.5 if convention in ("half_pixel", "edge") else 0.0
        after = -0.5 if convention == "half_pixel" else 0.0
        scale = [(crop - last) / (own - last) for crop, own in zip(input_size, map_size, strict=True)]
    crop = (coords.double() + before) * coords.new_tensor(scale[::-1], dtype=torch.float64) + after
    if affines is None:
        return crop.to(coords.dtype)
    linear, translation = affines.double()[:, :, :2], affines.double()[:, :, 2]
    usable = affines.isfinite().all(2).all(1) & (torch.linalg.det(linear) != 0)
    safe = linear.where(usable[:, None, None], torch.eye(2, dtype=torch.float64, device=linear.device))
    image: Tensor = torch.linalg.solve(safe, (crop - translation[:, None]).mT).mT
    return image.where(usable[:, None, None], math.nan).to(coords.dtype)
