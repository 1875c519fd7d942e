"""HRNet: branches of four resolutions side by side, which exchange what they found after every few blocks.

Source: Sun, Xiao, Liu, Wang, "Deep High-Resolution Representation Learning for Human Pose Estimation", CVPR 2019,
section 3.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from python_models.heads import HeadName, make_head
from python_models.resnet import BasicBlock, Bottleneck, init_normal, residual_stage
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(source="Sun et al., CVPR 2019, section 3")
INIT_STD = 0.001
STEM = 64


def conv_norm(
    in_channels: int, channels: int, size: int, stride: int = 1, *, relu: bool = True
) -> nn.Sequential:
    """Convolution, batch norm and, where asked for, ReLU; a 3x3 keeps the size."""
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, channels, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(channels),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


def _resize(channels: Sequence[int], source: int, target: int) -> nn.Module:
    """From branch `source` to the resolution and channels of branch `target`."""
    into = channels[target]
    if source == target:
        return nn.Identity()
    if source > target:  # coarser
        upsample = nn.Upsample(scale_factor=2.0 ** (source - target), mode="nearest")
        return nn.Sequential(*conv_norm(channels[source], into, 1, relu=False), upsample)
    halvings = [conv_norm(channels[source], channels[source], 3, 2) for _ in range(target - source - 1)]
    return nn.Sequential(*halvings, conv_norm(channels[source], into, 3, 2, relu=False))


class Exchange(nn.Module):
    """Residual blocks on every branch, then each branch becomes the sum of all of them.

    Args:
        channels: Of the branches, finest first; each has half the resolution of the one before.
        blocks: Residual blocks per branch.
        outputs: How many of the branches, from the finest on, are given on.
    """

    def __init__(self, channels: Sequence[int], blocks: int, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(residual_stage(BasicBlock, c, c, blocks, stride=1) for c in channels)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_resize(channels, source, target) for source in range(len(channels)))
            for target in range(outputs)
        )
        self.relu = nn.ReLU()

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        features = [branch(x) for branch, x in zip(self.branches, features, strict=True)]
        sums = []
        for resizes in self.fuse_layers:
            first, *others = (resize(x) for resize, x in zip(resizes, features, strict=True))
            for other in others:
                first = first + other
            sums.append(self.relu(first))
        return sums


class HRNet(nn.Module):
    """Image (B, 3, H, W) -> its finest branch (B, width, H/4, W/4); H and W multiples of 32.

    Args:
        width: Channels of the finest branch; every coarser one has twice as many.
        blocks: Residual blocks per branch between two exchanges.
        exchanges: Exchanges with two, three and four branches.
    """

    def __init__(self, width: int, *, blocks: int = 4, exchanges: tuple[int, int, int] = (1, 4, 3)) -> None:
        super().__init__()
        channels = [width * 2**branch for branch in range(4)]
        self.conv1 = nn.Conv2d(3, STEM, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.conv2 = nn.Conv2d(STEM, STEM, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(STEM)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = residual_stage(Bottleneck, STEM, STEM, blocks, stride=1)
        wide = STEM * Bottleneck.expansion
        self.transition1 = nn.ModuleList(
            [conv_norm(wide, channels[0], 3), nn.Sequential(conv_norm(wide, channels[1], 3, 2))]
        )
        self.stage2 = self._stage(channels[:2], blocks, exchanges[0])
        self.transition2 = self._one_branch_more(channels[:3])
        self.stage3 = self._stage(channels[:3], blocks, exchanges[1])
        self.transition3 = self._one_branch_more(channels)
        self.stage4 = self._stage(channels, blocks, exchanges[2], last_outputs=1)

    @staticmethod
    def _stage(
        channels: Sequence[int], blocks: int, exchanges: int, last_outputs: int | None = None
    ) -> nn.Sequential:
        outputs = [len(channels)] * (exchanges - 1) + [last_outputs or len(channels)]
        return nn.Sequential(*(Exchange(channels, blocks, count) for count in outputs))

    @staticmethod
    def _one_branch_more(channels: Sequence[int]) -> nn.ModuleList:
        """The branches as they are, and a coarser one made from the last of them."""
        kept = [nn.Identity() for _ in channels[:-1]]
        return nn.ModuleList([*kept, nn.Sequential(conv_norm(channels[-2], channels[-1], 3, 2))])

    def features(self, image: Tensor) -> Tensor:
        """The finest branch, (B, width, H/4, W/4)."""
        x = self.relu(self.bn1(self.conv1(image)))
        x = self.layer1(self.relu(self.bn2(self.conv2(x))))
        branches = self.stage2([make(x) for make in self.transition1])
        branches = self.stage3([*branches, self.transition2[-1](branches[-1])])
        branches = self.stage4([*branches, self.transition3[-1](branches[-1])])
        return branches[0]


class PoseHRNet(HRNet):
    """Image (B, 3, H, W) -> heat maps (B, num_joints, H/4, W/4), or what `head` makes of them; H, W multiples of 32.

    Args:
        width: Channels of the finest branch; every coarser one has twice as many.
        num_joints: Number of heat maps.
        head: "heatmaps", or "simcc" for rows of bins (`python_models.heads`).
        input_size: (H, W), for SimCC, which works at one size only.
        trunk: `blocks` and `exchanges` of `HRNet`.
    """

    final_layers = ("final_layer.*",)

    def __init__(
        self,
        width: int,
        *,
        num_joints: int,
        head: HeadName = "heatmaps",
        input_size: tuple[int, int] = (256, 192),
        **trunk: Any,
    ) -> None:
        super().__init__(width, **trunk)
        self.final_layer = nn.Conv2d(width, num_joints, 1)
        init_normal(self, INIT_STD)
        self.head = make_head(head, input_size, INFO.stride)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.final_layer(self.features(image)))


@register_model(INFO)
def pose_hrnet_w32(*, num_joints: int, width: int = 32, **options: Any) -> PoseHRNet:
    return PoseHRNet(width, num_joints=num_joints, **options)


@register_model(INFO)
def pose_hrnet_w48(*, num_joints: int, width: int = 48, **options: Any) -> PoseHRNet:
    return PoseHRNet(width, num_joints=num_joints, **options)
