"""Stacked hourglasses that give a tag beside each joint: joints of one person have equal tags.

No batch norm; tensor names are those of princeton-vl/pose-ae-train.

Source: Newell, Huang, Deng, "Associative Embedding: End-to-End Learning for Joint Detection and Grouping", NIPS 2017,
section 3.
"""

from typing import Any

from torch import Tensor, nn

from python_models.errors import require_positive
from python_models.maps import TaggedMaps
from python_models.resnet import init_he
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(
    input_size=(512, 512),
    size_multiple=64,
    stride=4,
    sigma_px=2.0,
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    output="maps",
    input="image",
    source="Newell et al., NIPS 2017, section 3",
)
DEPTH = 4  # halvings in an hourglass
MAPS_PER_JOINT = 4  # a heat map and a tag; the published network has two more, which mean nothing


class Conv(nn.Module):
    """A convolution, which keeps the size at stride 1, and a ReLU where `relu`."""

    def __init__(
        self, in_channels: int, channels: int, size: int = 3, stride: int = 1, *, relu: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, size, stride, padding=(size - 1) // 2)
        self.relu = nn.ReLU() if relu else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x if self.relu is None else self.relu(x)


class Merge(nn.Module):
    """A 1x1 convolution back to the features of the next stack."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = Conv(in_channels, channels, 1, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Hourglass(nn.Module):
    """Features (B, features, h, w) -> the same shape; every halving has `increase` channels more."""

    def __init__(self, depth: int, features: int, increase: int) -> None:
        super().__init__()
        wider = features + increase
        self.up1 = Conv(features, features)
        self.pool1 = nn.MaxPool2d(2)
        self.low1 = Conv(features, wider)
        self.low2 = Hourglass(depth - 1, wider, increase) if depth > 1 else Conv(wider, wider)
        self.low3 = Conv(wider, features)
        self.up2 = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x: Tensor) -> Tensor:
        return self.up1(x) + self.up2(self.low3(self.low2(self.low1(self.pool1(x)))))


class PoseAE(nn.Module):
    """Image (B, 3, H, W), H and W multiples of 64 -> `TaggedMaps` of each stack.

    Args:
        num_joints: Number of joints.
        stacks: 4 as published.
        features: Channels between the hourglasses.
        increase: Channels more at every halving.
    """

    final_layers = ("outs.*", "merge_preds.*.weight")

    def __init__(self, *, num_joints: int, stacks: int = 4, features: int = 256, increase: int = 128) -> None:
        super().__init__()
        require_positive(stacks=stacks)
        maps, quarter, half = MAPS_PER_JOINT * num_joints, features // 4, features // 2
        self.num_joints = num_joints
        self.pre = nn.Sequential(
            Conv(3, quarter, 7, 2),
            Conv(quarter, half),
            nn.MaxPool2d(2),
            Conv(half, half),
            Conv(half, features),
        )
        self.features = nn.ModuleList(
            nn.Sequential(
                Hourglass(DEPTH, features, increase), Conv(features, features), Conv(features, features)
            )
            for _ in range(stacks)
        )
        self.outs = nn.ModuleList(Conv(features, maps, 1, relu=False) for _ in range(stacks))
        self.merge_features = nn.ModuleList(Merge(features, features) for _ in range(stacks - 1))
        self.merge_preds = nn.ModuleList(Merge(maps, features) for _ in range(stacks - 1))
        init_he(self)

    def stacks(self, image: Tensor) -> list[Tensor]:
        """All maps of each stack, (B, 4 * num_joints, H/4, W/4): heat maps, tags, and those that mean nothing."""
        x, outputs = self.pre(image), []
        for index, (hourglass, out) in enumerate(zip(self.features, self.outs, strict=True)):
            features = hourglass(x)
            outputs.append(out(features))
            if index < len(self.merge_features):
                x = x + self.merge_preds[index](outputs[-1]) + self.merge_features[index](features)
        return outputs

    def forward(self, image: Tensor) -> TaggedMaps:
        split = [x.split(self.num_joints, dim=1) for x in self.stacks(image)]
        return TaggedMaps([maps[0] for maps in split], [maps[1] for maps in split])


@register_model(INFO)
def pose_ae_hourglass4(*, num_joints: int, **options: Any) -> PoseAE:
    return PoseAE(num_joints=num_joints, **options)
