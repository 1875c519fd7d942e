"""What a training run is at one moment, and bringing it to disk and back."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from python_models.checkpoints import read_checkpoint
from python_models.errors import UserError
from python_models.files import copy_atomically, save_checkpoint
from python_models.model_card import ModelCard

LAST, BEST, BEST_OF_PHASE = "last.pt", "best.pt", "best-phase-{}.pt"


@dataclass
class Position:
    """Where in the run we are, and the figures collected on the way."""

    phase: int = 0
    phase_start: int = 0  # its first epoch
    epoch: int = 0  # of the run
    step: int = 0  # of the epoch; batches already trained on
    best_score: float = -1.0  # of the phase
    sums: dict[str, float] = field(default_factory=dict)  # of the unfinished epoch, see TrainingLog
    history: list[dict[str, float]] = field(default_factory=list)  # one row per finished epoch


class TrainingState:
    """Network, its running average, optimizer and position.

    `network` is the plain module; wrappers for several processes and precision share its parameters. `card` says how
    many of its stages are trained. `start_phase` comes before anything else.
    """

    optimizer: torch.optim.Optimizer
    average: AveragedModel | None

    def __init__(self, network: nn.Module, card: ModelCard, ema_decay: float | None) -> None:
        self.network, self.card, self.ema_decay = network, card, ema_decay
        self.position = Position()

    def start_phase(self, optimizer: torch.optim.Optimizer, card: ModelCard) -> None:
        """Go on with another optimizer; the average begins anew."""
        self.optimizer, self.card, self.average = optimizer, card, None
        if self.ema_decay is not None:
            multi_avg_fn = get_ema_multi_avg_fn(self.ema_decay)
            self.average = AveragedModel(self.network, multi_avg_fn=multi_avg_fn, use_buffers=True)

    @property
    def scored_network(self) -> nn.Module:
        """What is evaluated and kept as the result: the running average where there is one."""
        return self.network if self.average is None else self.average.module

    def save_last(self, folder: Path, fabric: Fabric) -> None:
        """Write all that resuming needs; from the first process alone."""
        if not fabric.is_global_zero:
            return
        content = {
            "card": self.card.to_dict(),
            "state_dict": self.scored_network.state_dict(),
            "raw_state_dict": self.network.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": fabric.strategy.precision.state_dict(),
            "position": asdict(self.position),
            "random_state": _random_state(fabric.device),
        }
        save_checkpoint(folder / LAST, content)

    def save_best(self, folder: Path, fabric: Fabric) -> None:
        """Write the weights to use, without what only resuming needs."""
        if fabric.is_global_zero:
            content = {"card": self.card.to_dict(), "state_dict": self.scored_network.state_dict()}
            save_checkpoint(folder / BEST, content)

    def keep_best(self, folder: Path, fabric: Fabric) -> None:
        """Before the next phase: its own best takes the name of this one's, which stays under its number from 1."""
        if fabric.is_global_zero and (folder / BEST).is_file():
            copy_atomically(folder / BEST, folder / BEST_OF_PHASE.format(self.position.phase + 1))

    def read(self, folder: Path) -> dict[str, Any]:
        """What `save_last` wrote, for `restore`; raises UserError for the state of another model."""
        content = read_checkpoint(folder / LAST)
        if "position" not in content:
            raise UserError(f"checkpoint {folder / LAST}: not a training state, there is nothing to resume")
        card = replace(ModelCard.from_dict(content["card"]), trained_stages=self.card.trained_stages)
        if _as_json(card) != _as_json(self.card) or (content["average"] is None) != (self.ema_decay is None):
            raise UserError(
                f"checkpoint {folder / LAST}: made with other settings of the model; resume with its own"
            )
        return content

    def restore(self, content: dict[str, Any], fabric: Fabric) -> None:
        """Continue from what `read` gave, in the phase that was under way."""
        self.network.load_state_dict(content["raw_state_dict"])
        if self.average is not None:
            self.average.load_state_dict(content["average"])
        self.optimizer.load_state_dict(content["optimizer"])
        fabric.strategy.precision.load_state_dict(content["precision"])
        self.position = Position(**content["position"])
        _set_random_state(content["random_state"], fabric.device)


def _as_json(card: ModelCard) -> str:
    """For comparison: options that came from a settings.json have lists where Python's had tuples."""
    return json.dumps(card.to_dict(), sort_keys=True)


def _random_state(device: torch.device) -> dict[str, Tensor]:
    """Of torch's own generators; dropout draws from them."""
    state = {"cpu": torch.get_rng_state()}
    return state | {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else state


def _set_random_state(state: dict[str, Any], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
