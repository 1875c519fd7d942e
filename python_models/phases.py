"""What a run trains one after the other: most networks whole, in one phase; cascades part by part.

A network that is trained in several phases says so by registering with `phases_of`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import singledispatch
from typing import NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from python_models.data import Batch
from python_models.errors import UserError
from python_models.model_card import ModelCard
from python_models.objectives import Objective
from python_models.outputs import crop_joints, prediction_of, stages_of
from python_models.settings import TrainSettings


class Step(NamedTuple):
    """What one step of training gives."""

    loss: Tensor  # a scalar
    batch: Batch  # what the network was shown
    joints: Callable[[], Tensor]  # (N, K, 2) in pixels of these crops; called when figures are due


@dataclass(frozen=True)
class Phase:
    """A part of a run, with an optimizer and a schedule of its own.

    Args:
        name: For people; empty where there is one phase only.
        epochs: How many.
        part: What learns, a module of the network; the rest is fixed and in evaluation mode.
        step: Loss of a batch: called with `part` (wrapped for several processes and precision), the batch and a CPU
            generator for what it draws.
        trained_stages: How many of the network's stages give poses from this phase on; None: all.
        measure: Called before the first step, without gradients, with the training batches of an epoch.
    """

    name: str
    epochs: int
    part: nn.Module
    step: Callable[[nn.Module, Batch, torch.Generator], Step]
    trained_stages: int | None = None
    measure: Callable[[Iterable[Batch], Fabric], None] | None = None


class WholeNetwork:
    """The step of a network that learns from crops and joints."""

    def __init__(self, network: nn.Module, card: ModelCard, settings: TrainSettings) -> None:
        self.card = card
        self.objective = Objective(settings.loss, card, getattr(network, "flow", None))

    def __call__(self, part: nn.Module, batch: Batch, generator: torch.Generator | None = None) -> Step:
        output = part(batch.crops)
        loss = self.objective(stages_of(output), batch)
        prediction = prediction_of(output, self.card).detach()
        return Step(loss, batch, lambda: crop_joints(prediction, self.card).coords)


@singledispatch
def phases_of(network: nn.Module, card: ModelCard, settings: TrainSettings) -> list[Phase]:
    """The phases of a run that trains `network`, whose card says what it gives.

    Raises: UserError for settings that do not fit the network.
    """
    return [Phase("", epochs_of(settings, 1)[0], network, WholeNetwork(network, card, settings))]


def epochs_of(settings: TrainSettings, phases: int) -> tuple[int, ...]:
    """The epochs of each phase."""
    if not settings.phase_epochs:
        return (settings.epochs,) * phases
    if len(settings.phase_epochs) != phases:
        raise UserError(
            f"phase_epochs: {settings.model} is trained in {phases} phases, got {len(settings.phase_epochs)} values"
        )
    return settings.phase_epochs
