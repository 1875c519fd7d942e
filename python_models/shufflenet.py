"""ShuffleNetV2 with 5x5 kernels: half of the channels pass a block, then both halves are mixed.

Source: Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", ECCV 2018, section 4;
widths and kernels of Kreiss et al., "OpenPifPaf", T-ITS 2021.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from python_models.resnet import init_he

KERNEL = 5


def _pointwise(in_channels: int, channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    ]


def _depthwise(channels: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, channels, KERNEL, stride, padding=KERNEL // 2, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
    ]


class ShuffleBlock(nn.Module):
    """(B, in_channels, H, W) -> (B, channels, H / stride, W / stride); at stride 1 both counts are equal."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        half = channels // 2
        through = half if stride == 1 else in_channels
        self.branch1 = nn.Sequential(
            *([] if stride == 1 else [*_depthwise(in_channels, stride), *_pointwise(in_channels, half)])
        )
        self.branch2 = nn.Sequential(
            *_pointwise(through, half), *_depthwise(half, stride), *_pointwise(half, half)
        )
        self.splits = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        kept, changed = x.chunk(2, dim=1) if self.splits else (x, x)
        halves = torch.stack([self.branch1(kept), self.branch2(changed)], dim=2)
        return halves.flatten(1, 2)  # one channel of each in turn


class ShuffleNetV2K(nn.Module):
    """Image (B, 3, H, W) -> features (B, `out_channels`, H/16, W/16).

    Args:
        blocks: Blocks of the three stages.
        channels: Of the first convolution, of the three stages and of the last convolution.
    """

    def __init__(self, blocks: Sequence[int], channels: Sequence[int]) -> None:
        super().__init__()
        first, *stages, self.out_channels = channels
        self.input_block = nn.Sequential(
            nn.Sequential(
                nn.Conv2d(3, first, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(first),
                nn.ReLU(inplace=True),
            )
        )
        self.stage2, self.stage3, self.stage4 = (
            nn.Sequential(ShuffleBlock(into, out, 2), *(ShuffleBlock(out, out, 1) for _ in range(count - 1)))
            for into, out, count in zip((first, *stages[:-1]), stages, blocks, strict=True)
        )
        self.conv5 = nn.Sequential(*_pointwise(stages[-1], self.out_channels))
        init_he(self, mode="fan_out")

    def forward(self, image: Tensor) -> Tensor:
        return self.conv5(self.stage4(self.stage3(self.stage2(self.input_block(image)))))
