"""DeepCut's part detector: VGG-16 run densely at an eighth of the resolution, with scores and offsets of every part.

Strides after the third pooling are dilations, and a person is to be about 340 pixels high.

Source: Pishchulin et al., "DeepCut: Joint Subset Partition and Labeling for Multi Person Pose Estimation", CVPR 2016,
section 4.2.
"""

from typing import Any

from torch import Tensor, nn

from python_models.maps import PartScoreMaps
from python_models.resnet import init_he, init_normal
from python_models.vgg import POOL, vgg_layers
from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(
    input_size=(340, 340),
    size_multiple=1,
    stride=8,
    extra_cells=1,
    sigma_px=17 / 8,
    mean=(104 / 255, 117 / 255, 123 / 255),
    std=(1 / 255,) * 3,
    channel_order="bgr",
    num_joints=14,
    output="maps",
    parts_alone=True,
    input="image",
    source="Pishchulin et al., CVPR 2016, section 4.2",
)
OFFSET_PX = 53**0.5  # an offset of 1 is so many pixels of the image
HEAD_STD = 0.01


class DeepCutVGG(nn.Module):
    """Image (B, 3, H, W) -> `PartScoreMaps` of ceil(H / 8) + 1 rows and ceil(W / 8) + 1 columns.

    Args:
        num_joints: Number of parts.
        width: Channels of the first layers; the others follow.
        hidden: Channels of the last two.
        dropout: After each of them.
    """

    final_layers = ("scores.*", "offsets.*")
    beside_trunk = ("layers.3*",)  # what follows VGG's convolutions

    def __init__(self, *, num_joints: int, width: int = 64, hidden: int = 4096, dropout: float = 0.5) -> None:
        super().__init__()
        wide = 8 * width
        channels = [width] * 2, [2 * width] * 2, [4 * width] * 3
        plain = [layer for count in channels for layer in (*count, POOL)]
        self.layers = nn.Sequential(
            *vgg_layers([*plain, *[wide] * 3], ceil_mode=True),
            nn.MaxPool2d(2, stride=1, padding=1),
            *vgg_layers([wide] * 3, wide, dilation=2),
            nn.MaxPool2d(3, stride=1, padding=1),
            nn.Conv2d(wide, hidden, 7, padding=12, dilation=4),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
        )
        self.scores = nn.Conv2d(hidden, num_joints, 1)
        self.offsets = nn.Conv2d(hidden, 2 * num_joints, 1)
        init_he(self)
        init_normal(self.scores, HEAD_STD)
        init_normal(self.offsets, HEAD_STD)

    def forward(self, image: Tensor) -> PartScoreMaps:
        x = self.layers(image)
        return PartScoreMaps([self.scores(x)], [self.offsets(x)])


@register_model(INFO)
def deepcut_vgg16(*, num_joints: int, **options: Any) -> DeepCutVGG:
    return DeepCutVGG(num_joints=num_joints, **options)
