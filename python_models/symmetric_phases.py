"""How a network behind a symmetric spatial transformer is trained: alone first, then both, with a parallel branch.

Source: Fang, Xie, Tai and Lu, RMPE, ICCV 2017, section 3.2. The parallel branch is the network as the first phase
left it, fixed; its labels are the joints of a person in the middle of the crop, so that a theta that does not bring
him there costs, and its gradients reach theta alone. The losses of both branches add up.
"""

from collections.abc import Iterable
from dataclasses import replace

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from python_models.data import Batch
from python_models.errors import UserError
from python_models.model_card import ModelCard
from python_models.objectives import Objective
from python_models.outputs import crop_joints, prediction_of
from python_models.phases import Phase, Step, WholeNetwork, accuracy_of, epochs_of, phases_of
from python_models.settings import TrainSettings
from python_models.symmetric_stn import Branches, SymmetricPoseNetwork


@phases_of.register
def _(network: SymmetricPoseNetwork, card: ModelCard, settings: TrainSettings) -> list[Phase]:
    if settings.loss.interference_weight:  # the parallel branch's crops do not say who else is in them
        raise UserError("loss.interference_weight: cannot be learned behind a transformer; use stn_width 0")
    alone = replace(card, stn_width=0)
    epochs = epochs_of(settings, 2)
    step = SymmetricStep(network, alone, settings)
    return [
        Phase("network", epochs[0], network.pose, WholeNetwork(network.pose, alone, settings)),
        Phase("transformer", epochs[1], BothBranches(network), step, measure=step.fix_parallel),
    ]


class BothBranches(nn.Module):
    """The network, giving what both branches find."""

    def __init__(self, network: SymmetricPoseNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor) -> Branches:
        return self.network.branches(crops)


class SymmetricStep:
    """The step of the second phase."""

    def __init__(self, network: SymmetricPoseNetwork, card: ModelCard, settings: TrainSettings) -> None:
        self.network, self.card = network, card
        self.objective = Objective(settings.loss, card)

    def __call__(self, part: nn.Module, batch: Batch, generator: torch.Generator) -> Step:
        found = part(batch.crops)
        centred = batch._replace(keypoints=batch.centred)
        loss = self.objective(found.maps, batch) + self.objective(found.parallel, centred)
        prediction = prediction_of(found.maps, self.card).detach()
        return Step(loss, lambda: accuracy_of(crop_joints(prediction, self.card).coords, batch, self.card))

    def fix_parallel(self, batches: Iterable[Batch], fabric: Fabric) -> None:
        """The parallel branch is what the first phase has learned."""
        self.network.fix_parallel()
