"""What a person sees of a run: progress bar, TensorBoard, and one CSV row per epoch."""

import csv
import io
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from tqdm import tqdm

from python_models.files import write_atomically
from python_models.progress import progress_bar
from python_models.training_state import Position

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def _open_board(folder: Path, first_step: int) -> "SummaryWriter":
    from torch.utils.tensorboard import SummaryWriter  # takes a second, which other commands need not wait

    return SummaryWriter(str(folder / "tensorboard"), purge_step=first_step)


class TrainingLog:
    """Keeps figures on the device and reads them every `every` steps, so that other steps never wait for a GPU.

    Only an active log, that of the first process, shows and writes anything. Sums of the running epoch live in
    `Position.sums`, so they survive an interruption.
    """

    def __init__(
        self, folder: Path, *, every: int, people_per_step: int, active: bool, first_step: int
    ) -> None:
        self.folder, self.every, self.people_per_step, self.active = folder, every, people_per_step, active
        self._board = _open_board(folder, first_step) if active else None
        self._bar = progress_bar(0, "", active=False)
        self._pending: list[Tensor] = []
        self._last_shown, self._since = 0, 0.0
        self._first_step, self._started = 0, 0.0
        self._timing: dict[str, float] = {}

    def __enter__(self) -> "TrainingLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.close()
        if self._board is not None:
            self._board.close()

    def start_epoch(self, title: str, steps: int, position: Position) -> None:
        """Begin an epoch, or continue it where `position` is inside."""
        position.sums = position.sums or {"loss": 0.0, "steps": 0, "accuracy": 0.0, "readings": 0}
        self._pending = []
        self._first_step = self._last_shown = position.step
        self._started = self._since = time.perf_counter()
        self._bar = progress_bar(steps, title, done=position.step, active=self.active)

    def is_due(self, step: int) -> bool:
        """True where figures are to be read after `step` steps of the epoch."""
        return step % self.every == 0 or step == self._bar.total

    def add(self, loss: Tensor) -> None:
        """Note a finished step without waiting for the device."""
        self._pending.append(loss)
        self._bar.update()

    def read_losses(self, position: Position) -> list[float]:
        """Wait for the device; add pending losses to the sums, one by one so that a pause changes no rounding."""
        losses: list[float] = torch.stack(self._pending).tolist() if self._pending else []
        for loss in losses:
            position.sums["loss"] += loss
        position.sums["steps"] += len(losses)
        self._pending = []
        return losses

    def show(self, position: Position, global_step: int, accuracy: Tensor, rate: float) -> None:
        """Show and log the figures since the last time."""
        losses = self.read_losses(position)
        position.sums["accuracy"] += float(accuracy)
        position.sums["readings"] += 1
        now = time.perf_counter()
        speed = (position.step - self._last_shown) * self.people_per_step / (now - self._since)
        self._since, self._last_shown = now, position.step
        loss = sum(losses) / len(losses)
        self._bar.set_postfix_str(
            f"loss {loss:.2e}, accuracy {float(accuracy):.3f}, {speed:.0f} images/s", refresh=False
        )
        self._write(
            {"loss": loss, "accuracy": float(accuracy), "images_per_second": speed, "learning_rate": rate},
            "train",
            global_step,
        )

    def end_steps(self, position: Position) -> None:
        """The epoch's steps are done; its row comes with `end_epoch`."""
        self._bar.close()
        seconds = time.perf_counter() - self._started
        people = (position.step - self._first_step) * self.people_per_step
        self._timing = {"seconds": seconds, "images_per_second": people / seconds}

    def epoch_figures(self, position: Position) -> dict[str, float]:
        """Means of the epoch, and the time of the part of it that this process saw."""
        sums = position.sums
        return {
            "train_loss": sums["loss"] / sums["steps"],
            "train_accuracy": sums["accuracy"] / sums["readings"],
            **self._timing,
        }

    def end_epoch(self, history: list[dict[str, float]], global_step: int) -> None:
        """Print the epoch's row, the last one of `history`, and write the table of all."""
        if not self.active:
            return
        figures = {name: value for name, value in history[-1].items() if name != "epoch"}
        self._write(figures, "epoch", global_step)
        text = io.StringIO()
        writer = csv.DictWriter(text, list(dict.fromkeys(name for row in history for name in row)))
        writer.writeheader()
        writer.writerows(history)
        write_atomically(self.folder / "history.csv", lambda file: file.write(text.getvalue().encode()))
        listed = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        tqdm.write(f"epoch {history[-1]['epoch']}: {listed}")

    def _write(self, figures: dict[str, float], group: str, global_step: int) -> None:
        if self._board is not None:
            for name, value in figures.items():
                self._board.add_scalar(f"{group}/{name}", value, global_step)
