"""Multi-Stage Pose Network: ResNet pyramids one after the other, each passing its features on to the next.

`mspn1` to `mspn4` have the tensor names of megvii-detection/MSPN; `mspn1_mmpose` to `mspn4_mmpose` are mmpose's,
where convolutions have no bias and the names are others.

Source: Li, Wang, Yin, Peng, Du, Xiao, Yu, Lu, Wei, Sun, "Rethinking on Multi-Stage Networks for Human Pose
Estimation", 2019, section 3.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from python_models.errors import require_positive
from python_models.resnet import DEPTHS, init_he
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(
    mean=(0.406, 0.456, 0.485),
    std=(0.225, 0.224, 0.229),
    channel_order="bgr",
    encoding="megvii",
    source="Li et al., 2019, section 3",
)
INFO_MMPOSE = ModelInfo(encoding="megvii", source="Li et al., 2019, section 3, as in mmpose")
EXPANSION = 4
LEVELS = 4


class Conv(nn.Module):
    """Convolution that keeps the size at stride 1, batch norm and, where asked for, ReLU."""

    def __init__(
        self, in_channels: int, channels: int, size: int, stride: int = 1, *, relu: bool, bias: bool
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, size, stride, padding=size // 2, bias=bias)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    """ResNet's, under other names."""

    def __init__(self, in_channels: int, channels: int, stride: int, *, bias: bool) -> None:
        super().__init__()
        out_channels = channels * EXPANSION
        self.conv_bn_relu1 = Conv(in_channels, channels, 1, relu=True, bias=bias)
        self.conv_bn_relu2 = Conv(channels, channels, 3, stride, relu=True, bias=bias)
        self.conv_bn_relu3 = Conv(channels, out_channels, 1, relu=False, bias=bias)
        self.downsample = (
            Conv(in_channels, out_channels, 1, stride, relu=False, bias=bias)
            if stride != 1 or in_channels != out_channels
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return functional.relu(self.conv_bn_relu3(self.conv_bn_relu2(self.conv_bn_relu1(x))) + shortcut)


class DownPath(nn.Module):
    """Features (B, width, h, w) -> those of four resolutions, the finest first."""

    def __init__(self, width: int, blocks: Sequence[int], *, bias: bool) -> None:
        super().__init__()
        in_channels = width
        for level, count in enumerate(blocks):
            channels = width * 2**level
            layer = nn.Sequential()
            for block in range(count):
                stride = 2 if block == 0 and level > 0 else 1
                layer.append(Bottleneck(in_channels, channels, stride, bias=bias))
                in_channels = channels * EXPANSION
            self.add_module(f"layer{level + 1}", layer)

    def forward(self, x: Tensor, from_before: Sequence[Tensor] | None) -> list[Tensor]:
        """`from_before` is what the stage before passes on to each resolution."""
        outputs: list[Tensor] = []
        for level, layer in enumerate(self.children()):
            x = layer(x)
            if from_before is not None:
                x = x + from_before[level]
            outputs.append(x)
        return outputs


class UpUnit(nn.Module):
    """One resolution on the way up.

    Args:
        in_channels: Of the features of the way down.
        channels: Of the way up.
        num_joints: Number of heat maps.
        has_coarser: Whether there is a coarser resolution to merge with.
        passes_on: Whether another stage follows.
        cross: Channels with which the next stage starts; 0 except at the finest resolution.
    """

    def __init__(
        self, in_channels: int, channels: int, num_joints: int, *, has_coarser: bool, passes_on: bool,
        cross: int, bias: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.u_skip = Conv(in_channels, channels, 1, relu=False, bias=bias)
        if has_coarser:
            self.up_conv = Conv(channels, channels, 1, relu=False, bias=bias)
        if passes_on:
            self.skip1 = Conv(in_channels, in_channels, 1, relu=True, bias=bias)
            self.skip2 = Conv(channels, in_channels, 1, relu=True, bias=bias)
        if passes_on and cross:
            self.cross_conv = Conv(channels, cross, 1, relu=True, bias=bias)
        self.res_conv1 = Conv(channels, channels, 1, relu=True, bias=bias)
        self.res_conv2 = Conv(channels, num_joints, 3, relu=False, bias=bias)

    def forward(self, down: Tensor, coarser: Tensor | None) -> Tensor:
        x = self.u_skip(down)
        if coarser is not None:
            x = x + self.up_conv(_resize(coarser, down))
        return functional.relu(x)

    def heatmaps(self, up: Tensor, finest: Tensor) -> Tensor:
        """At the size of `finest`."""
        return _resize(self.res_conv2(self.res_conv1(up)), finest)

    def passed_on(self, down: Tensor, up: Tensor) -> Tensor:
        """What the next stage adds to its features of this resolution."""
        return self.skip1(down) + self.skip2(up)


def _resize(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)


class Stage(nn.Module):
    """Down and up once; lists of features have the finest resolution first on the way down, last on the way up."""

    def __init__(
        self, width: int, blocks: Sequence[int], channels: int, num_joints: int, *, last: bool, bias: bool
    ) -> None:
        super().__init__()
        self.downsample = DownPath(width, blocks, bias=bias)
        self.upsample = nn.Module()
        for unit in range(LEVELS):
            level = LEVELS - 1 - unit
            self.upsample.add_module(
                f"up{unit + 1}",
                UpUnit(
                    width * 2**level * EXPANSION, channels, num_joints, has_coarser=unit > 0, passes_on=not last,
                    cross=width if level == 0 else 0, bias=bias,
                ),
            )  # fmt: skip

    @property
    def units(self) -> list[UpUnit]:
        return list(self.upsample.children())

    def up(self, downs: Sequence[Tensor]) -> list[Tensor]:
        ups: list[Tensor] = []
        for unit, down in zip(self.units, downs[::-1], strict=True):
            ups.append(unit(down, ups[-1] if ups else None))
        return ups

    def heatmaps(self, ups: Sequence[Tensor]) -> list[Tensor]:
        return [unit.heatmaps(up, ups[-1]) for unit, up in zip(self.units, ups, strict=True)]

    def passed_on(self, downs: Sequence[Tensor], ups: Sequence[Tensor]) -> list[Tensor]:
        rows = zip(self.units, downs[::-1], ups, strict=True)
        return [unit.passed_on(down, up) for unit, down, up in rows][::-1]


class MultiStagePoseNetwork(nn.Module):
    """Image (B, 3, H, W) -> heat maps (B, num_joints, H/4, W/4); H and W multiples of 32.

    In training mode a list of four per stage, in the order of the stages and from coarse features to fine; in eval
    mode, as published, the last one only.

    Args:
        num_joints: Number of heat maps.
        stages: 1 to 4 as published.
        channels: Of the way up.
        bias: Whether convolutions before a batch norm have one.
        width: Channels after the stem.
        blocks: Bottlenecks of each resolution.
    """

    final_layers = ("stage*.upsample.up*.res_conv2.conv.*", "stage*.upsample.up*.res_conv2.bn.*")

    def __init__(
        self, *, num_joints: int, stages: int, channels: int = 256, bias: bool = True, width: int = 64,
        blocks: Sequence[int] = DEPTHS[50][1],
    ) -> None:  # fmt: skip
        super().__init__()
        require_positive(stages=stages)
        self.top = nn.Module()
        self.top.conv = Conv(3, width, 7, 2, relu=True, bias=bias)
        self.stages = stages
        for stage in range(stages):
            last = stage == stages - 1
            self.add_module(f"stage{stage}", Stage(width, blocks, channels, num_joints, last=last, bias=bias))
        init_he(self, "fan_out")

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        x = functional.max_pool2d(self.top.conv(image), 3, stride=2, padding=1)
        from_before, outputs = None, []
        for index in range(self.stages):
            stage: Stage = self.get_submodule(f"stage{index}")
            downs = stage.downsample(x, from_before)
            ups = stage.up(downs)
            if self.training:
                outputs += stage.heatmaps(ups)
            if index < self.stages - 1:
                from_before = stage.passed_on(downs, ups)
                x = stage.upsample.up4.cross_conv(ups[-1])
        return outputs if self.training else stage.upsample.up4.heatmaps(ups[-1], ups[-1])


@register_model(INFO)
def mspn1(*, num_joints: int, stages: int = 1, **options: Any) -> MultiStagePoseNetwork:
    return MultiStagePoseNetwork(num_joints=num_joints, stages=stages, **options)


@register_model(INFO)
def mspn2(*, num_joints: int, stages: int = 2, **options: Any) -> MultiStagePoseNetwork:
    return MultiStagePoseNetwork(num_joints=num_joints, stages=stages, **options)


@register_model(INFO)
def mspn3(*, num_joints: int, stages: int = 3, **options: Any) -> MultiStagePoseNetwork:
    return MultiStagePoseNetwork(num_joints=num_joints, stages=stages, **options)


@register_model(INFO)
def mspn4(*, num_joints: int, stages: int = 4, **options: Any) -> MultiStagePoseNetwork:
    return MultiStagePoseNetwork(num_joints=num_joints, stages=stages, **options)


@register_model(INFO_MMPOSE)
def mspn1_mmpose(*, num_joints: int, stages: int = 1, **options: Any) -> MultiStagePoseNetwork:
    return MultiStagePoseNetwork(num_joints=num_joints, stages=stages, bias=False, **options)


@register_model(INFO_MMPOSE)
def mspn2_mmpose(*, num_joints: int, stages: int = 2, **options: Any) -> MultiStagePoseNetwork:
    return MultiStagePoseNetwork(num_joints=num_joints, stages=stages, bias=False, **options)


@register_model(INFO_MMPOSE)
def mspn3_mmpose(*, num_joints: int, stages: int = 3, **options: Any) -> MultiStagePoseNetwork:
    return MultiStagePoseNetwork(num_joints=num_joints, stages=stages, bias=False, **options)


@register_model(INFO_MMPOSE)
def mspn4_mmpose(*, num_joints: int, stages: int = 4, **options: Any) -> MultiStagePoseNetwork:
    return MultiStagePoseNetwork(num_joints=num_joints, stages=stages, bias=False, **options)
