"""Stacked hourglasses as the authors published them in PyTorch: another stem, and a 1x1 beside every residual.

Tensor names are those of princeton-vl/pytorch_stacked_hourglass.

Source: Newell, Yang, Deng, "Stacked Hourglass Networks for Human Pose Estimation", ECCV 2016, section 3.
"""

from typing import Any

from torch import Tensor, nn

from python_models.errors import require_positive
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(
    input_size=(256, 256),
    size_multiple=64,
    sigma_px=1.0,
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    source="Newell et al., ECCV 2016, section 3",
)
DEPTH = 4  # halvings in an hourglass


class Conv(nn.Module):
    """Convolution that keeps the size at stride 1, then batch norm and ReLU where `norm`."""

    def __init__(
        self, in_channels: int, channels: int, size: int = 1, stride: int = 1, *, norm: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, size, stride, padding=size // 2)
        self.bn = nn.BatchNorm2d(channels) if norm else None
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x if self.bn is None else self.relu(self.bn(x))


class Residual(nn.Module):
    """Batch norm and ReLU before each of 1x1, 3x3 and 1x1; the shortcut has a 1x1 where channels change."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = Conv(in_channels, half)
        self.bn2 = nn.BatchNorm2d(half)
        self.conv2 = Conv(half, half, 3)
        self.bn3 = nn.BatchNorm2d(half)
        self.conv3 = Conv(half, channels)
        self.relu = nn.ReLU(inplace=True)
        # Where channels stay, checkpoints hold a 1x1 that the network never applies: it is kept and not trained.
        self.skip_layer = Conv(in_channels, channels)
        self.skips = in_channels != channels
        self.skip_layer.requires_grad_(self.skips)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.skip_layer(x) if self.skips else x
        x = self.conv1(self.relu(self.bn1(x)))
        x = self.conv2(self.relu(self.bn2(x)))
        return self.conv3(self.relu(self.bn3(x))) + shortcut


class Hourglass(nn.Module):
    """Features (B, features, h, w) -> the same shape; h and w multiples of 2^depth."""

    def __init__(self, depth: int, features: int) -> None:
        super().__init__()
        self.up1 = Residual(features, features)
        self.pool1 = nn.MaxPool2d(2)
        self.low1 = Residual(features, features)
        self.low2 = Hourglass(depth - 1, features) if depth > 1 else Residual(features, features)
        self.low3 = Residual(features, features)
        self.up2 = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x: Tensor) -> Tensor:
        return self.up1(x) + self.up2(self.low3(self.low2(self.low1(self.pool1(x)))))


class Merge(nn.Module):
    """A 1x1 convolution back to the features, under the names of the public checkpoints."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = Conv(in_channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class PrincetonHourglass(nn.Module):
    """Image (B, 3, H, W) -> heat maps of each stack, (B, num_joints, H/4, W/4); H and W multiples of 64.

    Gives a list where there are several stacks.

    Args:
        num_joints: Number of heat maps.
        stacks: Hourglasses one after the other.
        features: Channels of the hourglasses.
    """

    final_layers = ("outs.*", "merge_preds.*")

    def __init__(self, *, num_joints: int, stacks: int, features: int = 256) -> None:
        super().__init__()
        require_positive(stacks=stacks)
        stem = features // 4
        self.pre = nn.Sequential(
            Conv(3, stem, 7, 2, norm=True),
            Residual(stem, 2 * stem),
            nn.MaxPool2d(2),
            Residual(2 * stem, 2 * stem),
            Residual(2 * stem, features),
        )
        self.hgs = nn.ModuleList(nn.Sequential(Hourglass(DEPTH, features)) for _ in range(stacks))
        self.features = nn.ModuleList(
            nn.Sequential(Residual(features, features), Conv(features, features, norm=True))
            for _ in range(stacks)
        )
        self.outs = nn.ModuleList(Conv(features, num_joints) for _ in range(stacks))
        self.merge_features = nn.ModuleList(Merge(features, features) for _ in range(stacks - 1))
        self.merge_preds = nn.ModuleList(Merge(num_joints, features) for _ in range(stacks - 1))

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        x = self.pre(image)
        outputs: list[Tensor] = []
        for stack, hourglass in enumerate(self.hgs):
            y = self.features[stack](hourglass(x))
            outputs.append(self.outs[stack](y))
            if stack < len(self.merge_features):
                x = x + self.merge_preds[stack](outputs[-1]) + self.merge_features[stack](y)
        return outputs if len(outputs) > 1 else outputs[0]


@register_model(INFO)
def hourglass2_princeton(*, num_joints: int, stacks: int = 2, **options: Any) -> PrincetonHourglass:
    return PrincetonHourglass(num_joints=num_joints, stacks=stacks, **options)


@register_model(INFO)
def hourglass8_princeton(*, num_joints: int, stacks: int = 8, **options: Any) -> PrincetonHourglass:
    return PrincetonHourglass(num_joints=num_joints, stacks=stacks, **options)
