"""ResNet trunk (He et al., CVPR 2016): the feature extractor under many pose models, without its classifier.

The stride of a bottleneck sits on its 3x3 convolution. Parameter names are those of the public ImageNet weights.
"""

from typing import Literal

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + shortcut)


class Bottleneck(nn.Module):
    """1x1 to fewer channels, 3x3, 1x1 back to four times as many, and a shortcut."""

    expansion = 4

    def __init__(self, in_channels: int, channels: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.residual(x) + shortcut)

    def residual(self, x: Tensor) -> Tensor:
        """What is added to the shortcut."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.bn3(self.conv3(x))


Block = type[BasicBlock] | type[Bottleneck]
DEPTHS: dict[int, tuple[Block, tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


def residual_stage(block: Block, in_channels: int, channels: int, count: int, stride: int) -> nn.Sequential:
    """`count` blocks; the first one changes resolution and channels."""
    out_channels = channels * block.expansion
    downsample = None
    if stride != 1 or in_channels != out_channels:
        downsample = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
        )
    rest = (block(out_channels, channels, 1, None) for _ in range(count - 1))
    return nn.Sequential(block(in_channels, channels, stride, downsample), *rest)


class ResNet(nn.Module):
    """Image (B, 3, H, W) -> features (B, `out_channels`, H/32, W/32).

    Args:
        depth: 18, 34, 50, 101 or 152.
        width: Channels after the stem; 64 as published, less for small experiments.
        blocks: Blocks in each of the four stages; those of `depth` as published if None.
        block: Kind of block; that of `depth` if None.
    """

    def __init__(
        self,
        depth: int,
        *,
        width: int = 64,
        blocks: tuple[int, int, int, int] | None = None,
        block: Block | None = None,
    ) -> None:
        super().__init__()
        published_block, published_blocks = DEPTHS[depth]
        block, counts = block or published_block, blocks or published_blocks
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        wide = width * block.expansion
        self.layer1 = residual_stage(block, width, width, counts[0], stride=1)
        self.layer2 = residual_stage(block, wide, 2 * width, counts[1], stride=2)
        self.layer3 = residual_stage(block, 2 * wide, 4 * width, counts[2], stride=2)
        self.layer4 = residual_stage(block, 4 * wide, 8 * width, counts[3], stride=2)
        self.out_channels = 8 * wide
        init_he(self, mode="fan_out")

    def pyramid(self, image: Tensor) -> list[Tensor]:
        """The outputs of the four stages, strides 4, 8, 16 and 32."""
        outputs = [self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(image)))))]
        for stage in (self.layer2, self.layer3, self.layer4):
            outputs.append(stage(outputs[-1]))
        return outputs

    def features(self, image: Tensor) -> Tensor:
        """The last stage's output."""
        return self.pyramid(image)[-1]

    def forward(self, image: Tensor) -> Tensor:
        return self.features(image)


def init_he(module: nn.Module, mode: Literal["fan_in", "fan_out"] = "fan_in") -> None:
    """Layers start so that ReLUs neither grow nor shrink what passes; biases at zero.

    Source: He et al., "Delving Deep into Rectifiers", ICCV 2015, section 2.2.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, mode=mode, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def init_normal(module: nn.Module, std: float) -> None:
    """Normal weights and zero bias for every layer in `module` that a pose head adds to a trunk."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(part.weight, std=std)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
