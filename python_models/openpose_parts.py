"""OpenPose's networks for crops of one hand or one face: VGG's features, refined stage after stage.

Tensor names are those of the authors' Caffe layers, which the PyTorch port by Hzzone has too.

Source: Simon, Joo, Matthews, Sheikh, "Hand Keypoint Detection in Single Images using Multiview Bootstrapping",
CVPR 2017, section 3; for faces Cao et al., "OpenPose", TPAMI 2021.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from python_models.errors import require_positive
from python_models.resnet import init_he, init_normal
from python_models.zoo import ModelInfo, register_model

HAND_INFO = ModelInfo(
    input_size=(368, 368),
    size_multiple=8,
    stride=8,
    sigma_px=7 / 8,
    mean=(0.5,) * 3,
    std=(256 / 255,) * 3,
    channel_order="bgr",
    num_joints=21,
    background=True,
    encoding="cmu",
    refine="dark",  # finer than the quarter cell of the encoding; the authors enlarge the map 8 times
    source="Simon et al., CVPR 2017, section 3",
)
FACE_INFO = replace(HAND_INFO, num_joints=70, source="Cao et al., TPAMI 2021")
SCORE_STD = 0.01
_VGG_GROUPS = (
    ("1_1", "1_2"),
    ("2_1", "2_2"),
    ("3_1", "3_2", "3_3", "3_4"),
    ("4_1", "4_2", "4_3", "4_4", "5_1", "5_2"),
)
_STAGE_LAYERS = 7


class PartMachine(nn.Module):
    """Crop (B, 3, H, W) -> belief maps of each stage, (B, num_joints + 1, H/8, W/8), the last map the background.

    Gives a list where there are several stages. The features that every stage sees are those of VGG-19 up to its
    twelfth convolution, which stand at 1/8 of the crop.

    Args:
        num_joints: 21 of a hand, 70 of a face.
        stages: 6 as published.
        width: Channels of the first layers; the others follow.
    """

    final_layers = ("conv6_2_CPM.*", "Mconv7_stage*", "Mconv1_stage*.weight")

    def __init__(self, *, num_joints: int, stages: int = 6, width: int = 64) -> None:
        super().__init__()
        require_positive(stages=stages)
        self.stages, maps, features = stages, num_joints + 1, 2 * width
        channels = 3
        for group, layers in enumerate(_VGG_GROUPS):
            for layer in layers:
                self._add(f"conv{layer}", channels, width << group, 3)
                channels = width << group
        self._add("conv5_3_CPM", channels, features, 3)
        self._add("conv6_1_CPM", features, 4 * features, 1)
        self._add("conv6_2_CPM", 4 * features, maps, 1)
        for stage in range(2, stages + 1):
            for layer in range(1, _STAGE_LAYERS + 1):
                into = features + maps if layer == 1 else features
                out = maps if layer == _STAGE_LAYERS else features
                self._add(f"Mconv{layer}_stage{stage}", into, out, 7 if layer <= 5 else 1)
        init_he(self)
        for name, layer in self.named_children():
            if name.startswith(("conv6_2_", "Mconv7_")):
                init_normal(layer, SCORE_STD)

    def _add(self, name: str, in_channels: int, channels: int, size: int) -> None:
        self.add_module(name, nn.Conv2d(in_channels, channels, size, padding=size // 2))

    def _relu(self, name: str, x: Tensor) -> Tensor:
        return functional.relu(self.get_submodule(name)(x))

    def _features(self, x: Tensor) -> Tensor:
        """(B, 2 width, H/8, W/8)."""
        for group, layers in enumerate(_VGG_GROUPS):
            if group:
                x = functional.max_pool2d(x, 2)
            for layer in layers:
                x = self._relu(f"conv{layer}", x)
        return self._relu("conv5_3_CPM", x)

    def _next_stage(self, stage: int, beliefs: Tensor, features: Tensor) -> Tensor:
        x = torch.cat([beliefs, features], dim=1)
        for layer in range(1, _STAGE_LAYERS):
            x = self._relu(f"Mconv{layer}_stage{stage}", x)
        return self.get_submodule(f"Mconv{_STAGE_LAYERS}_stage{stage}")(x)

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        features = self._features(image)
        outputs = [self.conv6_2_CPM(self._relu("conv6_1_CPM", features))]
        for stage in range(2, self.stages + 1):
            outputs.append(self._next_stage(stage, outputs[-1], features))
        return outputs if len(outputs) > 1 else outputs[0]


@register_model(HAND_INFO)
def openpose_hand(*, num_joints: int, **options: Any) -> PartMachine:
    return PartMachine(num_joints=num_joints, **options)


@register_model(FACE_INFO)
def openpose_face(*, num_joints: int, **options: Any) -> PartMachine:
    return PartMachine(num_joints=num_joints, **options)
