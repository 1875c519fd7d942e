"""PifPaf: every cell points at the joints and limbs near it, with a confidence and a size.

Source: Kreiss, Bertoni, Alahi, "PifPaf: Composite Fields for Human Pose Estimation", CVPR 2019, section 3, with the
fields of "OpenPifPaf", T-ITS 2021.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from python_models.maps import CompositeFields
from python_models.resnet import ResNet
from python_models.shufflenet import ShuffleNetV2K
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(
    input_size=(385, 385),
    size_multiple=1,
    stride=8,
    extra_cells=1,
    output="maps",
    input="image",
    source="Kreiss et al., CVPR 2019, section 3",
)
COCO_LIMBS = 19
JOINT, LIMB = 5, 8  # components of a joint's and of a limb's field
FINER = 2  # fields have so many times the features' resolution


class PifPaf(nn.Module):
    """Image (B, 3, H, W), best of sizes 16 n + 1 -> `CompositeFields` of H / 8 + 1 rows and W / 8 + 1 columns.

    Args:
        base_net: Gives features (B, `base_net.out_channels`, H/16, W/16).
        num_joints: Number of joints.
        num_limbs: Number of limbs.
    """

    final_layers = ("joints.*", "limbs.*")

    def __init__(self, base_net: nn.Module, *, num_joints: int, num_limbs: int = COCO_LIMBS) -> None:
        super().__init__()
        self.base_net = base_net
        self.joints = nn.Conv2d(base_net.out_channels, num_joints * JOINT * FINER**2, 1)
        self.limbs = nn.Conv2d(base_net.out_channels, num_limbs * LIMB * FINER**2, 1)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eps, part.momentum = 1e-3, 0.01

    def forward(self, image: Tensor) -> CompositeFields:
        x = self.base_net(image)
        return CompositeFields([_finer(self.joints(x), JOINT)], [_finer(self.limbs(x), LIMB)])


def _finer(x: Tensor, components: int) -> Tensor:
    """(B, fields, components, h, w): without the last row and column, so that cells lie on the image's borders."""
    return functional.pixel_shuffle(x, FINER)[..., :-1, :-1].unflatten(1, (-1, components))


def composite_fields(fields: Tensor, points: int) -> Tensor:
    """The fields with their meaning: confidences in 0..1, places in cells of the map, sizes above 0.

    Args:
        fields: (B, fields, 2 + 3 * points, h, w) of `CompositeFields`.
        points: 1 for joints, 2 for limbs.
    """
    height, width = fields.shape[-2:]
    x = torch.arange(width, device=fields.device, dtype=fields.dtype).expand(height, -1)
    y = torch.arange(height, device=fields.device, dtype=fields.dtype)[:, None].expand(-1, width)
    unused, confidence, places, sizes = fields.split([1, 1, 2 * points, points], dim=2)
    here = torch.stack([x, y] * points)
    return torch.cat([unused, confidence.sigmoid(), places + here, functional.softplus(sizes)], dim=2)


def _shufflenet(blocks: Sequence[int], channels: Sequence[int], num_joints: int, num_limbs: int) -> PifPaf:
    return PifPaf(ShuffleNetV2K(blocks, channels), num_joints=num_joints, num_limbs=num_limbs)


@register_model(INFO)
def pifpaf_resnet50(*, num_joints: int, num_limbs: int = COCO_LIMBS, **trunk: Any) -> PifPaf:
    """Without the ResNet's pooling; `trunk`: `width` and `blocks` of `ResNet`."""
    resnet = ResNet(50, **trunk)
    resnet.maxpool = nn.Identity()
    return PifPaf(resnet, num_joints=num_joints, num_limbs=num_limbs)


@register_model(INFO)
def pifpaf_shufflenetv2k16(
    *,
    num_joints: int,
    num_limbs: int = COCO_LIMBS,
    blocks: Sequence[int] = (4, 8, 4),
    channels: Sequence[int] = (24, 348, 696, 1392, 1392),
) -> PifPaf:
    return _shufflenet(blocks, channels, num_joints, num_limbs)


@register_model(INFO)
def pifpaf_shufflenetv2k30(
    *,
    num_joints: int,
    num_limbs: int = COCO_LIMBS,
    blocks: Sequence[int] = (8, 16, 6),
    channels: Sequence[int] = (32, 512, 1024, 2048, 2048),
) -> PifPaf:
    return _shufflenet(blocks, channels, num_joints, num_limbs)
