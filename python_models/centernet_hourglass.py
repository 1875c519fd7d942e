"""CenterNet on two of CornerNet's hourglasses.

Source: Zhou, Wang, Krähenbühl, "Objects as Points", 2019, section 5; hourglasses of Law and Deng, ECCV 2018.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from python_models.centernet import INFO as RESNET_INFO
from python_models.centernet import RARE
from python_models.errors import require_positive
from python_models.hourglass52 import BLOCKS, CHANNELS, Hourglass, conv_norm_relu
from python_models.maps import CentreMaps
from python_models.resnet import BasicBlock, residual_stage
from python_models.zoo import ModelInfo, register_model

INFO: ModelInfo = replace(
    RESNET_INFO, size_multiple=128, source="Zhou et al., Objects as Points, 2019, section 5"
)


class CenterNetHourglass(nn.Module):
    """Image (B, 3, H, W), H and W multiples of 128 -> `CentreMaps` of each hourglass.

    Args:
        num_joints: Number of joints.
        stacks: 2 as published.
        channels: Of each resolution, the finest first.
        blocks: At each place of each resolution.
    """

    final_layers = ("heads.heatmaps.*.2.*", "heads.joints.*.2.*")

    def __init__(
        self,
        *,
        num_joints: int,
        stacks: int = 2,
        channels: Sequence[int] = CHANNELS,
        blocks: Sequence[int] = BLOCKS,
    ) -> None:
        super().__init__()
        require_positive(stacks=stacks)
        features = channels[0]
        self.stem = nn.Sequential(
            conv_norm_relu(3, features // 2, 7, 2),
            *residual_stage(BasicBlock, features // 2, features, 1, stride=2),
        )
        self.hourglasses = nn.ModuleList(Hourglass(channels, blocks) for _ in range(stacks))
        self.after = nn.ModuleList(conv_norm_relu(features, features, 3) for _ in range(stacks))
        # What leads to the next hourglass: what went into this one, what it found, and a block on their sum.
        between = range(stacks - 1)
        self.before_again = nn.ModuleList(_linear(features) for _ in between)
        self.after_again = nn.ModuleList(_linear(features) for _ in between)
        self.merged = nn.ModuleList(
            residual_stage(BasicBlock, features, features, 1, stride=1)[0] for _ in between
        )
        maps = {
            "heatmaps": num_joints,
            "heatmap_offsets": 2,
            "centres": 1,
            "centre_offsets": 2,
            "sizes": 2,
            "joints": 2 * num_joints,
        }
        self.heads = nn.ModuleDict(
            {
                name: nn.ModuleList(_head(features, count) for _ in range(stacks))
                for name, count in maps.items()
            }
        )
        for name in ("heatmaps", "centres"):
            for head in self.heads[name]:
                nn.init.constant_(head[-1].bias, RARE)

    def features(self, image: Tensor) -> list[Tensor]:
        """What the heads of each stack see, (B, channels[0], H/4, W/4)."""
        x, outputs = self.stem(image), []
        for index, (hourglass, after) in enumerate(zip(self.hourglasses, self.after, strict=True)):
            outputs.append(after(hourglass(x)))
            if index < len(self.merged):
                x = self.before_again[index](x) + self.after_again[index](outputs[-1])
                x = self.merged[index](functional.relu(x))
        return outputs

    def forward(self, image: Tensor) -> CentreMaps:
        features = self.features(image)
        maps = {
            name: [head(x) for head, x in zip(heads, features, strict=True)]
            for name, heads in self.heads.items()
        }
        return CentreMaps(**maps)


def _linear(features: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(features, features, 1, bias=False), nn.BatchNorm2d(features))


def _head(features: int, maps: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(features, features, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(features, maps, 1)
    )


@register_model(INFO)
def centernet_hourglass(*, num_joints: int, **options: Any) -> CenterNetHourglass:
    return CenterNetHourglass(num_joints=num_joints, **options)
