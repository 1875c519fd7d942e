"""What a training run is at one moment, and bringing it to disk and back."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from python_models.checkpoints import read_checkpoint
from python_models.errors import UserError
from python_models.files import save_checkpoint
from python_models.model_card import ModelCard

LAST, BEST = "last.pt", "best.pt"


@dataclass
class Position:
    """Where in the run we are, and the figures collected on the way."""

    epoch: int = 0
    step: int = 0  # of the epoch; batches already trained on
    best_score: float = -1.0
    sums: dict[str, float] = field(default_factory=dict)  # of the unfinished epoch, see TrainingLog
    history: list[dict[str, float]] = field(default_factory=list)  # one row per finished epoch


class TrainingState:
    """Network, its running average, optimizer and position.

    `network` is the plain module; wrappers for several processes and precision share its parameters.
    """

    def __init__(
        self, network: nn.Module, optimizer: torch.optim.Optimizer, card: ModelCard, ema_decay: float | None
    ) -> None:
        self.network, self.optimizer, self.card = network, optimizer, card
        self.position = Position()
        self.average: AveragedModel | None = None
        if ema_decay is not None:
            self.average = AveragedModel(
                network, multi_avg_fn=get_ema_multi_avg_fn(ema_decay), use_buffers=True
            )

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

    def restore(self, folder: Path, fabric: Fabric) -> None:
        """Continue from `save_last`."""
        content = read_checkpoint(folder / LAST)
        if "position" not in content:
            raise UserError(f"checkpoint {folder / LAST}: not a training state, there is nothing to resume")
        if content["card"] != self.card.to_dict() or (content["average"] is None) != (self.average is None):
            raise UserError(
                f"checkpoint {folder / LAST}: made with other settings of the model; resume with its own"
            )
        self.network.load_state_dict(content["raw_state_dict"])
        if self.average is not None:
            self.average.load_state_dict(content["average"])
        self.optimizer.load_state_dict(content["optimizer"])
        fabric.strategy.precision.load_state_dict(content["precision"])
        self.position = Position(**content["position"])
        _set_random_state(content["random_state"], fabric.device)


def _random_state(device: torch.device) -> dict[str, Tensor]:
    """Of torch's own generators; dropout draws from them."""
    state = {"cpu": torch.get_rng_state()}
    return state | {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else state


def _set_random_state(state: dict[str, Any], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
