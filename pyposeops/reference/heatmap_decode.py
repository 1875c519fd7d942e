"""Definition of heatmap_decode: the position of each map's maximum, refined below the pixel, on whole maps."""

from __future__ import annotations

import torch
from torch import Tensor

from pyposeops.reference.peak_refine import peak_offset, value_at


def heatmap_decode(
    heatmaps: Tensor,
    *,
    refine: str = "quarter",
    blur_kernel: int = 11,
    empty_coord: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Coordinates (B, K, 2) and scores (B, K), as ``pyposeops.heatmap_decode`` documents them."""
    maps = heatmaps if heatmaps.dtype == torch.float64 else heatmaps.float()
    width = maps.shape[3]
    index = maps.flatten(2).argmax(dim=2, keepdim=True)
    x, y = index % width, index // width
    scores = value_at(maps, x, y)
    pixels = torch.stack((x, y), dim=-1)
    if empty_coord is None:
        empty_coord = -1.0 if refine == "quarter_mmpose" else 0.0
    found = scores > 0  # false for NaN
    coords = pixels + peak_offset(maps, x, y, refine, blur_kernel=blur_kernel)
    return coords.where(found[..., None], empty_coord)[..., 0, :], scores[..., 0]
