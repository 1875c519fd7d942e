"""Convolutional Pose Machines as mmpose builds and trains them: batch norm, no background map, no centre map.

Tensor names are mmpose's.

Source: Wei et al., "Convolutional Pose Machines", CVPR 2016, section 3, with the changes of mmpose.
"""

from typing import Any

import torch
from torch import Tensor, nn

from python_models.errors import UserError
from python_models.resnet import init_normal
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(size_multiple=8, stride=8, source="Wei et al., CVPR 2016, as in mmpose")
INIT_STD = 0.001


class ConvNormReLU(nn.Module):
    """Convolution that keeps the size, batch norm, ReLU."""

    def __init__(self, in_channels: int, channels: int, size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, size, padding=size // 2, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(x)))


class Score(nn.Module):
    """1x1 convolution to heat maps."""

    def __init__(self, in_channels: int, num_joints: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, num_joints, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def _image_layers(width: int) -> list[nn.Module]:
    """Image -> (B, width, H/8, W/8)."""
    layers: list[nn.Module] = []
    for in_channels in (3, width, width):
        layers += [ConvNormReLU(in_channels, width, 9), nn.MaxPool2d(3, stride=2, padding=1)]
    return layers


class Stage(nn.Module):
    """Context of the image and the heat maps of the stage before -> features of the same size."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.model = nn.Sequential(
            ConvNormReLU(in_channels, width, 11),
            ConvNormReLU(width, width, 11),
            ConvNormReLU(width, width, 11),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Backbone(nn.Module):
    """All of the network; the name is what mmpose's tensors begin with."""

    def __init__(self, num_joints: int, stages: int, width: int) -> None:
        super().__init__()
        context, later = width // 4, range(stages - 1)
        self.stem = nn.Sequential(
            *_image_layers(width),
            ConvNormReLU(width, context, 5),
            ConvNormReLU(context, 4 * width, 9),
            ConvNormReLU(4 * width, 4 * width, 1),
            Score(4 * width, num_joints),
        )
        self.middle = nn.Sequential(*_image_layers(width))
        self.cpm_stages = nn.ModuleList(Stage(context + num_joints, width) for _ in later)
        self.middle_conv = nn.ModuleList(nn.Sequential(ConvNormReLU(width, context, 5)) for _ in later)
        self.out_convs = nn.ModuleList(
            nn.Sequential(ConvNormReLU(width, width, 1), Score(width, num_joints)) for _ in later
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        outputs, features = [self.stem(image)], self.middle(image)
        for context, stage, score in zip(self.middle_conv, self.cpm_stages, self.out_convs, strict=True):
            outputs.append(score(stage(torch.cat([outputs[-1], context(features)], dim=1))))
        return outputs


class ConvolutionalPoseMachineMMPose(nn.Module):
    """Image (B, 3, H, W) -> heat maps of each stage, (B, num_joints, H/8, W/8); H and W multiples of 8.

    Args:
        num_joints: Number of heat maps.
        stages: 2 or more; 6 as published.
        width: Channels of the first layers; the others follow.
    """

    final_layers = (
        "backbone.stem.9.*",
        "backbone.out_convs.*.1.*",
        "backbone.cpm_stages.*.model.0.conv.weight",
    )

    def __init__(self, *, num_joints: int, stages: int = 6, width: int = 128) -> None:
        super().__init__()
        if stages < 2:
            raise UserError(f"stages: expected 2 or more, got {stages}")
        self.backbone = Backbone(num_joints, stages, width)
        init_normal(self, INIT_STD)

    def forward(self, image: Tensor) -> list[Tensor]:
        return self.backbone(image)


@register_model(INFO)
def cpm_mmpose(*, num_joints: int, **options: Any) -> ConvolutionalPoseMachineMMPose:
    return ConvolutionalPoseMachineMMPose(num_joints=num_joints, **options)
