"""Integral regression: joints are the expectation over a softmax of heat maps or volumes, and train as coordinates.

The networks give heat maps or volumes; `python_models.outputs.expected_joints` takes the expectation, of these and,
with `head="integral"`, of every other network of heat maps.

`integral_resnet50`, 101 and 152 have the tensor names of JimmySuen/integral-human-pose, whose direct regression, the
paper's baseline, is `integral_direct_resnet50`; `integral_mmpose_res50` is mmpose's network for 2D.

Source: Sun, Xiao, Wei, Liang, Wei, "Integral Human Pose Regression", ECCV 2018, sections 2 and 3.
"""

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from python_models.deeppose import ResNetRegressor
from python_models.pose_resnet import HEAD_STD, PoseResNet, deconvolutions
from python_models.resnet import ResNet, init_normal
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(input_size=(256, 256), output="volume", source="Sun et al., ECCV 2018, section 2")
INFO_DIRECT = replace(INFO, output="coordinates", from_centre=True)
INFO_MMPOSE = replace(INFO, output="heatmaps", head="integral", source="Sun et al., ECCV 2018, as in mmpose")


class IntegralResNet(nn.Module):
    """Image (B, 3, H, W) -> a volume of logits for each joint, (B, num_joints * depth_bins, H/4, W/4).

    H and W are multiples of 32. The volume of joint k is `output.unflatten(1, (num_joints, -1))[:, k]`.

    Args:
        depth: Of the ResNet.
        num_joints: Number of joints.
        depth_bins: Depth of the volumes; 1 for heat maps.
        deconv_channels: Output channels of the deconvolutions, each of which doubles the resolution.
        trunk: `width` and `blocks` of `ResNet`.
    """

    final_layers = ("head.features.9.*",)

    def __init__(
        self,
        depth: int,
        *,
        num_joints: int,
        depth_bins: int = 64,
        deconv_channels: tuple[int, int, int] = (256, 256, 256),
        **trunk: Any,
    ) -> None:
        super().__init__()
        self.backbone = ResNet(depth, **trunk)
        upsampling = deconvolutions(self.backbone.out_channels, deconv_channels)
        logits = nn.Conv2d(deconv_channels[-1], num_joints * depth_bins, 1)
        self.head = nn.ModuleDict({"features": nn.Sequential(*upsampling, logits)})
        init_normal(self.head, HEAD_STD)

    def forward(self, image: Tensor) -> Tensor:
        return self.head["features"](self.backbone(image))


@register_model(INFO)
def integral_resnet50(*, num_joints: int, **options: Any) -> IntegralResNet:
    return IntegralResNet(50, num_joints=num_joints, **options)


@register_model(INFO)
def integral_resnet101(*, num_joints: int, **options: Any) -> IntegralResNet:
    return IntegralResNet(101, num_joints=num_joints, **options)


@register_model(INFO)
def integral_resnet152(*, num_joints: int, **options: Any) -> IntegralResNet:
    return IntegralResNet(152, num_joints=num_joints, **options)


@register_model(INFO_DIRECT)
def integral_direct_resnet50(*, num_joints: int, **options: Any) -> ResNetRegressor:
    return ResNetRegressor(50, num_joints=num_joints, numbers=3, flat=True, **options)


@register_model(INFO_MMPOSE)
def integral_mmpose_res50(*, num_joints: int, **options: Any) -> PoseResNet:
    return PoseResNet(50, num_joints=num_joints, **options)
