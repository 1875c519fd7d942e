"""HRNets that give a tag beside each joint; HigherHRNet also gives heat maps at twice the resolution.

Source: Cheng, Xiao, Wang, Shi, Huang, Zhang, "HigherHRNet: Scale-Aware Representation Learning for Bottom-Up Human
Pose Estimation", CVPR 2020, section 3.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from python_models.hrnet import INIT_STD, HRNet
from python_models.maps import TaggedMaps
from python_models.resnet import BasicBlock, init_normal, residual_stage
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(
    input_size=(512, 512), output="maps", input="image", stride=2, source="Cheng et al., CVPR 2020, section 3"
)
AE_INFO: ModelInfo = replace(INFO, stride=4, source="mmpose, ae_hrnet-w32_8xb24-300e_coco-512x512")
REFINING_BLOCKS = 4


class Upsample(nn.Sequential):
    """Twice the resolution by a deconvolution, then residual blocks."""

    def __init__(self, in_channels: int, channels: int) -> None:
        deconvolution = nn.Sequential(
            nn.ConvTranspose2d(in_channels, channels, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )
        blocks = (residual_stage(BasicBlock, channels, channels, 1, stride=1) for _ in range(REFINING_BLOCKS))
        super().__init__(deconvolution, *blocks)


class HigherHRNet(HRNet):
    """Image (B, 3, H, W), H and W multiples of 32 -> `TaggedMaps`: tags once, at H/4, and heat maps of all sizes.

    Args:
        num_joints: Number of joints.
        upsamples: 1: heat maps at H/4 and H/2, as HigherHRNet; 0: at H/4 alone.
        width: Channels of the finest branch.
        trunk: `blocks` and `exchanges` of `HRNet`.
    """

    final_layers = ("heads.*", "upsamples.*.0.0.weight")

    def __init__(self, *, num_joints: int, upsamples: int = 1, width: int = 32, **trunk: Any) -> None:
        super().__init__(width, **trunk)
        self.num_joints = num_joints
        counts = [2 * num_joints] + upsamples * [num_joints]
        self.heads = nn.ModuleList(nn.Conv2d(width, maps, 1) for maps in counts)
        self.upsamples = nn.ModuleList(Upsample(width + maps, width) for maps in counts[:-1])
        init_normal(self, INIT_STD)

    def forward(self, image: Tensor) -> TaggedMaps:
        features = self.features(image)
        maps = self.heads[0](features)
        heatmaps, tags = maps.split(self.num_joints, dim=1)
        output = TaggedMaps([heatmaps], [tags])
        for upsample, head in zip(self.upsamples, self.heads[1:], strict=True):
            features = upsample(torch.cat([features, maps], dim=1))
            maps = head(features)
            output.heatmaps.append(maps)
        return output


@register_model(INFO)
def higherhrnet_w32(*, num_joints: int, **options: Any) -> HigherHRNet:
    return HigherHRNet(num_joints=num_joints, **options)


@register_model(AE_INFO)
def ae_hrnet_w32(*, num_joints: int, upsamples: int = 0, **options: Any) -> HigherHRNet:
    return HigherHRNet(num_joints=num_joints, upsamples=upsamples, **options)
