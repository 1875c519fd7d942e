"""Pose Residual Network: of all joints in a person's box, which are this person's.

Source: Kocabas, Karagoz, Akbas, "MultiPoseNet: Fast Multi-Person Pose Estimation using Pose Residual Network",
ECCV 2018, section 3.3.
"""

from math import prod
from typing import Any

from torch import Tensor, nn

from python_models.zoo import ModelInfo, register_model

INFO = ModelInfo(
    input_size=(56, 36),
    size_multiple=0,
    stride=1,
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    input="joints",
    source="Kocabas et al., ECCV 2018, section 3.3",
)


class PoseResidualNetwork(nn.Module):
    """Joints in a box (B, K, H, W) -> which are its person's, (B, K, H, W): logits.

    As published, one softmax over all joints and cells makes probabilities of them.

    Args:
        num_joints: Number of joints.
        size: (H, W) of the maps.
        nodes: Of the hidden layers.
        dropout: After each of them.
    """

    final_layers = ("dens2.*", "dens1.weight")

    def __init__(
        self,
        *,
        num_joints: int,
        size: tuple[int, int] = INFO.input_size,
        nodes: int = 1024,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        cells = num_joints * prod(size)
        self.dens1 = nn.Linear(cells, nodes)
        self.bneck = nn.Linear(nodes, nodes)
        self.dens2 = nn.Linear(nodes, cells)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)

    def forward(self, joints: Tensor) -> Tensor:
        by_cell = joints.permute(0, 2, 3, 1)  # the published layers count cells first, then joints
        flat = by_cell.flatten(1)
        x = self.dropout(self.relu(self.dens1(flat)))
        x = self.dropout(self.relu(self.bneck(x)))
        x = self.relu(self.dens2(x)) + flat
        return x.reshape(by_cell.shape).permute(0, 3, 1, 2)


@register_model(INFO)
def prn(*, num_joints: int, **options: Any) -> PoseResidualNetwork:
    return PoseResidualNetwork(num_joints=num_joints, **options)
