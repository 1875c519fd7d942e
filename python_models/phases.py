"""What a run trains one after the other: most networks whole, in one phase; cascades part by part.

A network that is trained in several phases says so by registering with `phases_of`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from pyposeops.metrics import crop_accuracy
from python_models.data import Batch, PeopleBatch
from python_models.errors import UserError
from python_models.model_card import ModelCard
from python_models.objectives import LossSettings, Objective
from python_models.outputs import crop_joints, prediction_of, stages_of
from python_models.people_objective import people_loss, seen_joints
from python_models.settings import TrainSettings
from python_models.zoo import model_info


class Step(NamedTuple):
    """What one step of training gives."""

    loss: Tensor  # a scalar
    accuracy: Callable[
        [], Tensor
    ]  # how well the network does on what it was shown; called when figures are due


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
    step: Callable[[nn.Module, Any, torch.Generator], Step]
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
        return Step(loss, lambda: accuracy_of(crop_joints(prediction, self.card).coords, batch, self.card))


def accuracy_of(joints: Tensor, batch: Batch, card: ModelCard) -> Tensor:
    """The share of labelled joints that lie near, a scalar; joints (N, K, 2) in pixels of the batch's crops."""
    found = crop_accuracy(joints, batch.keypoints, batch.visibility, size=card.input_size, average="labels")
    return found.mean.nan_to_num()


class WholeImages:
    """The step of a network that learns from images and their people."""

    def __init__(self, card: ModelCard, settings: TrainSettings) -> None:
        if replace(settings.loss, tag_weight=LossSettings.tag_weight) != LossSettings():
            raise UserError(f"loss: {card.model} has a loss of its own, of which tag_weight can be set")
        self.card, self.tag_weight = card, settings.loss.tag_weight

    def __call__(self, part: nn.Module, batch: PeopleBatch, generator: torch.Generator | None = None) -> Step:
        maps = part(batch.images)
        loss = people_loss(maps, batch.people, self.card, self.tag_weight)
        return Step(loss, lambda: seen_joints(maps, batch.people, self.card))


@singledispatch
def phases_of(network: nn.Module, card: ModelCard, settings: TrainSettings) -> list[Phase]:
    """The phases of a run that trains `network`, whose card says what it gives.

    Raises: UserError for settings that do not fit the network.
    """
    sees_images = model_info(card.model).input == "image"
    step = WholeImages(card, settings) if sees_images else WholeNetwork(network, card, settings)
    return [Phase("", epochs_of(settings, 1)[0], network, step)]


def epochs_of(settings: TrainSettings, phases: int) -> tuple[int, ...]:
    """The epochs of each phase."""
    if not settings.phase_epochs:
        return (settings.epochs,) * phases
    if len(settings.phase_epochs) != phases:
        raise UserError(
            f"phase_epochs: {settings.model} is trained in {phases} phases, got {len(settings.phase_epochs)} values"
        )
    return settings.phase_epochs
