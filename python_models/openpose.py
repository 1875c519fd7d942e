"""OpenPose for COCO's joints: two branches, of part affinity fields and of heat maps, refined stage after stage.

Source: Cao, Simon, Wei, Sheikh, "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields", CVPR 2017,
section 2.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from python_models.errors import require_positive
from python_models.maps import PartAffinityMaps
from python_models.resnet import init_he, init_normal
from python_models.vgg import POOL, vgg_layers
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(
    input_size=(368, 368),
    size_multiple=8,
    stride=8,
    sigma_px=7 / 8,
    mean=(128 / 255,) * 3,
    std=(256 / 255,) * 3,
    channel_order="bgr",
    output="maps",
    input="image",
    num_joints=18,
    background=True,
    limb_fields=True,
    encoding="cmu",
    source="Cao et al., CVPR 2017, section 2",
)
COCO_LIMBS = 19  # of `pyposeops.skeletons.OPENPOSE_COCO_18`
SCORE_STD = 0.01


def vgg_trunk(width: int = 64) -> list[nn.Module]:
    """The first ten convolutions of VGG-19; gives (B, 8 * width, H/8, W/8)."""
    first, second, third, last = width, 2 * width, 4 * width, 8 * width
    return vgg_layers([first] * 2 + [POOL] + [second] * 2 + [POOL] + [third] * 4 + [POOL] + [last] * 2)


def _branch(sizes: list[int], channels: list[int]) -> nn.Sequential:
    """Convolutions of these kernel sizes from `channels[0]` on, with ReLUs between them."""
    layers: list[nn.Module] = []
    for size, into, out in zip(sizes, channels[:-1], channels[1:], strict=True):
        layers += [nn.Conv2d(into, out, size, padding=size // 2), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])


class Stage(nn.Module):
    """Both branches of a stage; the first sees the features alone, later ones what the stage before gave, too."""

    def __init__(self, features: int, heatmaps: int, pafs: int, *, first: bool) -> None:
        super().__init__()
        if first:
            sizes, channels = [3, 3, 3, 1, 1], [features] * 4 + [4 * features]
        else:
            sizes, channels = [7] * 5 + [1, 1], [features + heatmaps + pafs] + [features] * 6
        self.pafs = _branch(sizes, [*channels, pafs])
        self.heatmaps = _branch(sizes, [*channels, heatmaps])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.heatmaps(x), self.pafs(x)


class OpenPose(nn.Module):
    """Image (B, 3, H, W), H and W multiples of 8 -> `PartAffinityMaps`, one pair of maps for each stage.

    Args:
        num_joints: Number of joints; there is one heat map more, the background.
        num_limbs: Each has a field of two maps, x and y.
        stages: 6 as published.
        relu_last: A ReLU on the last heat maps, as the port by Hzzone has it.
        width: Channels of the first layers; the others follow.
    """

    final_layers = (
        "stages.0.heatmaps.8.*",
        "stages.*.heatmaps.12.*",
        "stages.0.pafs.8.*",
        "stages.*.pafs.12.*",
        "stages.[1-9]*.0.weight",
    )
    beside_trunk = ("trunk.2[3-9].*",)  # what follows VGG's layers

    def __init__(
        self,
        *,
        num_joints: int,
        num_limbs: int = COCO_LIMBS,
        stages: int = 6,
        relu_last: bool = False,
        width: int = 64,
    ) -> None:
        super().__init__()
        require_positive(num_limbs=num_limbs, stages=stages)
        features, heatmaps, pafs = 2 * width, num_joints + 1, 2 * num_limbs
        self.trunk = nn.Sequential(
            *vgg_trunk(width),
            nn.Conv2d(8 * width, 4 * width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(4 * width, features, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.stages = nn.ModuleList(
            Stage(features, heatmaps, pafs, first=index == 0) for index in range(stages)
        )
        self.relu_last = relu_last
        init_he(self)
        for stage in self.stages:
            init_normal(stage.pafs[-1], SCORE_STD)
            init_normal(stage.heatmaps[-1], SCORE_STD)

    def forward(self, image: Tensor) -> PartAffinityMaps:
        features = self.trunk(image)
        output = PartAffinityMaps([], [])
        x = features
        for stage in self.stages:
            heatmaps, pafs = stage(x)
            output.heatmaps.append(heatmaps)
            output.pafs.append(pafs)
            x = torch.cat([pafs, heatmaps, features], dim=1)
        if self.relu_last:
            output.heatmaps[-1] = functional.relu(output.heatmaps[-1])
        return output


@register_model(INFO)
def openpose_body_coco(*, num_joints: int, **options: Any) -> OpenPose:
    return OpenPose(num_joints=num_joints, **options)
