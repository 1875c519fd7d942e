"""OpenPose of 2019: first four stages of part affinity fields, then two of heat maps; 25 joints with the feet.

A convolution of 7x7 is three of 3x3 here, whose outputs are all kept, and ReLUs learn their slope.

Source: Cao, Hidalgo, Simon, Wei, Sheikh, "OpenPose: Realtime Multi-Person 2D Pose Estimation using Part Affinity
Fields", TPAMI 2021, section 3.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from python_models.errors import require_positive
from python_models.maps import PartAffinityMaps
from python_models.openpose import INFO as COCO_INFO
from python_models.openpose import SCORE_STD, vgg_trunk
from python_models.resnet import init_he, init_normal
from python_models.zoo import ModelInfo, register_model

INFO: ModelInfo = replace(COCO_INFO, num_joints=25, source="Cao et al., TPAMI 2021, section 3")
BODY_25_LIMBS = 26  # of `pyposeops.skeletons.OPENPOSE_BODY_25`


def conv_prelu(in_channels: int, channels: int, size: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, channels, size, padding=size // 2), nn.PReLU(channels))


class DenseTriple(nn.Module):
    """Three 3x3 convolutions one after the other -> what all three gave, (B, 3 * channels, h, w)."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                conv_prelu(in_channels, channels),
                conv_prelu(channels, channels),
                conv_prelu(channels, channels),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        outputs = []
        for layer in self.layers:
            x = layer(x)
            outputs.append(x)
        return torch.cat(outputs, dim=1)


class Stage(nn.Module):
    """Five triples, then two 1x1 convolutions; gives (B, maps, h, w)."""

    def __init__(self, in_channels: int, channels: int, hidden: int, maps: int) -> None:
        super().__init__()
        later = [DenseTriple(3 * channels, channels) for _ in range(4)]
        self.triples = nn.Sequential(DenseTriple(in_channels, channels), *later)
        self.hidden = conv_prelu(3 * channels, hidden, 1)
        self.maps = nn.Conv2d(hidden, maps, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.maps(self.hidden(self.triples(x)))


class OpenPoseBody25(nn.Module):
    """Image (B, 3, H, W), H and W multiples of 8 -> `PartAffinityMaps`: its lists have as many maps as stages.

    Args:
        num_joints: Number of joints; there is one heat map more, the background.
        num_limbs: Each has a field of two maps, x and y.
        stages: Of fields and of heat maps; 4 and 2 as published.
        width: Channels of the first layers; the others follow.
    """

    final_layers = (
        "heatmap_stages.*.maps.*",
        "paf_stages.*.maps.*",
        "heatmap_stages.*.triples.0.layers.0.0.weight",
        "paf_stages.[1-9]*.triples.0.layers.0.0.weight",
    )
    beside_trunk = ("trunk.2[2-9].*",)  # what follows VGG's layers

    def __init__(
        self,
        *,
        num_joints: int,
        num_limbs: int = BODY_25_LIMBS,
        stages: Sequence[int] = (4, 2),
        width: int = 64,
    ) -> None:
        super().__init__()
        paf_stages, heatmap_stages = stages
        require_positive(num_limbs=num_limbs, paf_stages=paf_stages, heatmap_stages=heatmap_stages)
        features, heatmaps, pafs = 2 * width, num_joints + 1, 2 * num_limbs
        self.trunk = nn.Sequential(
            *vgg_trunk(width)[:-1],
            nn.PReLU(8 * width),
            *conv_prelu(8 * width, 4 * width),
            *conv_prelu(4 * width, features),
        )
        narrow, wide = (3 * width // 2, 4 * width), (2 * width, 8 * width)  # of triples, and between the 1x1s
        self.paf_stages = nn.ModuleList(
            [
                Stage(features, *narrow, pafs),
                *(Stage(features + pafs, *wide, pafs) for _ in range(paf_stages - 1)),
            ]
        )
        self.heatmap_stages = nn.ModuleList(
            [
                Stage(features + pafs, *narrow, heatmaps),
                *(Stage(features + heatmaps + pafs, *wide, heatmaps) for _ in range(heatmap_stages - 1)),
            ]
        )
        init_he(self)
        for stage in (*self.paf_stages, *self.heatmap_stages):
            init_normal(stage.maps, SCORE_STD)

    def forward(self, image: Tensor) -> PartAffinityMaps:
        features = self.trunk(image)
        output = PartAffinityMaps([], [])
        x = features
        for stage in self.paf_stages:
            output.pafs.append(stage(x))
            x = torch.cat([features, output.pafs[-1]], dim=1)
        for stage in self.heatmap_stages:
            output.heatmaps.append(stage(x))
            x = torch.cat([features, output.heatmaps[-1], output.pafs[-1]], dim=1)
        return output


@register_model(INFO)
def openpose_body_25(*, num_joints: int, **options: Any) -> OpenPoseBody25:
    return OpenPoseBody25(num_joints=num_joints, **options)
