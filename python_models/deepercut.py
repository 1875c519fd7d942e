"""DeeperCut's part detector: a ResNet at a sixteenth of the resolution, brought to an eighth by deconvolutions.

Every cell also says where all other parts of its person are. Strides are on the first 1x1 of a block and poolings are
rounded up, as in Caffe.

Source: Insafutdinov et al., "DeeperCut: A Deeper, Stronger, and Faster Multi-Person Pose Estimation Model", ECCV
2016, sections 3 and 4.
"""

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from python_models.deepcut import HEAD_STD
from python_models.deepcut import INFO as DEEPCUT_INFO
from python_models.maps import PairedPartMaps
from python_models.resnet import ResNet, init_normal
from python_models.zoo import ModelInfo, register_model

INFO: ModelInfo = replace(
    DEEPCUT_INFO, size_multiple=32, extra_cells=0, source="Insafutdinov et al., ECCV 2016, section 3"
)


class DeeperCut(ResNet):
    """Image (B, 3, H, W), H and W multiples of 32 -> `PairedPartMaps` at H/8.

    Args:
        depth: Of the ResNet: 50, 101 or 152.
        num_joints: Number of parts.
        trunk: `width` and `blocks` of `ResNet`.
    """

    final_layers = ("up.*", "skip.*")

    def __init__(self, depth: int, *, num_joints: int, **trunk: Any) -> None:
        super().__init__(depth, **trunk)
        self.maxpool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for stage in (self.layer2, self.layer3):
            stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
        self.layer4[0].conv2.stride = self.layer4[0].downsample[0].stride = (1, 1)
        for block in self.layer4:
            block.conv2.dilation = block.conv2.padding = (2, 2)
        maps = {
            "scores": num_joints,
            "offsets": 2 * num_joints,
            "pairs": 2 * num_joints * (num_joints - 1),
        }
        finer = self.layer2[-1].conv3.out_channels
        self.up = nn.ModuleDict(
            {name: nn.ConvTranspose2d(self.out_channels, count, 3, stride=2) for name, count in maps.items()}
        )
        self.skip = nn.ModuleDict({name: nn.Conv2d(finer, count, 1) for name, count in maps.items()})
        init_normal(self.up, HEAD_STD)
        init_normal(self.skip, HEAD_STD)

    def forward(self, image: Tensor) -> PairedPartMaps:
        _, finer, _, x = self.pyramid(image)
        maps = []
        for name, up in self.up.items():
            skip = self.skip[name](finer)
            height, width = skip.shape[-2:]
            maps.append([up(x)[..., :height, :width] + skip])
        return PairedPartMaps(*maps)


@register_model(INFO)
def deepercut_resnet152(*, num_joints: int, **options: Any) -> DeeperCut:
    return DeeperCut(152, num_joints=num_joints, **options)
