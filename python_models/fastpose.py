"""FastPose: ResNet with squeeze-and-excitation, then dense upsampling: convolutions whose channels become pixels.

Tensor names are AlphaPose's.

Source: Fang et al., "AlphaPose: Whole-Body Regional Multi-Person Pose Estimation and Tracking in Real-Time", TPAMI
2022, with its published code. Dense upsampling: Wang et al., "Understanding Convolution for Semantic Segmentation",
WACV 2018. Squeeze-and-excitation: Hu et al., CVPR 2018.
"""

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from python_models.resnet import Bottleneck, ResNet, init_normal
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(
    mean=(
        0.406,
        0.457,
        0.480,
    ),  # ImageNet's means from blue to red, but subtracted from red to blue, as published
    std=(1.0, 1.0, 1.0),
    source="Fang et al., TPAMI 2022, published code",
)
INFO_SE_RESNET101 = replace(INFO, input_size=(320, 256), sigma_px=1.0)
INIT_STD = 0.001


class SqueezeExcitation(nn.Module):
    """Every channel is scaled by what the means of all channels say."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels),
            nn.ReLU(inplace=True),
            nn.Linear(channels, channels),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc(x.mean(dim=(2, 3)))[:, :, None, None]


class SEBottleneck(Bottleneck):
    """A bottleneck that excites its channels where it also changes them: the first block of each stage."""

    def __init__(self, in_channels: int, channels: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__(in_channels, channels, stride, downsample)
        self.se = SqueezeExcitation(channels * self.expansion) if downsample is not None else nn.Identity()

    def residual(self, x: Tensor) -> Tensor:
        return self.se(super().residual(x))


class UnshuffleBottleneck(SEBottleneck):
    """Where the resolution is halved, 2x2 pixels become channels before the 3x3 convolution."""

    def __init__(self, in_channels: int, channels: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__(in_channels, channels, stride, downsample)
        if stride > 1:
            self.conv2 = nn.Sequential(
                nn.PixelUnshuffle(stride),
                nn.Conv2d(channels * stride**2, channels, 3, padding=1, bias=False),
            )


class DenseUpsampling(nn.Module):
    """Features (B, C, h, w) -> (B, channels, 2h, 2w)."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4 * channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(4 * channels)
        self.relu = nn.ReLU(inplace=True)
        self.pixel_shuffle = nn.PixelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.pixel_shuffle(self.relu(self.bn(self.conv(x))))


class FastPose(nn.Module):
    """Image (B, 3, H, W) -> heat maps (B, num_joints, H/4, W/4); H and W multiples of 32.

    Args:
        depth: Of the ResNet, 50 or more.
        num_joints: Number of heat maps.
        trunk: `width` and `blocks` of `ResNet`.
    """

    final_layers = ("conv_out.*",)
    beside_trunk = ("preact.*.se.*",)  # not in ImageNet weights; read by python_models.checkpoints

    def __init__(self, depth: int, *, num_joints: int, **trunk: Any) -> None:
        super().__init__()
        self.preact = ResNet(depth, block=SEBottleneck, **trunk)
        channels = self.preact.out_channels // 4
        self.shuffle = nn.PixelShuffle(2)
        self.duc1 = DenseUpsampling(channels, channels // 2)
        self.duc2 = DenseUpsampling(channels // 2, channels // 4)
        self.conv_out = nn.Conv2d(channels // 4, num_joints, 3, padding=1)
        init_normal(self.conv_out, INIT_STD)

    def forward(self, image: Tensor) -> Tensor:
        x = self.shuffle(self.preact(image))
        return self.conv_out(self.duc2(self.duc1(x)))


class FastPoseDUC(nn.Module):
    """FastPose with a longer way up and no information lost on the way down; sizes as for `FastPose`.

    Args:
        depth: Of the ResNet, 50 or more.
        num_joints: Number of heat maps.
        convolutions: After each of the three enlargements.
        trunk: `width` and `blocks` of `ResNet`.
    """

    final_layers = ("conv_out.*",)

    def __init__(
        self, depth: int, *, num_joints: int, convolutions: tuple[int, int, int] = (4, 2, 1), **trunk: Any
    ) -> None:
        super().__init__()
        self.preact = ResNet(depth, block=UnshuffleBottleneck, **trunk)
        channels = self.preact.out_channels
        for step, count in enumerate(convolutions, 1):
            layers: list[nn.Module] = [nn.PixelShuffle(2)]
            in_channels, channels = channels // 4, channels // 2
            for convolution in range(1, count + 1):
                out_channels = channels if convolution == count else in_channels
                layers += [
                    nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
                    nn.BatchNorm2d(out_channels),
                    nn.ReLU(inplace=True),
                ]
            self.add_module(f"duc{step}", nn.Sequential(*layers))
        self.conv_out = nn.Conv2d(channels, num_joints, 3, padding=1)
        init_normal(self.conv_out, INIT_STD)

    def forward(self, image: Tensor) -> Tensor:
        return self.conv_out(self.duc3(self.duc2(self.duc1(self.preact(image)))))


@register_model(INFO)
def fastpose_res50(*, num_joints: int, **options: Any) -> FastPose:
    return FastPose(50, num_joints=num_joints, **options)


@register_model(INFO)
def fastpose_duc_res50(*, num_joints: int, **options: Any) -> FastPoseDUC:
    return FastPoseDUC(50, num_joints=num_joints, **options)


@register_model(INFO_SE_RESNET101)
def fastpose_se_resnet101(*, num_joints: int, **options: Any) -> FastPose:
    return FastPose(101, num_joints=num_joints, **options)
