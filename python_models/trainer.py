"""The training loop: one step, one epoch, one run, on whatever devices Fabric was given."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from python_models import refinement_phases as refinement_phases  # registers how its network is trained
from python_models import symmetric_phases as symmetric_phases
from python_models import tompson_phases as tompson_phases
from python_models.bottom_up import BottomUpEstimator
from python_models.data import (
    Batch,
    ImagePeople,
    PackedSamples,
    PeopleBatch,
    PoseDataset,
    PoseLoader,
    derived_seed,
)
from python_models.evaluate import predict_dataset, score_predictions
from python_models.interrupt import Stopped, StopRequest
from python_models.model_card import ModelCard
from python_models.outputs import certain_score
from python_models.part_scores import PART_AP, find_parts, score_parts
from python_models.people_scores import find_dataset, score_people
from python_models.phases import Step, phases_of
from python_models.prefetch import prefetched
from python_models.progress import progress_bar
from python_models.schedule import build_optimizer, learning_rate_factor, set_learning_rate
from python_models.settings import TrainSettings
from python_models.training_log import TrainingLog
from python_models.training_state import Position, TrainingState
from python_models.zoo import model_info

# The first of these that there is decides which epoch is kept as the best; without any, the latest is.
SELECTING_FIGURES = ("PCK@0.2", "AP", PART_AP)
_AUGMENTATION_STREAM, _EXAMPLE_STREAM = 1, 2
VALIDATION_FIGURES = ("PCK@0.2", "PCK@0.5", "PCKh@0.5", "AP", PART_AP)


class Trainer:
    """A run in memory. `state` may be restored before `run`."""

    def __init__(
        self,
        settings: TrainSettings,
        card: ModelCard,
        fabric: Fabric,
        folder: Path,
        train_data: PoseDataset,
        val_data: PoseDataset | None,
    ) -> None:
        self.settings, self.card, self.fabric, self.folder = settings, card, fabric, folder
        self.val_data = val_data
        self.loader = PoseLoader(
            train_data,
            settings.batch_size,
            training=True,
            seed=settings.seed,
            workers=settings.workers,
            rank=fabric.global_rank,
            world_size=fabric.world_size,
            pin_memory=fabric.device.type == "cuda",
        )
        self.prepare = card.batch_preparer(
            train_data,
            fabric.device,
            augmentation=settings.augmentation,
            channels_last=settings.channels_last,
            others=settings.loss.interference_weight > 0,
        )
        layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        network = fabric.to_device(card.create()).to(memory_format=layout)
        self.phases = phases_of(network, card, settings)
        self.state = TrainingState(network, card, settings.ema_decay)
        self._learnable = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._start_phase(0)

    def _start_phase(self, index: int) -> None:
        """Let the part of a phase learn, and nothing else; `part` is that module as training calls it."""
        settings, fabric, network = self.settings, self.fabric, self.state.network
        self.phase = self.phases[index]
        own = set(self.phase.part.parameters())
        for parameter in self._learnable:
            parameter.requires_grad_(parameter in own)
            parameter.grad = None
        optimizer = build_optimizer(
            settings.optimizer,
            self.phase.part.parameters(),
            weight_decay=settings.weight_decay,
            momentum=settings.momentum,
            fused=fabric.device.type == "cuda",
        )
        self.card = replace(self.card, trained_stages=self.phase.trained_stages)
        self.state.start_phase(optimizer, self.card)
        network.eval()
        forward = torch.compile(self.phase.part) if settings.compile else self.phase.part
        self.part, self.optimizer = fabric.setup(forward, optimizer)

    def resume(self) -> None:
        """Continue from the folder's last checkpoint."""
        content = self.state.read(self.folder)
        self._start_phase(content["position"].get("phase", 0))
        self.state.restore(content, self.fabric)

    def run(self, stop: StopRequest) -> bool:
        """Train until the last epoch is done (True) or a stop was asked for (False); both leave checkpoints."""
        position = self.state.position
        self.log = TrainingLog(
            self.folder,
            every=self.settings.log_every,
            people_per_step=self.settings.batch_size * self.fabric.world_size,
            active=self.fabric.is_global_zero,
            first_step=self.global_step,
        )
        with self.log:
            while True:
                if position.epoch < self.last_epoch:
                    finished = self.train_epoch(stop) and self.finish_epoch(stop)
                elif position.phase + 1 < len(self.phases):
                    finished = self.next_phase(stop)
                else:
                    return True
                self.state.save_last(self.folder, self.fabric)
                if not finished:
                    return False

    @property
    def last_epoch(self) -> int:
        """Where the present phase ends, in epochs of the run."""
        return self.state.position.phase_start + self.phase.epochs

    def next_phase(self, stop: StopRequest) -> bool:
        """Go on with the next part, the present one as it would be scored; False where a stop came first."""
        position, network = self.state.position, self.state.network
        self._share_buffers()
        network.load_state_dict(self.state.scored_network.state_dict())
        measure = self.phases[position.phase + 1].measure
        if measure is not None:
            network.eval()
            try:
                with torch.no_grad():
                    measure(self._all_batches(stop), self.fabric)
            except Stopped:
                return False
        self.state.keep_best(self.folder, self.fabric)
        self._start_phase(position.phase + 1)
        position.phase, position.phase_start = position.phase + 1, position.epoch
        position.best_score = Position.best_score
        return True

    def _all_batches(self, stop: StopRequest) -> Iterator[Any]:
        """Everybody's batch, augmented as in the epoch to come. May raise Stopped."""
        self.loader.set_epoch(self.state.position.epoch)
        bar = progress_bar(len(self.loader), "measuring", active=self.fabric.is_global_zero, leave=False)
        with bar:
            for step, samples in enumerate(self.loader):
                yield self.make_batch(step, samples)
                bar.update()
                if self.fabric.world_size == 1:
                    stop.check()

    def train_epoch(self, stop: StopRequest) -> bool:
        """Train on the epoch's remaining batches; False where a stop came first."""
        position, steps = self.state.position, len(self.loader)
        self.loader.set_epoch(position.epoch, first_batch=position.step)
        self.part.train()
        phase = f"{self.phase.name}, " if self.phase.name else ""
        title = f"{phase}epoch {position.epoch - position.phase_start + 1}/{self.phase.epochs}"
        self.log.start_epoch(title, steps, position)
        made = (self.make_batch(step, samples) for step, samples in enumerate(self.loader, position.step))
        for batch in prefetched(made, self.fabric.device):
            rate = self.set_learning_rate()
            step = self.train_step(batch)
            position.step += 1
            self.log.add(step.loss)
            if self.log.is_due(position.step):
                self.log.show(position, self.global_step, step.accuracy(), rate)
            if self.stop_agreed(stop):
                self.log.read_losses(position)
                return False
        self.log.end_steps(position)
        return True

    def train_step(self, batch: Batch | PeopleBatch) -> Step:
        """One update."""
        step = self.loss(batch)
        self.fabric.backward(step.loss)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.state.average is not None:
            self.state.average.update_parameters(self.state.network)
        return step._replace(loss=step.loss.detach())

    def loss(self, batch: Batch | PeopleBatch) -> Step:
        """The loss of a batch, with the graph behind it."""
        return self.phase.step(self.part, batch, self._generator(self.state.position.step, _EXAMPLE_STREAM))

    def finish_epoch(self, stop: StopRequest) -> bool:
        """Score, log and move to the next epoch; False where a stop came during the scoring."""
        position = self.state.position
        try:
            scores = self.validate(stop)
        except Stopped:
            return False
        phase = {"phase": position.phase + 1} if len(self.phases) > 1 else {}
        figures = {**phase, **self.log.epoch_figures(position), **scores}
        position.history.append({"epoch": position.epoch + 1, **figures})
        self.log.end_epoch(position.history, self.global_step)
        position.epoch, position.step, position.sums = position.epoch + 1, 0, {}
        score = next((scores[name] for name in SELECTING_FIGURES if name in scores), float(position.epoch))
        if score > position.best_score:
            position.best_score = score
            self.state.save_best(self.folder, self.fabric)
        return True

    def validate(self, stop: StopRequest) -> dict[str, float]:
        """The figures of the validation people; empty without them. May raise Stopped."""
        if self.val_data is None:
            return {}
        self._share_buffers()
        options: dict[str, Any] = {
            "batch_size": self.settings.batch_size,
            "workers": self.settings.workers,
            "stop": stop if self.fabric.world_size == 1 else None,
        }
        network, flip_test = self.state.scored_network, self.settings.flip_test
        subject = network, self.card, self.val_data, self.fabric
        if model_info(self.card.model).parts_alone:
            scores = score_parts(find_parts(*subject, flip_test=flip_test, **options))
        elif isinstance(self.val_data, ImagePeople):
            finder = BottomUpEstimator(
                network.eval(), self.card, device=self.fabric.device, flip_test=flip_test
            )
            found = find_dataset(finder, self.card.skeleton, self.val_data, self.fabric, **options)
            scores = score_people(self.val_data, found)
        else:
            poses = predict_dataset(*subject, flip_test=flip_test, **options)
            scores = score_predictions(self.val_data, poses, certain_score=certain_score(self.card))
        return {name: scores[name] for name in VALIDATION_FIGURES if name in scores}

    def _share_buffers(self) -> None:
        """Give all processes the first one's batch-norm statistics, which are those that are saved."""
        if self.fabric.world_size > 1:
            for buffer in self.state.scored_network.buffers():
                torch.distributed.broadcast(buffer, src=0)

    @property
    def global_step(self) -> int:
        return self.state.position.epoch * len(self.loader) + self.state.position.step

    def make_batch(self, step: int, samples: PackedSamples) -> Batch | PeopleBatch:
        """Augment and prepare; the draws are a function of seed, epoch, step and process alone."""
        return self.prepare(samples, self._generator(step, _AUGMENTATION_STREAM))

    def _generator(self, step: int, stream: int) -> torch.Generator:
        place = (self.state.position.epoch, step, self.fabric.global_rank)
        return torch.Generator().manual_seed(derived_seed(self.settings.seed, *place, stream))

    def set_learning_rate(self) -> float:
        """Give the optimizer the rate of the step to come."""
        settings, steps = self.settings, len(self.loader)
        position = self.state.position
        rate = settings.lr * learning_rate_factor(
            (position.epoch - position.phase_start) * steps + position.step,
            total_steps=self.phase.epochs * steps,
            schedule=settings.schedule,
            warmup_steps=settings.warmup_steps,
            drop_steps=[epoch * steps for epoch in settings.drop_epochs],
            drop_factor=settings.drop_factor,
        )
        set_learning_rate(self.state.optimizer, rate)
        return rate

    def stop_agreed(self, stop: StopRequest) -> bool:
        """True where the run is to stop now; several processes ask each other only when figures are read anyway."""
        if self.fabric.world_size == 1:
            return stop.requested
        if not self.log.is_due(self.state.position.step):
            return False
        requests = torch.tensor(float(stop.requested), device=self.fabric.device)
        return bool(self.fabric.all_reduce(requests, reduce_op="sum") > 0)
