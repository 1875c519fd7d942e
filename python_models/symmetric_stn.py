"""RMPE's symmetric spatial transformer around a network for one person: boxes that miss the person are mended.

A localisation network looks at the crop and gives theta; the spatial transformer (STN) cuts the crop again by it; the
network finds the joints there; the inverse transform (SDTN) brings its heat maps back, so that from outside the whole
is a network like any other.

Source: Fang, Xie, Tai and Lu, "RMPE: Regional Multi-person Pose Estimation", ICCV 2017, section 3.2.
"""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

import pyposeops
from python_models.map_grid import Grid, MapAxis
from python_models.resnet import ResNet


class Branches(NamedTuple):
    """What training looks at; maps (N, K, h, w) of every supervised stage."""

    maps: list[Tensor]  # in the frame of the crops
    parallel: list[Tensor]  # of the fixed network, in the frame that the localisation network chose
    theta: Tensor  # (N, 2, 3)


class Localisation(nn.Module):
    """Crops (N, 3, H, W) -> theta (N, 2, 3); it starts as the identity.

    The trunk is a ResNet-18, as in the published code; `width` is that of its stem, 64 there.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.trunk = ResNet(18, width=width)
        self.theta = nn.Linear(self.trunk.out_channels, 6)
        nn.init.zeros_(self.theta.weight)
        with torch.no_grad():
            self.theta.bias.copy_(torch.eye(2, 3).flatten())

    def forward(self, crops: Tensor) -> Tensor:
        features = self.trunk(crops).mean((2, 3))
        # Half precision would move the crop by up to a pixel in 256.
        with torch.autocast(crops.device.type, enabled=False):
            theta: Tensor = self.theta(features.to(self.theta.weight.dtype))
        return theta.unflatten(1, (2, 3))


class SymmetricPoseNetwork(nn.Module):
    """Crops (N, 3, H, W) -> heat maps as `pose` gives them, in the frame of the crops.

    Args:
        localisation: Crops -> theta (N, 2, 3), as `pyposeops.spatial_transformer` takes it.
        pose: A network of heat maps, one tensor or a list of one for each stage.
        grid: How its maps lie on the crops, see `ModelCard.grid`.

    Attributes:
        parallel: The fixed network of the parallel branch, with which only training is concerned. It is part of the
            weights, so that a run can be resumed.
    """

    def __init__(self, localisation: nn.Module, pose: nn.Module, grid: Grid) -> None:
        super().__init__()
        self.localisation, self.pose, self.grid = localisation, pose, grid
        self.parallel = copy.deepcopy(pose).requires_grad_(False).eval()

    @property
    def final_layers(self) -> tuple[str, ...]:
        """Patterns of the tensors whose size depends on the joint count."""
        return tuple(f"{own}.{name}" for own in ("pose", "parallel") for name in self.pose.final_layers)

    def forward(self, crops: Tensor) -> Tensor | list[Tensor]:
        theta = self.localisation(crops)
        output = self.pose(pyposeops.spatial_transformer(crops, theta))
        if isinstance(output, Tensor):
            return self.brought_back(output, theta, crops.shape[-2:])
        return [self.brought_back(maps, theta, crops.shape[-2:]) for maps in output]

    def branches(self, crops: Tensor) -> Branches:
        """Both branches of training; gradients pass through the fixed network to theta."""
        theta = self.localisation(crops)
        seen = pyposeops.spatial_transformer(crops, theta)
        maps = [self.brought_back(own, theta, crops.shape[-2:]) for own in _stages(self.pose(seen))]
        return Branches(maps, _stages(self.parallel(seen)), theta)

    def brought_back(self, maps: Tensor, theta: Tensor, crop_size: Sequence[int]) -> Tensor:
        """Maps of the transformed crops in the frame of the crops."""
        return pyposeops.paste_back(maps, theta_of_maps(theta, crop_size, maps.shape[-2:], self.grid))

    def fix_parallel(self) -> None:
        """Give the parallel branch the weights that the network has now."""
        self.parallel.load_state_dict(self.pose.state_dict())

    def train(self, mode: bool = True) -> "SymmetricPoseNetwork":
        super().train(mode)
        self.parallel.eval()  # its batch-norm statistics are fixed too
        return self


def _stages(output: Tensor | Sequence[Tensor]) -> list[Tensor]:
    return [output] if isinstance(output, Tensor) else list(output)


def theta_of_maps(theta: Tensor, crop_size: Sequence[int], map_size: Sequence[int], grid: Grid) -> Tensor:
    """The theta that does to heat maps what `theta` does to the crops they are of.

    They are the same where crop and map share their edges (`half_pixel`). On the other grids (see `MapAxis`) a zoom
    around the middle of the crop is one around another place of the map.

    Args:
        theta: (N, 2, 3), as `pyposeops.spatial_transformer` takes it for crops.
        crop_size, map_size: (height, width).
        grid: See above.

    Returns:
        (N, 2, 3).
    """
    scales, shifts = [], []
    for crop, cells in zip(reversed(crop_size), reversed(map_size), strict=True):  # x, then y
        axis = MapAxis.of(crop, cells, grid)
        middle = (crop - 1) / 2 * axis.per_pixel + axis.first  # of the crop, in pixels of the map
        scales.append(axis.per_pixel * crop / cells)
        shifts.append((2 * middle + 1) / cells - 1)
    scale, shift = theta.new_tensor(scales), theta.new_tensor(shifts)
    linear = theta[..., :2] * (scale[:, None] / scale)
    moved = theta[..., 2] * scale + shift - (linear * shift).sum(2)
    return torch.cat([linear, moved[..., None]], dim=2)
