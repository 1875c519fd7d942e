"""One large hourglass of basic blocks, as CornerNet builds it; the one whose weights mmpose publishes.

Source: Law, Deng, "CornerNet: Detecting Objects as Paired Keypoints", ECCV 2018, section 3.5, with a head for the
joints of one person as in mmpose.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from python_models.resnet import BasicBlock, residual_stage
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(input_size=(256, 256), size_multiple=128, source="Law and Deng, ECCV 2018, section 3.5")
CHANNELS = (256, 256, 384, 384, 384, 512)  # of the resolutions of the hourglass, the finest first
BLOCKS = (2, 2, 2, 2, 2, 4)


def conv_norm_relu(in_channels: int, channels: int, size: int, stride: int = 1) -> nn.Module:
    """Convolution, batch norm, ReLU."""
    block = nn.Sequential()
    block.add_module("conv", nn.Conv2d(in_channels, channels, size, stride, padding=size // 2, bias=False))
    block.add_module("bn", nn.BatchNorm2d(channels))
    block.add_module("relu", nn.ReLU(inplace=True))
    return block


def _widening_last(in_channels: int, channels: int, count: int) -> nn.Sequential:
    """Basic blocks of which the last one changes the channels."""
    same = residual_stage(BasicBlock, in_channels, in_channels, count - 1, stride=1)
    return nn.Sequential(*same, *residual_stage(BasicBlock, in_channels, channels, 1, stride=1))


class Hourglass(nn.Module):
    """Features (B, channels[0], h, w) -> the same shape."""

    def __init__(self, channels: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        (fine, coarse), count = channels[:2], blocks[0]
        self.up1 = residual_stage(BasicBlock, fine, fine, count, stride=1)
        self.low1 = residual_stage(BasicBlock, fine, coarse, count, stride=2)
        self.low2 = (
            Hourglass(channels[1:], blocks[1:])
            if len(channels) > 2
            else residual_stage(BasicBlock, coarse, coarse, blocks[1], stride=1)
        )
        self.low3 = _widening_last(coarse, fine, count)

    def forward(self, x: Tensor) -> Tensor:
        low = self.low3(self.low2(self.low1(x)))
        return self.up1(x) + functional.interpolate(low, scale_factor=2.0, mode="nearest")


class CornerHourglass(nn.Module):
    """Image (B, 3, H, W) -> heat maps (B, num_joints, H/4, W/4); H and W multiples of 128.

    Args:
        num_joints: Number of heat maps.
        channels: Of each resolution, the finest first.
        blocks: At each place of each resolution.
    """

    final_layers = ("multi_final_layers.*",)

    def __init__(
        self, *, num_joints: int, channels: Sequence[int] = CHANNELS, blocks: Sequence[int] = BLOCKS
    ) -> None:
        super().__init__()
        features = channels[0]
        self.stem = nn.Sequential(
            conv_norm_relu(3, features // 2, 7, 2),
            residual_stage(BasicBlock, features // 2, features, 1, stride=2),
        )
        self.hourglass_modules = nn.ModuleList([Hourglass(channels, blocks)])
        # Leads to a second hourglass, which this network does not have; checkpoints hold it all the same.
        self.inters = residual_stage(BasicBlock, features, features, 1, stride=1).requires_grad_(False)
        self.out_convs = nn.ModuleList([conv_norm_relu(features, features, 3)])
        self.multi_final_layers = nn.ModuleList([nn.Conv2d(features, num_joints, 1)])

    def forward(self, image: Tensor) -> Tensor:
        x = self.hourglass_modules[0](self.stem(image))
        return self.multi_final_layers[0](self.out_convs[0](x))


@register_model(INFO)
def hourglass52(*, num_joints: int, **options: Any) -> CornerHourglass:
    return CornerHourglass(num_joints=num_joints, **options)
