"""What the operators that suppress people share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Ties = Literal["stable", "numpy_reversed"]
TIES = {"stable": 0, "numpy_reversed": 1}  # enum class Ties in csrc/core/ranked_people.h


def sigmas_beside(sigmas: Tensor | Sequence[float], keypoints: Tensor) -> Tensor:
    """A tensor as it is, numbers in float64 on the device of the keypoints."""
    if isinstance(sigmas, Tensor):
        return sigmas
    return torch.tensor(tuple(sigmas), dtype=torch.float64, device=keypoints.device)
