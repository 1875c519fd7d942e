"""Tompson et al.'s coarse network: banks of convolutions over an image pyramid, summed, with SpatialDropout.

`tompson_coarse`, `tompson_coarse8` and `tompson_coarse16` pool their maps to a quarter, an eighth and a sixteenth of
the image. The paper's second, fine network is in `python_models.tompson_cascade`.

Source: Tompson, Goroshin, Jain, LeCun, Bregler, "Efficient Object Localization Using Convolutional Networks", CVPR
2015, section 3. Layer sizes that the paper gives in a figure only are those of code derived from it.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from python_models.errors import UserError
from python_models.resnet import init_he, init_normal
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(
    input_size=(256, 256),
    size_multiple=16,
    sigma_px=1.5,
    mean=(0.0, 0.0, 0.0),  # the network normalises contrast itself
    std=(1.0, 1.0, 1.0),
    encoding="unbiased",
    source="Tompson et al., CVPR 2015, section 3",
)
SCORE_STD = 0.001
SMALLEST_DEVIATION = 1e-4


class LocalContrastNorm(nn.Module):
    """Images (B, C, H, W), each pixel minus its neighbourhood's mean and over its neighbourhood's deviation.

    With Gaussian weights w over the window and all channels, which sum to 1 over the part of the window inside of the
    image: v = x - sum(w x), s = sqrt(sum(w v^2)), y = v / max(s, mean of s over the image).

    Args:
        channels: C.
        size: Side of the window in pixels, odd.
        sigma_px: Standard deviation of the weights; by default a quarter of the side.

    Source: Jarrett, Kavukcuoglu, Ranzato, LeCun, "What is the Best Multi-Stage Architecture for Object Recognition?",
    ICCV 2009, section 2.
    """

    window: Tensor

    def __init__(self, channels: int = 3, size: int = 9, sigma_px: float | None = None) -> None:
        super().__init__()
        offsets = torch.arange(size, dtype=torch.float64) - size // 2
        line = torch.exp(-(offsets**2) / (2 * (sigma_px or size / 4) ** 2))
        plane = line[:, None] * line / (channels * line.sum() ** 2)
        self.register_buffer("window", plane.float().expand(1, channels, size, size), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        # Half precision would leave little of the difference of a pixel and its neighbours.
        with torch.autocast(image.device.type, enabled=False):
            inside = self._weighted(torch.ones_like(image[:1]))
            centred = image - self._weighted(image) / inside
            deviation = (self._weighted(centred.square()) / inside).sqrt()
            floor = deviation.mean(dim=(2, 3), keepdim=True).clamp_min(SMALLEST_DEVIATION)
            return centred / torch.maximum(deviation, floor)

    def _weighted(self, x: Tensor) -> Tensor:
        """(B, 1, H, W): sums over windows, outside of the image 0."""
        return functional.conv2d(x, self.window.to(x.dtype), padding=self.window.shape[-1] // 2)


def gaussian_pyramid(image: Tensor, levels: int) -> list[Tensor]:
    """The image and its halves, smoothed by 1 3 3 1 over 8, so that a pixel stands for four of the finer image."""
    line = image.new_tensor([1.0, 3.0, 3.0, 1.0]) / 8
    channels = image.shape[1]
    window = (line[:, None] * line).expand(channels, 1, 4, 4)
    pyramid = [image]
    for _ in range(levels - 1):
        padded = functional.pad(pyramid[-1], (1, 1, 1, 1), mode="replicate")
        pyramid.append(functional.conv2d(padded, window, stride=2, groups=channels))
    return pyramid


class Bank(nn.Module):
    """One resolution of the image -> features of `1 / pooling` of its size, and those of the first layer.

    Args:
        width: Channels of the 5x5 convolutions.
        wide: Channels of the 9x9 convolution.
        poolings: How often a 5x5 convolution, ReLU and 2x2 pooling follow each other.
    """

    def __init__(self, width: int, wide: int, poolings: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 5, padding=2)
        self.later = nn.ModuleList(nn.Conv2d(width, width, 5, padding=2) for _ in range(poolings - 1))
        self.last = nn.Conv2d(width, wide, 9, padding=4)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        first = functional.relu(self.first(image))
        x = functional.max_pool2d(first, 2)
        for layer in self.later:
            x = functional.max_pool2d(functional.relu(layer(x)), 2)
        return functional.relu(self.last(x)), first


class TompsonCoarse(nn.Module):
    """Image (B, 3, H, W) -> heat maps (B, num_joints, H/pooling, W/pooling).

    Args:
        num_joints: Number of heat maps.
        pooling: 4, 8 or 16; H and W are multiples of it, and of 16 where it is less.
        levels: Resolutions of the image pyramid.
        width, wide, hidden: Channels of the 5x5, 9x9 and 1x1 convolutions.
        dropout: Probability with which SpatialDropout leaves out a whole feature map, before the 1x1 convolutions.
    """

    final_layers = ("head.5.*",)

    def __init__(
        self,
        *,
        num_joints: int,
        pooling: int = 4,
        levels: int = 3,
        width: int = 128,
        wide: int = 512,
        hidden: int = 256,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if pooling not in (4, 8, 16):
            raise UserError(f"pooling: expected 4, 8 or 16, got {pooling}")
        self.normalise = LocalContrastNorm()
        self.banks = nn.ModuleList(Bank(width, wide, pooling.bit_length() - 1) for _ in range(levels))
        self.head = nn.Sequential(
            nn.Dropout2d(dropout),
            nn.Conv2d(wide, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, num_joints, 1),
        )
        init_he(self)
        init_normal(self.head[5], SCORE_STD)

    def with_features(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The heat maps, and each bank's first-layer features, (B, width, H, W) and its halves."""
        images = gaussian_pyramid(image, len(self.banks))
        outputs = [bank(self.normalise(x)) for bank, x in zip(self.banks, images, strict=True)]
        finest = outputs[0][0]
        total = finest
        for coarser, _ in outputs[1:]:
            total = total + functional.interpolate(coarser, size=finest.shape[-2:], mode="nearest")
        return self.head(total), [first for _, first in outputs]

    def first_features(self, image: Tensor) -> list[Tensor]:
        """The features of `with_features`, without what follows them."""
        images = gaussian_pyramid(image, len(self.banks))
        return [
            functional.relu(bank.first(self.normalise(x))) for bank, x in zip(self.banks, images, strict=True)
        ]

    def forward(self, image: Tensor) -> Tensor:
        return self.with_features(image)[0]


@register_model(INFO)
def tompson_coarse(*, num_joints: int, **options: Any) -> TompsonCoarse:
    return TompsonCoarse(num_joints=num_joints, **options)


@register_model(replace(INFO, stride=8))
def tompson_coarse8(*, num_joints: int, **options: Any) -> TompsonCoarse:
    return TompsonCoarse(num_joints=num_joints, pooling=8, **options)


@register_model(replace(INFO, stride=16, size_multiple=64))
def tompson_coarse16(*, num_joints: int, **options: Any) -> TompsonCoarse:
    return TompsonCoarse(num_joints=num_joints, pooling=16, **options)
