"""CU-Net: U-Nets one after the other, whose dense blocks hand their features to the same place of the next.

Source: Tang, Peng, Geng, Wu, Zhang, Metaxas, "Quantized Densely Connected U-Nets for Efficient Landmark
Localization", ECCV 2018, section 3 (order-K coupling).
"""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from python_models.errors import require_positive
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(
    input_size=(256, 256),
    size_multiple=64,
    sigma_px=1.0,
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    source="Tang et al., ECCV 2018, section 3",
)
DEPTH = 4  # halvings in a U-Net


class NormConv(nn.Sequential):
    """Batch norm, ReLU, convolution without bias, under names that start with `prefix`."""

    def __init__(self, in_channels: int, channels: int, prefix: str = "") -> None:
        layers: list[tuple[str, nn.Module]] = [
            (f"{prefix}norm", nn.BatchNorm2d(in_channels)),
            (f"{prefix}relu", nn.ReLU(inplace=True)),
            (f"{prefix}conv", nn.Conv2d(in_channels, channels, 1, bias=False)),
        ]
        super().__init__(OrderedDict(layers))


class DenseLayer(nn.Module):
    """Features of several sources -> `growth` new ones, by a 1x1 and a 3x3."""

    def __init__(self, in_channels: int, growth: int, neck: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, neck * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(neck * growth)
        self.conv2 = nn.Conv2d(neck * growth, growth, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.relu(self.norm2(self.conv1(self.relu(self.norm1(x))))))


class CoupledBlock(nn.Module):
    """One place of all U-Nets: a dense layer and an outlet for each of them.

    The new features of a U-Net enter its own outlet and the same place of the next `order` U-Nets.

    Args:
        in_channels: Of what comes from the U-Net itself.
        channels: Of the outlets.
        growth: Channels of the new features.
        neck: The 1x1 of a dense layer gives `neck * growth` channels.
        stacks: Number of U-Nets.
        order: How many U-Nets before are coupled.
        skip: Whether there is a second outlet, for the other side of the U-Net.
    """

    def __init__(
        self, in_channels: int, channels: int, *, growth: int, neck: int, stacks: int, order: int, skip: bool
    ) -> None:
        super().__init__()
        widths = [in_channels + min(stack, order) * growth for stack in range(stacks)]
        self.layers = nn.ModuleList(DenseLayer(width, growth, neck) for width in widths)
        self.adapters_ahead = self._outlets(widths, growth, channels)
        self.adapters_skip = self._outlets(widths, growth, channels) if skip else None

    @staticmethod
    def _outlets(widths: list[int], growth: int, channels: int) -> nn.ModuleList:
        return nn.ModuleList(NormConv(width + growth, channels, "adapter_") for width in widths)

    def forward(
        self, x: list[Tensor], stack: int, earlier: list[Tensor]
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """What goes ahead, what skips to the other side, and the new features, of U-Net number `stack`."""
        known = torch.cat([*x, *earlier], dim=1)
        new = self.layers[stack](known)
        known = torch.cat([known, new], dim=1)
        skip = None if self.adapters_skip is None else self.adapters_skip[stack](known)
        return self.adapters_ahead[stack](known), skip, new


class CoupledUNets(nn.Module):
    """The blocks of all U-Nets. Features (B, channels, h, w) -> the same shape; h and w multiples of 16."""

    def __init__(self, channels: int, **coupling: int) -> None:
        super().__init__()
        self.down_blocks = nn.ModuleList(
            CoupledBlock(channels, channels, skip=True, **coupling) for _ in range(DEPTH)
        )
        self.up_blocks = nn.ModuleList(
            CoupledBlock(2 * channels, channels, skip=False, **coupling) for _ in range(DEPTH)
        )
        self.neck_block = CoupledBlock(channels, channels, skip=False, **coupling)

    def forward(self, x: Tensor, stack: int, earlier: list[list[Tensor]]) -> tuple[Tensor, list[Tensor]]:
        """U-Net number `stack`: its output and, for each of its places in order, the new features."""
        coupled = iter(zip(*earlier, strict=True) if earlier else [()] * (2 * DEPTH + 1))
        skips, made = [], []
        for block in self.down_blocks:
            x, skip, new = block([x], stack, list(next(coupled)))
            skips.append(skip)
            made.append(new)
            x = functional.max_pool2d(x, 2)
        x, _, new = self.neck_block([x], stack, list(next(coupled)))
        made.append(new)
        for block, skip in zip(reversed(self.up_blocks), reversed(skips), strict=True):
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x, _, new = block([x, skip], stack, list(next(coupled)))
            made.append(new)
        return x, made


class Intermediate(nn.Module):
    """Between U-Nets: the output of the last one and the inputs of up to `order` before it become the next input."""

    def __init__(self, channels: int, stacks: int, order: int) -> None:
        super().__init__()
        self.adapters = nn.ModuleList(
            NormConv((1 + min(stack, order)) * channels, channels, "adapter_") for stack in range(1, stacks)
        )

    def forward(self, x: Tensor, stack: int, inputs: list[Tensor]) -> Tensor:
        return self.adapters[stack - 1](torch.cat([x, *inputs], dim=1)) if stack > 0 else x


class CUNet(nn.Module):
    """Image (B, 3, H, W) -> heat maps of each U-Net, (B, num_joints, H/4, W/4); H and W multiples of 64.

    Gives a list where there are several U-Nets.

    Args:
        num_joints: Number of heat maps.
        stacks: Number of U-Nets; 2, 4, 8 and 16 were published.
        channels: Of the features between blocks.
        growth: Channels that a dense layer adds.
        neck: The 1x1 of a dense layer gives `neck * growth` channels.
        order: How many U-Nets before hand on their features, from 1 on.
    """

    final_layers = ("linears.*.conv.*",)

    def __init__(
        self,
        *,
        num_joints: int,
        stacks: int,
        channels: int = 128,
        growth: int = 32,
        neck: int = 4,
        order: int = 1,
    ) -> None:
        super().__init__()
        require_positive(stacks=stacks, order=order)
        self.stacks, self.order = stacks, order
        layers: list[tuple[str, nn.Module]] = [
            ("conv0", nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False)),
            ("norm0", nn.BatchNorm2d(channels)),
            ("relu0", nn.ReLU(inplace=True)),
            ("pool0", nn.MaxPool2d(2)),
        ]
        self.features = nn.Sequential(OrderedDict(layers))
        self.hg = CoupledUNets(channels, growth=growth, neck=neck, stacks=stacks, order=order)
        self.linears = nn.ModuleList(NormConv(channels, num_joints) for _ in range(stacks))
        self.intermedia = Intermediate(channels, stacks, order)

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        x = self.features(image)
        outputs: list[Tensor] = []
        inputs: list[Tensor] = []  # of the last `order` U-Nets
        made: list[list[Tensor]] = []  # their new features, by place
        for stack in range(self.stacks):
            x = self.intermedia(x, stack, inputs)
            inputs = [*inputs, x][-self.order :]
            x, new = self.hg(x, stack, made)
            made = [*made, new][-self.order :]
            outputs.append(self.linears[stack](x))
        return outputs if len(outputs) > 1 else outputs[0]


@register_model(INFO)
def cunet2(*, num_joints: int, stacks: int = 2, **options: Any) -> CUNet:
    return CUNet(num_joints=num_joints, stacks=stacks, **options)


@register_model(INFO)
def cunet4(*, num_joints: int, stacks: int = 4, **options: Any) -> CUNet:
    return CUNet(num_joints=num_joints, stacks=stacks, **options)


@register_model(INFO)
def cunet8(*, num_joints: int, stacks: int = 8, **options: Any) -> CUNet:
    return CUNet(num_joints=num_joints, stacks=stacks, **options)


@register_model(INFO)
def cunet16(*, num_joints: int, stacks: int = 16, **options: Any) -> CUNet:
    return CUNet(num_joints=num_joints, stacks=stacks, **options)
