"""Lightweight OpenPose: part affinity fields and heat maps from a MobileNet, with one trunk for both branches.

Tensor names are those of the authors' code.

Source: Osokin, "Real-time 2D Multi-Person Pose Estimation on CPU: Lightweight OpenPose", ICPRAM 2019, section 4.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from python_models.maps import PartAffinityMaps
from python_models.openpose import COCO_LIMBS, SCORE_STD
from python_models.openpose import INFO as OPENPOSE_INFO
from python_models.resnet import init_he, init_normal
from python_models.zoo import ModelInfo, register_model

INFO: ModelInfo = replace(OPENPOSE_INFO, source="Osokin, ICPRAM 2019, section 4")
# Of MobileNet v1's separable convolutions: channels in units of the first layer's, stride, dilation. The last strides
# of the classifier are dilations here, so that the resolution stays H/8.
MOBILENET = ((2, 1, 1), (4, 2, 1), (4, 1, 1), (8, 2, 1), (8, 1, 1), (16, 1, 1), (16, 1, 2), *[(16, 1, 1)] * 4)


def conv(
    in_channels: int,
    channels: int,
    size: int = 3,
    *,
    dilation: int = 1,
    norm: bool = False,
    relu: bool = True,
) -> nn.Sequential:
    """A convolution that keeps the size, with bias; batch norm and ReLU where asked for."""
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, channels, size, padding=dilation * (size // 2), dilation=dilation)
    ]
    layers += [nn.BatchNorm2d(channels)] if norm else []
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if relu else []))


def separable(in_channels: int, channels: int, stride: int, dilation: int) -> nn.Sequential:
    """A 3x3 convolution of each channel by itself, then a 1x1 of all, each with batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(
            in_channels, in_channels, 3, stride, dilation, dilation=dilation, groups=in_channels, bias=False
        ),
        nn.BatchNorm2d(in_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(in_channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


def separable_elu(channels: int) -> nn.Sequential:
    """The same without batch norm and with ELUs."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.ELU(inplace=True),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.ELU(inplace=True),
    )


class Context(nn.Module):
    """From the trunk's channels to those of the stages."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.align = conv(in_channels, channels, 1)
        self.trunk = nn.Sequential(*(separable_elu(channels) for _ in range(3)))
        self.conv = conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.align(x)
        return self.conv(x + self.trunk(x))


class RefinementBlock(nn.Module):
    """Sees as far as a 7x7 convolution: 3x3, dilated 3x3 and a shortcut."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.initial = conv(in_channels, channels, 1)
        self.trunk = nn.Sequential(
            conv(channels, channels, norm=True), conv(channels, channels, dilation=2, norm=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.initial(x)
        return x + self.trunk(x)


class Stage(nn.Module):
    """A trunk, and two 1x1 convolutions for each of the two kinds of maps."""

    def __init__(self, trunk: nn.Sequential, channels: int, hidden: int, heatmaps: int, pafs: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.heatmaps = nn.Sequential(conv(channels, hidden, 1), conv(hidden, heatmaps, 1, relu=False))
        self.pafs = nn.Sequential(conv(channels, hidden, 1), conv(hidden, pafs, 1, relu=False))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.trunk(x)
        return self.heatmaps(x), self.pafs(x)


class LightweightOpenPose(nn.Module):
    """Image (B, 3, H, W), H and W multiples of 8 -> `PartAffinityMaps`, one pair of maps for each stage.

    Args:
        num_joints: Number of joints; there is one heat map more, the background.
        num_limbs: Each has a field of two maps, x and y.
        refinements: Stages after the first; 1 as published.
        width: Channels of the first layer; the others follow.
    """

    final_layers = ("*.heatmaps.1.*", "*.pafs.1.*", "refinement_stages.*.trunk.0.initial.*")

    def __init__(
        self, *, num_joints: int, num_limbs: int = COCO_LIMBS, refinements: int = 1, width: int = 32
    ) -> None:
        super().__init__()
        channels, heatmaps, pafs = 4 * width, num_joints + 1, 2 * num_limbs
        layers = [
            nn.Sequential(
                nn.Conv2d(3, width, 3, 2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
            )
        ]
        into = width
        for factor, stride, dilation in MOBILENET:
            layers.append(separable(into, factor * width, stride, dilation))
            into = factor * width
        self.model = nn.Sequential(*layers)
        self.cpm = Context(into, channels)
        trunk = nn.Sequential(*(conv(channels, channels) for _ in range(3)))
        self.initial_stage = Stage(trunk, channels, 4 * channels, heatmaps, pafs)
        self.refinement_stages = nn.ModuleList(
            Stage(_refinement(channels + heatmaps + pafs, channels), channels, channels, heatmaps, pafs)
            for _ in range(refinements)
        )
        init_he(self)
        for stage in (self.initial_stage, *self.refinement_stages):
            init_normal(stage.heatmaps[-1], SCORE_STD)
            init_normal(stage.pafs[-1], SCORE_STD)

    def forward(self, image: Tensor) -> PartAffinityMaps:
        features = self.cpm(self.model(image))
        heatmaps, pafs = self.initial_stage(features)
        output = PartAffinityMaps([heatmaps], [pafs])
        for stage in self.refinement_stages:
            heatmaps, pafs = stage(torch.cat([features, heatmaps, pafs], dim=1))
            output.heatmaps.append(heatmaps)
            output.pafs.append(pafs)
        return output


def _refinement(in_channels: int, channels: int) -> nn.Sequential:
    later = [RefinementBlock(channels, channels) for _ in range(4)]
    return nn.Sequential(RefinementBlock(in_channels, channels), *later)


@register_model(INFO)
def lightweight_openpose(*, num_joints: int, **options: Any) -> LightweightOpenPose:
    return LightweightOpenPose(num_joints=num_joints, **options)
