"""CenterNet for poses: a person is the point in the middle of the box, from which the joints are seen.

Tensor names are those of xingyizhou/CenterNet: hm centres, wh sizes, hps joints, reg and hp_offset what is below a
cell.

Source: Zhou, Wang, Krähenbühl, "Objects as Points", 2019, sections 3 and 4; trunk and deconvolutions of Xiao et al.,
ECCV 2018.
"""

from typing import Any

from torch import Tensor, nn

from python_models.maps import CentreMaps
from python_models.pose_resnet import deconvolutions
from python_models.resnet import ResNet, init_normal
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(
    input_size=(512, 512),
    mean=(0.40789654, 0.44719302, 0.47026183),
    std=(0.28863828, 0.27408164, 0.27809835),
    channel_order="bgr",
    output="maps",
    input="image",
    source="Zhou et al., Objects as Points, 2019",
)
HEAD_STD = 0.001
RARE = -2.19  # bias of scores: about one cell in ten at the start


def _head(in_channels: int, hidden: int, maps: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, hidden, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(hidden, maps, 1)
    )


class CenterNet(ResNet):
    """Image (B, 3, H, W), H and W multiples of 32 -> `CentreMaps`.

    Args:
        depth: Of the ResNet.
        num_joints: Number of joints.
        channels: Of the three deconvolutions.
        hidden: Channels within the heads.
        trunk: `width` and `blocks` of `ResNet`.
    """

    final_layers = ("hm_hp.2.*", "hps.2.*")

    def __init__(
        self, depth: int, *, num_joints: int, channels: int = 256, hidden: int = 64, **trunk: Any
    ) -> None:
        super().__init__(depth, **trunk)
        self.deconv_layers = deconvolutions(self.out_channels, (channels,) * 3)
        self.hm = _head(channels, hidden, 1)
        self.wh = _head(channels, hidden, 2)
        self.reg = _head(channels, hidden, 2)
        self.hps = _head(channels, hidden, 2 * num_joints)
        self.hm_hp = _head(channels, hidden, num_joints)
        self.hp_offset = _head(channels, hidden, 2)
        for part in (self.deconv_layers, self.wh, self.reg, self.hps, self.hp_offset):
            init_normal(part, HEAD_STD)
        for scores in (self.hm, self.hm_hp):
            nn.init.constant_(scores[-1].bias, RARE)

    def forward(self, image: Tensor) -> CentreMaps:
        x = self.deconv_layers(self.features(image))
        return CentreMaps(
            heatmaps=[self.hm_hp(x)],
            heatmap_offsets=[self.hp_offset(x)],
            centres=[self.hm(x)],
            centre_offsets=[self.reg(x)],
            sizes=[self.wh(x)],
            joints=[self.hps(x)],
        )


@register_model(INFO)
def centernet_res18(*, num_joints: int, **options: Any) -> CenterNet:
    return CenterNet(18, num_joints=num_joints, **options)
