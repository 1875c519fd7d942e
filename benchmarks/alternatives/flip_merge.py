"""How projects average heatmaps with those of the mirrored image, written afresh from the formulas."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

Array: TypeAlias = np.ndarray[Any, Any]

COCO_PAIRS = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16))
_ORDER = [0, *(joint for left, right in COCO_PAIRS for joint in (right, left))]


def numpy_merge(heatmaps: Array, flipped: Array) -> Array:
    """HRNet: mirrored, exchanged pair by pair, shifted, averaged; without its copies between the devices."""
    back = flipped[:, :, :, ::-1].copy()
    for left, right in COCO_PAIRS:
        kept = back[:, left].copy()
        back[:, left] = back[:, right]
        back[:, right] = kept
    back[:, :, :, 1:] = back.copy()[:, :, :, :-1]
    merged: Array = (heatmaps + back) * 0.5
    return merged


def torch_merge(heatmaps: Tensor, flipped: Tensor) -> Tensor:
    """mmpose: mirrored and exchanged by an index, shifted, averaged."""
    back = flipped.flip(-1)[:, _ORDER]
    back = torch.cat((back[..., :1], back[..., :-1]), dim=-1)
    return (heatmaps + back) * 0.5
