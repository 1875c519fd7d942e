"""Cascaded Pyramid Network: a feature pyramid finds the easy joints, a second net over all its levels the hard ones.

Tensor names are those of GengDavid/pytorch-cpn.

Source: Chen, Wang, Peng, Zhang, Yu, Sun, "Cascaded Pyramid Network for Multi-Person Pose Estimation", CVPR 2018,
sections 3.2 (GlobalNet) and 3.3 (RefineNet, whose loss counts the hardest joints only).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from python_models.resnet import Bottleneck, ResNet, init_he
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(
    mean=(122.7717 / 255, 115.9465 / 255, 102.9801 / 255),
    std=(1.0, 1.0, 1.0),
    encoding="megvii",
    source="Chen et al., CVPR 2018, sections 3.2 and 3.3",
)


def _conv_norm(in_channels: int, channels: int, size: int) -> list[nn.Module]:
    """Convolution that keeps the size, and batch norm."""
    return [
        nn.Conv2d(in_channels, channels, size, padding=size // 2, bias=False),
        nn.BatchNorm2d(channels),
    ]


def _enlarge(factor: int) -> nn.Module:
    return nn.Upsample(scale_factor=float(factor), mode="bilinear", align_corners=True)


class GlobalNet(nn.Module):
    """Features of four resolutions, the coarsest first -> a pyramid of them, and heat maps of each level.

    Args:
        in_channels: Of the features.
        channels: Of the pyramid.
        num_joints: Number of heat maps; those of all levels have the size of the finest.
    """

    def __init__(self, in_channels: Sequence[int], channels: int, num_joints: int) -> None:
        super().__init__()
        levels = len(in_channels)
        self.laterals = nn.ModuleList(
            nn.Sequential(*_conv_norm(c, channels, 1), nn.ReLU(inplace=True)) for c in in_channels
        )
        self.upsamples = nn.ModuleList(
            nn.Sequential(_enlarge(2), *_conv_norm(channels, channels, 1)) for _ in range(levels - 1)
        )
        self.predict = nn.ModuleList(
            self._predictor(channels, num_joints, 2 ** (levels - 1 - level)) for level in range(levels)
        )

    @staticmethod
    def _predictor(channels: int, num_joints: int, factor: int) -> nn.Sequential:
        score, norm = _conv_norm(channels, num_joints, 3)
        first = nn.Sequential(*_conv_norm(channels, channels, 1), nn.ReLU(inplace=True))
        return nn.Sequential(*first, score, _enlarge(factor), norm)

    def forward(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        pyramid: list[Tensor] = []
        for level, (lateral, x) in enumerate(zip(self.laterals, features, strict=True)):
            x = lateral(x)
            pyramid.append(x + self.upsamples[level - 1](pyramid[-1]) if pyramid else x)
        heatmaps = [predict(x) for predict, x in zip(self.predict, pyramid, strict=True)]
        return pyramid, heatmaps


class RefineBottleneck(Bottleneck):
    """A bottleneck that widens twofold and always projects its shortcut."""

    expansion = 2

    def __init__(self, in_channels: int, channels: int) -> None:
        out_channels = channels * self.expansion
        super().__init__(in_channels, channels, 1, nn.Sequential(*_conv_norm(in_channels, out_channels, 1)))


class RefineNet(nn.Module):
    """A pyramid, the coarsest level first -> heat maps of the finest size; coarser levels pass more blocks.

    Args:
        levels: Of the pyramid.
        channels: Of the pyramid, even.
        num_joints: Number of heat maps.
    """

    def __init__(self, levels: int, channels: int, num_joints: int) -> None:
        super().__init__()
        narrow = channels // RefineBottleneck.expansion
        self.cascade = nn.ModuleList(
            nn.Sequential(*(RefineBottleneck(channels, narrow) for _ in range(count)), _enlarge(2**count))
            for count in range(levels - 1, -1, -1)
        )
        self.final_predict = nn.Sequential(
            RefineBottleneck(levels * channels, narrow), *_conv_norm(channels, num_joints, 3)
        )

    def forward(self, pyramid: Sequence[Tensor]) -> Tensor:
        enlarged = [blocks(x) for blocks, x in zip(self.cascade, pyramid, strict=True)]
        return self.final_predict(torch.cat(enlarged, dim=1))


class CascadedPyramidNetwork(nn.Module):
    """Image (B, 3, H, W) -> four heat maps of GlobalNet and that of RefineNet, each (B, num_joints, H/4, W/4).

    H and W are multiples of 32. GlobalNet's are those of the coarsest features first.

    Args:
        depth: Of the ResNet: 50 or 101 as published.
        num_joints: Number of heat maps.
        channels: Of the pyramid.
        trunk: `width` and `blocks` of `ResNet`.
    """

    final_layers = (
        "global_net.predict.*.3.*",
        "global_net.predict.*.5.*",
        "refine_net.final_predict.1.*",
        "refine_net.final_predict.2.*",
    )

    def __init__(self, depth: int, *, num_joints: int, channels: int = 256, **trunk: Any) -> None:
        super().__init__()
        self.resnet = ResNet(depth, **trunk)
        coarse_to_fine = [self.resnet.out_channels // 2**level for level in range(4)]
        self.global_net = GlobalNet(coarse_to_fine, channels, num_joints)
        self.refine_net = RefineNet(len(coarse_to_fine), channels, num_joints)
        init_he(self.global_net, "fan_out")
        init_he(self.refine_net, "fan_out")

    def forward(self, image: Tensor) -> list[Tensor]:
        pyramid, heatmaps = self.global_net(self.resnet.pyramid(image)[::-1])
        return [*heatmaps, self.refine_net(pyramid)]


@register_model(INFO)
def cpn50(*, num_joints: int, **options: Any) -> CascadedPyramidNetwork:
    return CascadedPyramidNetwork(50, num_joints=num_joints, **options)


@register_model(INFO)
def cpn101(*, num_joints: int, **options: Any) -> CascadedPyramidNetwork:
    return CascadedPyramidNetwork(101, num_joints=num_joints, **options)
