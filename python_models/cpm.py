"""Convolutional Pose Machines: stage after stage sees the image and what the stage before believed.

Tensor names are those of the authors' Caffe layers, which the PyTorch port by jhalloy has too. The two round their
poolings differently, so weights of one need its `pooling`.

Source: Wei, Ramakrishna, Kanade, Sheikh, "Convolutional Pose Machines", CVPR 2016, section 3.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from python_models.errors import UserError, require_positive
from python_models.resnet import init_he, init_normal
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(
    input_size=(368, 368),
    size_multiple=8,
    stride=8,
    sigma_px=7 / 8,
    mean=(128 / 255,) * 3,
    std=(256 / 255,) * 3,
    channel_order="bgr",
    background=True,
    encoding="cmu",
    source="Wei et al., CVPR 2016, section 3",
)
CENTRE_SIGMA_PX = 21.0
SCORE_STD = 0.01


def centre_map(image: Tensor, sigma_px: float = CENTRE_SIGMA_PX) -> Tensor:
    """Where the person in question is, (B, 1, H, W): a Gaussian with its peak of 1 at (W/2, H/2)."""
    height, width = image.shape[-2:]
    x = torch.arange(width, device=image.device, dtype=image.dtype) - width / 2
    y = torch.arange(height, device=image.device, dtype=image.dtype) - height / 2
    one = torch.exp(-(y[:, None] ** 2 + x**2) / (2 * sigma_px**2))
    return one.expand(image.shape[0], 1, height, width)


class ConvolutionalPoseMachine(nn.Module):
    """Image (B, 3, H, W) -> belief maps of each stage, (B, num_joints + 1, H/8, W/8), the last map the background.

    Gives a list where there are several stages.

    Args:
        num_joints: Number of joints.
        stages: 6 as published.
        pooling: "caffe": without padding, rounded up, as the authors' weights want it; "port": padded by 1, rounded
            down, as the PyTorch port has it. Both give the same size.
        width: Channels of the first layers; the others follow.
    """

    final_layers = ("conv7_stage1.*", "Mconv5_stage*", "Mconv1_stage*.weight")

    def __init__(
        self,
        *,
        num_joints: int,
        stages: int = 6,
        pooling: Literal["caffe", "port"] = "caffe",
        width: int = 128,
    ) -> None:
        super().__init__()
        require_positive(stages=stages)
        if pooling not in ("caffe", "port"):
            raise UserError(f"pooling: expected caffe or port, got {pooling!r}")
        self.stages, maps, context = stages, num_joints + 1, width // 4
        self._add_image_layers(1, width, context)
        self._add("conv5_stage1", context, 4 * width, 9)
        self._add("conv6_stage1", 4 * width, 4 * width, 1)
        self._add("conv7_stage1", 4 * width, maps, 1)
        for stage in range(2, stages + 1):
            if stage == 2:
                self._add_image_layers(2, width, context)
            else:
                self._add(f"conv1_stage{stage}", width, context, 5)
            self._add(f"Mconv1_stage{stage}", context + maps + 1, width, 11)
            self._add(f"Mconv2_stage{stage}", width, width, 11)
            self._add(f"Mconv3_stage{stage}", width, width, 11)
            self._add(f"Mconv4_stage{stage}", width, width, 1)
            self._add(f"Mconv5_stage{stage}", width, maps, 1)
        rounding: dict[str, Any] = {"ceil_mode": True} if pooling == "caffe" else {"padding": 1}
        self.pool = nn.MaxPool2d(3, stride=2, **rounding)
        self.pool_centre = nn.AvgPool2d(9, stride=8, **rounding)
        init_he(self)
        for name, layer in self.named_children():
            if name.startswith(("conv7_", "Mconv5_")):
                init_normal(layer, SCORE_STD)

    def _add(self, name: str, in_channels: int, channels: int, size: int) -> None:
        self.add_module(name, nn.Conv2d(in_channels, channels, size, padding=size // 2))

    def _add_image_layers(self, stage: int, width: int, context: int) -> None:
        self._add(f"conv1_stage{stage}", 3, width, 9)
        self._add(f"conv2_stage{stage}", width, width, 9)
        self._add(f"conv3_stage{stage}", width, width, 9)
        self._add(f"conv4_stage{stage}", width, context, 5)

    def _relu(self, name: str, x: Tensor) -> Tensor:
        return functional.relu(self.get_submodule(name)(x))

    def _image_features(self, stage: int, image: Tensor) -> Tensor:
        """(B, width, H/8, W/8)."""
        x = image
        for layer in (1, 2, 3):
            x = self.pool(self._relu(f"conv{layer}_stage{stage}", x))
        return x

    def _first_stage(self, image: Tensor) -> Tensor:
        x = self._relu("conv4_stage1", self._image_features(1, image))
        return self.conv7_stage1(self._relu("conv6_stage1", self._relu("conv5_stage1", x)))

    def _next_stage(self, stage: int, features: Tensor, beliefs: Tensor, centre: Tensor) -> Tensor:
        context = self._relu(f"conv{4 if stage == 2 else 1}_stage{stage}", features)
        x = torch.cat([context, beliefs, centre], dim=1)
        for layer in (1, 2, 3, 4):
            x = self._relu(f"Mconv{layer}_stage{stage}", x)
        return self.get_submodule(f"Mconv5_stage{stage}")(x)

    def forward(self, image: Tensor, centre: Tensor | None = None) -> Tensor | list[Tensor]:
        """
        Args:
            image: (B, 3, H, W), H and W multiples of 8.
            centre: (B, 1, H, W), by default `centre_map(image)`: crops have their person in the middle.
        """
        outputs = [self._first_stage(image)]
        if self.stages > 1:
            features = self._image_features(2, image)
            centre = self.pool_centre(centre_map(image) if centre is None else centre)
        for stage in range(2, self.stages + 1):
            outputs.append(self._next_stage(stage, features, outputs[-1], centre))
        return outputs if len(outputs) > 1 else outputs[0]


@register_model(INFO)
def cpm(*, num_joints: int, **options: Any) -> ConvolutionalPoseMachine:
    return ConvolutionalPoseMachine(num_joints=num_joints, **options)
