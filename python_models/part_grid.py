"""How the maps of DeepCut's networks lie on their input, and the length that others scale with."""

from typing import NamedTuple

import torch
from torch import Tensor

from python_models.model_card import ModelCard
from python_models.zoo import model_info

# Cells within it show a joint, where people are as large as DeepCut's: about 340 pixels high.
RADIUS_PX = 17.0


class PartGrid(NamedTuple):
    """Cells in pixels of the network's input."""

    stride_px: float  # from one cell to the next
    first_px: float  # place of the first one, along both axes
    radius_px: float  # cells so near to a joint show it

    @classmethod
    def of(cls, card: ModelCard) -> "PartGrid":
        """The grid of a network: DeepCut's starts at the corner, DeeperCut's half a cell from it."""
        info = model_info(card.model)
        first_px = 0.0 if info.extra_cells else info.stride / 2
        return cls(float(info.stride), first_px, card.sigma_px * info.stride)

    @property
    def scale(self) -> float:
        """How large people are beside those that the published lengths are for."""
        return self.radius_px / RADIUS_PX

    def places(self, rows: int, columns: int, device: torch.device | str = "cpu") -> Tensor:
        """(rows, columns, 2): x and y of every cell, float32; made on the device, without waiting for it."""
        sides = (torch.arange(side, device=device) for side in (rows, columns))
        y, x = torch.meshgrid(*sides, indexing="ij")
        return self.stride_px * torch.stack([x, y], dim=-1).float() + self.first_px
