"""Definition of flip_merge in plain PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Of each kind of map: channels per joint, and which of them holds distances along x.
KINDS: dict[str, tuple[int, int | None]] = {"heatmap": (1, None), "udp_combined": (3, 1), "offset": (2, 0)}


def flip_merge(
    heatmaps: Tensor,
    flipped: Tensor,
    flip_pairs: Sequence[Sequence[int]],
    *,
    shift: bool = False,
    kind: str = "heatmap",
) -> Tensor:
    """The merged maps (B, C, H, W), as ``pyposeops.flip_merge`` documents them."""
    wide = torch.float64 if heatmaps.dtype == torch.float64 else torch.float32
    back = flip_back(flipped.to(wide), flip_pairs, shift=shift, kind=kind)
    return (0.5 * (heatmaps.to(wide) + back)).to(heatmaps.dtype)


def flip_back(
    flipped: Tensor, flip_pairs: Sequence[Sequence[int]], *, shift: bool = False, kind: str = "heatmap"
) -> Tensor:
    """Maps (B, C, H, W) of the mirrored image, brought back into place."""
    per_joint, negated = KINDS[kind]
    parts = flipped.unflatten(1, (-1, per_joint))
    order = list(range(parts.shape[1]))
    for left, right in flip_pairs:
        order[left], order[right] = right, left
    back = parts[:, order].flip(-1)
    if negated is not None:
        sign = back.new_ones(per_joint)
        sign[negated] = -1
        back = back * sign[:, None, None]
    if shift:
        back = torch.cat((back[..., :1], back[..., :-1]), dim=-1)
    merged: Tensor = back.flatten(1, 2)
    return merged
