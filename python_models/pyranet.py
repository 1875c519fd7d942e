"""PyraNet: a stacked hourglass whose residuals look at a pyramid of scales.

Source: Yang, Li, Ouyang, Li, Wang, "Learning Feature Pyramids for Human Pose Estimation", ICCV 2017, section 3: the
pyramid residual module with addition (PRM-B), and the initialisation of convolutions with several branches.
"""

import math
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
    source="Yang et al., ICCV 2017, section 3",
)
DEPTH = 4  # halvings in an hourglass
FIRST = 64  # channels after the first convolution


def _conv(in_channels: int, channels: int, size: int = 1, *, branches: int = 1) -> nn.Conv2d:
    """Convolution that keeps the size; `branches`: how many read its output, or are summed in its input."""
    conv = nn.Conv2d(in_channels, channels, size, padding=size // 2)
    nn.init.xavier_normal_(conv.weight, gain=math.sqrt(1 / branches))
    return conv


def _norm(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]


class Skip(nn.Sequential):
    """What a residual is added to: the input, or a 1x1 of it where channels change or `project` asks for it."""

    def __init__(self, in_channels: int, channels: int, project: bool) -> None:
        if in_channels == channels and not project:
            super().__init__()
        else:
            super().__init__(*_norm(in_channels), _conv(in_channels, channels, branches=2))


class Residual(nn.Module):
    """1x1, 3x3, 1x1, each after batch norm and ReLU, and a skip."""

    def __init__(self, in_channels: int, channels: int, *, project: bool = False) -> None:
        super().__init__()
        half = channels // 2
        self.full = nn.Sequential(
            *_norm(in_channels),
            _conv(in_channels, half, branches=2),
            *_norm(half),
            _conv(half, half, 3),
            *_norm(half),
            _conv(half, channels),
        )
        self.skip = Skip(in_channels, channels, project)

    def forward(self, x: Tensor) -> Tensor:
        return self.full(x) + self.skip(x)


def fractional_max_pool(x: Tensor, ratio: float, *, random: bool) -> Tensor:
    """Largest values of 2x2 windows, as many as `ratio` of the size, whose distances are one or two pixels.

    Args:
        x: Features (B, C, h, w).
        ratio: Of the size of output and input, 0.5 or more and less than 1.
        random: Whether the sequence of distances starts at random, for each channel; else it starts in its middle,
            so that an image always has the same result, and the graph consists of plain gathers.

    Source: Graham, "Fractional Max-Pooling", 2014, pseudo-random regions.
    """
    if random:
        return functional.fractional_max_pool2d(x, 2, output_ratio=(ratio, ratio))
    rows, columns = (_window_starts(size, int(size * ratio), x.device) for size in x.shape[-2:])
    x = torch.maximum(x[:, :, rows], x[:, :, rows + 1])
    return torch.maximum(x[..., columns], x[..., columns + 1])


def _window_starts(size: int, count: int, device: torch.device) -> Tensor:
    """First pixels of `count` windows of two pixels among `size`; the first at 0, the last at the end."""
    step = (size - 2) / (count - 1)
    places = (torch.arange(count, dtype=torch.float64, device=device) + 0.5) * step
    return places.long() - int(0.5 * step)


class Pyramid(nn.Module):
    """The sum of 3x3 convolutions on `levels` smaller copies of the features, the last one of half the size."""

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(_conv(channels, channels, 3) for _ in range(levels))

    def forward(self, x: Tensor) -> Tensor:
        return sum(self._level(x, level) for level in range(len(self.levels)))

    def _level(self, x: Tensor, level: int) -> Tensor:
        ratio = 2 ** (-(level + 1) / len(self.levels))
        small = self.levels[level](fractional_max_pool(x, ratio, random=self.training))
        return functional.interpolate(small, size=x.shape[-2:], mode="bilinear", align_corners=True)


class PyramidResidual(nn.Module):
    """A residual whose 3x3 is joined by a pyramid of 3x3s.

    Args:
        in_channels, channels: Of input and output.
        base_width: The pyramid has `channels // base_width` channels.
        cardinality: Levels of the pyramid.
        project: Whether the skip is a 1x1 though the channels stay.
        preactivated: Whether batch norm and ReLU come before the first 1x1s.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        base_width: int,
        cardinality: int,
        project: bool = False,
        preactivated: bool = True,
    ) -> None:
        super().__init__()
        half, narrow = channels // 2, channels // base_width
        before = [_norm(in_channels) if preactivated else [] for _ in range(2)]
        self.full = nn.Sequential(
            *before[0], _conv(in_channels, half, branches=2), *_norm(half), _conv(half, half, 3)
        )
        self.pyramid = nn.Sequential(
            *before[1],
            _conv(in_channels, narrow, branches=cardinality),
            *_norm(narrow),
            Pyramid(narrow, cardinality),
            *_norm(narrow),
            _conv(narrow, half, branches=cardinality),
        )
        self.merge = nn.Sequential(*_norm(half), _conv(half, channels, branches=2))
        self.skip = Skip(in_channels, channels, project)

    def forward(self, x: Tensor) -> Tensor:
        return self.merge(self.full(x) + self.pyramid(x)) + self.skip(x)


class Hourglass(nn.Module):
    """Features (B, features, h, w) -> the same shape; h and w multiples of 2^depth.

    Pyramids stand where the features are at least an eighth of the size they enter with.
    """

    def __init__(self, depth: int, features: int, residuals: int, **pyramid: int) -> None:
        super().__init__()

        def some(with_pyramid: bool, project: bool = False) -> nn.Sequential:
            return nn.Sequential(
                *(
                    PyramidResidual(features, features, project=project, **pyramid)
                    if with_pyramid
                    else Residual(features, features, project=project)
                    for _ in range(residuals)
                )
            )

        self.beside = some(depth >= 2)
        self.before = some(depth >= 3)
        self.low = Hourglass(depth - 1, features, residuals, **pyramid) if depth > 1 else some(False)
        self.after = some(depth >= 3, project=True)

    def forward(self, x: Tensor) -> Tensor:
        low = self.after(self.low(self.before(functional.max_pool2d(x, 2))))
        return self.beside(x) + functional.interpolate(low, scale_factor=2.0, mode="nearest")


class PyraNet(nn.Module):
    """Image (B, 3, H, W) -> heat maps of each stack, (B, num_joints, H/4, W/4); H and W multiples of 64.

    Gives a list where there are several stacks.

    Args:
        num_joints: Number of heat maps.
        stacks: Hourglasses one after the other.
        features: Channels of the hourglasses.
        residuals: At each place of an hourglass.
        base_width: A pyramid has the residual's channels divided by it.
        cardinality: Levels of a pyramid.
    """

    final_layers = ("stack_out.*", "stack_out_.*")

    def __init__(
        self,
        *,
        num_joints: int,
        stacks: int,
        features: int = 256,
        residuals: int = 1,
        base_width: int = 9,
        cardinality: int = 4,
    ) -> None:
        super().__init__()
        require_positive(stacks=stacks, residuals=residuals, cardinality=cardinality)
        pyramid = {"base_width": base_width, "cardinality": cardinality}
        half = features // 2
        first = nn.Conv2d(3, FIRST, 7, stride=2, padding=3)
        nn.init.xavier_normal_(first.weight, gain=math.sqrt(1 / 3))
        self.preact = nn.Sequential(
            nn.Sequential(first, *_norm(FIRST)),
            nn.Sequential(PyramidResidual(FIRST, half, preactivated=False, **pyramid), nn.MaxPool2d(2)),
            PyramidResidual(half, half, **pyramid),
            PyramidResidual(half, features, **pyramid),
        )
        self.stack_lin = nn.ModuleList(
            nn.Sequential(
                Hourglass(DEPTH, features, residuals, **pyramid),
                *_norm(features),
                _conv(features, features, branches=2),
                *_norm(features),
            )
            for _ in range(stacks)
        )
        self.stack_out = nn.ModuleList(_conv(features, num_joints) for _ in range(stacks))
        self.stack_lin_ = nn.ModuleList(_conv(features, features) for _ in range(stacks - 1))
        self.stack_out_ = nn.ModuleList(_conv(num_joints, features) for _ in range(stacks - 1))

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        x = self.preact(image)
        outputs: list[Tensor] = []
        for stack, hourglass in enumerate(self.stack_lin):
            y = hourglass(x)
            outputs.append(self.stack_out[stack](y))
            if stack < len(self.stack_lin_):
                x = x + self.stack_lin_[stack](y) + self.stack_out_[stack](outputs[-1])
        return outputs if len(outputs) > 1 else outputs[0]


@register_model(INFO)
def pyranet2(*, num_joints: int, stacks: int = 2, **options: Any) -> PyraNet:
    return PyraNet(num_joints=num_joints, stacks=stacks, **options)


@register_model(INFO)
def pyranet8(*, num_joints: int, stacks: int = 8, **options: Any) -> PyraNet:
    return PyraNet(num_joints=num_joints, stacks=stacks, **options)
