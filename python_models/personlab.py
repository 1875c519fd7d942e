"""PersonLab's mobile variant, known as PoseNet: scores, and vectors from joint to joint, from a MobileNet.

Batch norm is folded into the published weights; names are those of rwightman/posenet-pytorch.

Source: Papandreou et al., "PersonLab: Person Pose Estimation and Instance Segmentation with a Bottom-Up, Part-Based,
Geometric Embedding Model", ECCV 2018, section 3; Howard et al., "MobileNets", 2017, table 1.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from python_models.maps import PartOffsetMaps
from python_models.resnet import init_he, init_normal
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(
    input_size=(513, 513),
    size_multiple=1,
    stride=16,
    extra_cells=1,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
    output="maps",
    input="image",
    source="Papandreou et al., ECCV 2018, section 3",
)
STRIDES = (
    1,
    2,
    1,
    2,
    1,
    2,
    *[1] * 5,
    1,
    1,
)  # of the separable convolutions; the classifier's last one is left out
HEAD_STD = 0.01


class Plain(nn.Module):
    """The first convolution, at half the resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, stride=2, padding=1)
        self.relu = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.conv(x))


class Separable(nn.Module):
    """A 3x3 convolution of each channel by itself, then a 1x1 of all."""

    def __init__(self, in_channels: int, channels: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, 3, stride, padding=dilation, dilation=dilation, groups=in_channels
        )
        self.pointwise = nn.Conv2d(in_channels, channels, 1)
        self.relu = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.pointwise(self.relu(self.depthwise(x))))


class PersonLab(nn.Module):
    """Image (B, 3, H, W), best of sizes 16 n + 1 -> `PartOffsetMaps` of ceil(H / 16) rows and ceil(W / 16) columns.

    Args:
        num_joints: Number of joints; the tree has one edge less.
        channels: Of the convolutions from the first one on.
        last_dilation: Of the last one: 2 where the classifier has a stride before it.
    """

    final_layers = ("heatmap.*", "offset.*", "displacement_*")

    def __init__(self, *, num_joints: int, channels: Sequence[int], last_dilation: int = 1) -> None:
        super().__init__()
        dilations = (*[1] * (len(STRIDES) - 1), last_dilation)
        layers = zip(channels[:-1], channels[1:], STRIDES, dilations, strict=True)
        self.features = nn.ModuleDict(
            {
                "conv0": Plain(channels[0]),
                **{f"conv{index}": Separable(*numbers) for index, numbers in enumerate(layers, start=1)},
            }
        )
        last, edges = channels[-1], num_joints - 1
        self.heatmap = nn.Conv2d(last, num_joints, 1)
        self.offset = nn.Conv2d(last, 2 * num_joints, 1)
        self.displacement_fwd = nn.Conv2d(last, 2 * edges, 1)
        self.displacement_bwd = nn.Conv2d(last, 2 * edges, 1)
        init_he(self)
        for head in (self.heatmap, self.offset, self.displacement_fwd, self.displacement_bwd):
            init_normal(head, HEAD_STD)

    def forward(self, image: Tensor) -> PartOffsetMaps:
        x = image
        for layer in self.features.values():
            x = layer(x)
        return PartOffsetMaps(
            [self.heatmap(x)], [self.offset(x)], [self.displacement_fwd(x)], [self.displacement_bwd(x)]
        )


def mobilenet_channels(width: int, last: int) -> tuple[int, ...]:
    """Channels of MobileNet v1 whose first layer has `width`; the last two layers have `last`."""
    doublings = (1, 2, 4, 4, 8, 8, *[16] * 6)
    return (*(width * factor for factor in doublings), last, last)


@register_model(INFO)
def personlab_mobilenet_v1_050(
    *, num_joints: int, channels: Sequence[int] = mobilenet_channels(16, 256), **options: Any
) -> PersonLab:
    return PersonLab(num_joints=num_joints, channels=channels, **options)


@register_model(INFO)
def personlab_mobilenet_v1_075(
    *, num_joints: int, channels: Sequence[int] = mobilenet_channels(24, 384), **options: Any
) -> PersonLab:
    return PersonLab(num_joints=num_joints, channels=channels, **options)


@register_model(INFO)
def personlab_mobilenet_v1_101(
    *, num_joints: int, channels: Sequence[int] = mobilenet_channels(32, 1024), **options: Any
) -> PersonLab:
    return PersonLab(num_joints=num_joints, channels=channels, last_dilation=2, **options)
