"""DeepPose's cascade: from its second stage on, a network looks at each joint again, closer.

Stage 1 sees the person. Stage s sees, for every joint, a square of a few torso lengths around what stage s - 1 found,
cut from the image itself, and says where that joint is. Any model of the zoo can be such a stage.

Source: Toshev and Szegedy, "DeepPose: Human Pose Estimation via Deep Neural Networks", CVPR 2014, section 3.2.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

import pyposeops
from pyposeops.ops.affine import Convention
from python_models.errors import UserError
from python_models.symmetric_stn import SymmetricPoseNetwork

TORSO_DIAGONALS = (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip"))
# Predicted torsos are taken for at least and at most so many sides of the crop: where a person seems to have shrunk
# to a point, there is still something to see.
TORSO_RANGE = (0.05, 1.5)


class RefinementCascade(nn.Module):
    """Networks that follow each other; called with crops it gives what the first one gives.

    `python_models.refinement` runs all of them, which takes the images that the crops came from.

    Args:
        stages: Networks of one architecture, each with weights of its own.
        num_joints: K.

    Attributes:
        residual_mean, residual_std: (len(stages) - 1, K, 2), the errors of each stage but the last on the people
            it was trained on, along x and y in units of the torso; the next stage learned from crops displaced
            like that.
    """

    residual_mean: Tensor
    residual_std: Tensor

    def __init__(self, stages: Sequence[nn.Module], num_joints: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.register_buffer("residual_mean", torch.zeros(len(stages) - 1, num_joints, 2))
        self.register_buffer("residual_std", torch.zeros(len(stages) - 1, num_joints, 2))

    @property
    def final_layers(self) -> tuple[str, ...]:
        """Patterns of the tensors whose size depends on the joint count."""
        own = self.stages[0].final_layers
        return (*(f"stages.*.{pattern}" for pattern in own), "residual_*")

    def forward(self, crops: Tensor) -> Tensor | list[Tensor]:
        first: Tensor | list[Tensor] = self.stages[0](crops)
        return first


def separate_networks(network: nn.Module) -> list[nn.Module]:
    """The networks that each start from the same weights."""
    if isinstance(network, SymmetricPoseNetwork):
        return [network.pose]
    return list(network.stages) if isinstance(network, RefinementCascade) else [network]


def check_torso(joint_names: Sequence[str]) -> None:
    """Raise UserError where no diagonal of the torso can be measured."""
    if not any(set(ends) <= set(joint_names) for ends in TORSO_DIAGONALS):
        raise UserError(
            "stages: the joints need a shoulder and the other side's hip, by which crops are sized"
        )


def torso_lengths(joints: Tensor, joint_names: Sequence[str], labelled: Tensor | None = None) -> Tensor:
    """The mean of the torso's diagonals, or the one that is labelled; (N,), NaN without any.

    Args:
        joints: (N, K, 2), (x, y) in pixels.
        joint_names: K names.
        labelled: (N, K) bool; None: all joints are.
    """
    lengths = []
    for ends in TORSO_DIAGONALS:
        if set(ends) <= set(joint_names):
            first, second = (list(joint_names).index(name) for name in ends)
            length = (joints[:, first] - joints[:, second]).norm(dim=-1)
            if labelled is not None:
                length = torch.where(labelled[:, first] & labelled[:, second], length, torch.nan)
            lengths.append(length)
    return torch.stack(lengths).nanmean(0)


def joint_affines(centres: Tensor, sides: Tensor, size: tuple[int, int], convention: Convention) -> Tensor:
    """The maps from a person's crop to closer ones of the same size, (M, 2, 3).

    Args:
        centres: (M, 2), (x, y) in pixels of the person's crop.
        sides: (M,) of the squares around them, enlarged to the crop's aspect ratio. NaN gives NaN.
        size: (height, width) of the crops.
        convention: how crops are cut, see `pyposeops.affine_from_box`.
    """
    boxes = torch.cat([centres - sides[:, None] / 2, sides[:, None], sides[:, None]], dim=1)
    return pyposeops.affine_from_box(boxes, size, convention=convention, padding=1.0)
