"""What can follow the last layer of a network of heat maps, chosen by its option `head`."""

from typing import Literal

import torch
from torch import Tensor, nn

from python_models.errors import UserError

HeadName = Literal["heatmaps", "simcc"]
SPLIT_RATIO = 2.0  # bins of SimCC per crop pixel
SIGMA_BINS = 6.0  # standard deviation of SimCC's labels
LINEAR_STD = 0.01


class SimccHead(nn.Module):
    """Maps (B, K, h, w) -> logits (B, K, X + Y) over bins along x, then along y; the two layers serve all joints.

    Args:
        map_size: (h, w).
        input_size: (height, width) of the crop; X and Y are its width and height times SPLIT_RATIO.

    Source: Li et al., "SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation", ECCV 2022,
    section 3.1.
    """

    def __init__(self, map_size: tuple[int, int], input_size: tuple[int, int]) -> None:
        super().__init__()
        self.map_size = map_size
        pixels = map_size[0] * map_size[1]
        height, width = input_size
        self.x = nn.Linear(pixels, round(width * SPLIT_RATIO))
        self.y = nn.Linear(pixels, round(height * SPLIT_RATIO))
        for layer in (self.x, self.y):
            nn.init.normal_(layer.weight, std=LINEAR_STD)
            nn.init.zeros_(layer.bias)

    def forward(self, maps: Tensor) -> Tensor:
        if maps.shape[-2:] != self.map_size:
            got = tuple(maps.shape[-2:])
            raise ValueError(f"image: SimCC was built for maps of {self.map_size} pixels, got {got}")
        flat = maps.flatten(2)
        return torch.cat([self.x(flat), self.y(flat)], dim=-1)


def make_head(name: HeadName, input_size: tuple[int, int], stride: int) -> nn.Module:
    """What follows heat maps of `input_size` over `stride` pixels: nothing, or SimCC's layers.

    Raises: UserError for an unknown name.
    """
    if name == "heatmaps":
        return nn.Identity()
    if name == "simcc":
        return SimccHead((input_size[0] // stride, input_size[1] // stride), input_size)
    raise UserError(f"head: expected heatmaps or simcc, got {name!r}")


def simcc_rows(logits: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """(B, K, X) and (B, K, Y) of a SimccHead for crops of `width` pixels."""
    bins = round(width * SPLIT_RATIO)
    return logits[..., :bins], logits[..., bins:]
