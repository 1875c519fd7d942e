"""Stacked hourglasses: down to 1/64 and up again, several times, every one supervised.

Tensor names are those of bearpaw/pytorch-pose and anibali/pytorch-stacked-hourglass; `hourglass_princeton` is the
authors' own PyTorch version, which differs in its stem.

Source: Newell, Yang, Deng, "Stacked Hourglass Networks for Human Pose Estimation", ECCV 2016, section 3.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from python_models.errors import require_positive
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(
    input_size=(256, 256),
    size_multiple=64,
    sigma_px=1.0,
    mean=(
        0.4404,
        0.4440,
        0.4327,
    ),  # of MPII; these checkpoints were trained without a division by the deviation
    std=(1.0, 1.0, 1.0),
    source="Newell et al., ECCV 2016, section 3",
)
DEPTH = 4  # halvings in an hourglass
EXPANSION = 2


class Residual(nn.Module):
    """Batch norm and ReLU before each of 1x1, 3x3 and 1x1; a 1x1 on the shortcut where channels change."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        out_channels = channels * EXPANSION
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 1)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn3 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            nn.Sequential(nn.Conv2d(in_channels, out_channels, 1)) if in_channels != out_channels else None
        )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.conv1(self.relu(self.bn1(x)))
        x = self.conv2(self.relu(self.bn2(x)))
        return self.conv3(self.relu(self.bn3(x))) + shortcut


def _residuals(in_channels: int, channels: int, count: int = 1) -> nn.Sequential:
    rest = (Residual(channels * EXPANSION, channels) for _ in range(count - 1))
    return nn.Sequential(Residual(in_channels, channels), *rest)


class Hourglass(nn.Module):
    """Features (B, features, h, w) -> the same shape; h and w multiples of 16."""

    def __init__(self, features: int, blocks: int) -> None:
        super().__init__()
        # hg[level], the coarsest first: beside, before and after the coarser ones; in the middle of the coarsest.
        self.hg = nn.ModuleList(
            nn.ModuleList(
                _residuals(features, features // EXPANSION, blocks) for _ in range(4 if level == 0 else 3)
            )
            for level in range(DEPTH)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self._level(DEPTH - 1, x)

    def _level(self, level: int, x: Tensor) -> Tensor:
        beside, before, after = self.hg[level][:3]
        low = before(functional.max_pool2d(x, 2))
        low = self._level(level - 1, low) if level > 0 else self.hg[0][3](low)
        return beside(x) + functional.interpolate(after(low), scale_factor=2.0, mode="nearest")


class StackedHourglass(nn.Module):
    """Image (B, 3, H, W) -> heat maps of each stack, (B, num_joints, H/4, W/4); H and W multiples of 64.

    Gives a list where there are several stacks.

    Args:
        num_joints: Number of heat maps.
        stacks: Hourglasses one after the other; 1 to 8 were published.
        blocks: Residuals at each place of an hourglass.
        features: Channels of the hourglasses.
    """

    final_layers = ("score.*", "score_.*")

    def __init__(self, *, num_joints: int, stacks: int, blocks: int = 1, features: int = 256) -> None:
        super().__init__()
        require_positive(stacks=stacks, blocks=blocks)
        stem = features // 4
        self.conv1 = nn.Conv2d(3, stem, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _residuals(stem, stem)
        self.maxpool = nn.MaxPool2d(2, stride=2)
        self.layer2 = _residuals(2 * stem, 2 * stem)
        self.layer3 = _residuals(features, features // EXPANSION)
        self.hg = nn.ModuleList(Hourglass(features, blocks) for _ in range(stacks))
        self.res = nn.ModuleList(_residuals(features, features // EXPANSION, blocks) for _ in range(stacks))
        self.fc = nn.ModuleList(self._linear(features) for _ in range(stacks))
        self.score = nn.ModuleList(nn.Conv2d(features, num_joints, 1) for _ in range(stacks))
        self.fc_ = nn.ModuleList(nn.Conv2d(features, features, 1) for _ in range(stacks - 1))
        self.score_ = nn.ModuleList(nn.Conv2d(num_joints, features, 1) for _ in range(stacks - 1))

    @staticmethod
    def _linear(features: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(features, features, 1), nn.BatchNorm2d(features), nn.ReLU(inplace=True)
        )

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        x = self.relu(self.bn1(self.conv1(image)))
        x = self.layer3(self.layer2(self.maxpool(self.layer1(x))))
        outputs: list[Tensor] = []
        for stack, hourglass in enumerate(self.hg):
            y = self.fc[stack](self.res[stack](hourglass(x)))
            outputs.append(self.score[stack](y))
            if stack < len(self.fc_):  # features and heat maps both enter the next hourglass
                x = x + self.fc_[stack](y) + self.score_[stack](outputs[-1])
        return outputs if len(outputs) > 1 else outputs[0]


@register_model(INFO)
def hourglass1(*, num_joints: int, stacks: int = 1, **options: Any) -> StackedHourglass:
    return StackedHourglass(num_joints=num_joints, stacks=stacks, **options)


@register_model(INFO)
def hourglass2(*, num_joints: int, stacks: int = 2, **options: Any) -> StackedHourglass:
    return StackedHourglass(num_joints=num_joints, stacks=stacks, **options)


@register_model(INFO)
def hourglass8(*, num_joints: int, stacks: int = 8, **options: Any) -> StackedHourglass:
    return StackedHourglass(num_joints=num_joints, stacks=stacks, **options)
