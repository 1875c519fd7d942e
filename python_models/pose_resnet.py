"""Simple Baselines: a ResNet, three deconvolutions, one 1x1 convolution to heat maps.

Source: Xiao, Wu, Wei, "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018, section 2.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from python_models.heads import HeadName, make_head
from python_models.resnet import ResNet, init_normal
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(input_size=(256, 192), stride=4, sigma_px=2.0, source="Xiao et al., ECCV 2018")
HEAD_STD = 0.001


def deconvolutions(in_channels: int, channels: Sequence[int]) -> nn.Sequential:
    """Each doubles the resolution; batch norm and ReLU after it."""
    layers: list[nn.Module] = []
    for out_channels in channels:
        layers += [
            nn.ConvTranspose2d(in_channels, out_channels, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        ]
        in_channels = out_channels
    return nn.Sequential(*layers)


class PoseResNet(ResNet):
    """Image (B, 3, H, W) -> heat maps (B, num_joints, H/4, W/4), or what `head` makes of them; H, W multiples of 32.

    Args:
        depth: Depth of the ResNet: 18, 34, 50, 101 or 152.
        num_joints: Number of heat maps.
        deconv_channels: Output channels of the deconvolutions, each of which doubles the resolution.
        head: "heatmaps", or "simcc" for rows of bins (`python_models.heads`).
        input_size: (H, W), for SimCC, which works at one size only.
        trunk: `width` and `blocks` of `ResNet`.
    """

    final_layers = ("final_layer.*",)  # what depends on the joint count; read by python_models.checkpoints

    def __init__(
        self,
        depth: int,
        *,
        num_joints: int,
        deconv_channels: tuple[int, ...] = (256, 256, 256),
        head: HeadName = "heatmaps",
        input_size: tuple[int, int] = (256, 192),
        **trunk: Any,
    ) -> None:
        super().__init__(depth, **trunk)
        self.deconv_layers = deconvolutions(self.out_channels, deconv_channels)
        self.final_layer = nn.Conv2d((self.out_channels, *deconv_channels)[-1], num_joints, 1)
        self.head = make_head(head, input_size, stride=32 // 2 ** len(deconv_channels))
        init_normal(self.deconv_layers, HEAD_STD)
        init_normal(self.final_layer, HEAD_STD)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.final_layer(self.deconv_layers(self.features(image))))


@register_model(INFO)
def pose_resnet18(*, num_joints: int, **options: Any) -> PoseResNet:
    return PoseResNet(18, num_joints=num_joints, **options)


@register_model(INFO)
def pose_resnet34(*, num_joints: int, **options: Any) -> PoseResNet:
    return PoseResNet(34, num_joints=num_joints, **options)


@register_model(INFO)
def pose_resnet50(*, num_joints: int, **options: Any) -> PoseResNet:
    return PoseResNet(50, num_joints=num_joints, **options)


@register_model(INFO)
def pose_resnet101(*, num_joints: int, **options: Any) -> PoseResNet:
    return PoseResNet(101, num_joints=num_joints, **options)


@register_model(INFO)
def pose_resnet152(*, num_joints: int, **options: Any) -> PoseResNet:
    return PoseResNet(152, num_joints=num_joints, **options)
