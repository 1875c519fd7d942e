"""The training loop: one step, one epoch, one run, on whatever devices Fabric was given."""

from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor

from pyposeops.metrics import crop_accuracy
from python_models.data import Batch, PackedSamples, PoseDataset, PoseLoader, derived_seed
from python_models.evaluate import predict_dataset, score_predictions
from python_models.interrupt import Stopped, StopRequest
from python_models.model_card import ModelCard
from python_models.objectives import Objective
from python_models.outputs import crop_joints, prediction_of, stages_of
from python_models.prefetch import prefetched
from python_models.schedule import build_optimizer, learning_rate_factor, set_learning_rate
from python_models.settings import TrainSettings
from python_models.training_log import TrainingLog
from python_models.training_state import TrainingState

SELECTING_FIGURE = "PCK@0.2"  # decides which epoch is kept as the best; without it, the latest is
_AUGMENTATION_STREAM = 1
VALIDATION_FIGURES = ("PCK@0.2", "PCK@0.5", "PCKh@0.5", "AP")


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
        )
        self._set_up_network()
        self.objective = Objective(settings.loss, card, getattr(self.state.network, "flow", None))

    def _set_up_network(self) -> None:
        settings, fabric = self.settings, self.fabric
        layout = torch.channels_last if settings.channels_last else torch.contiguous_format
        network = fabric.to_device(self.card.create()).to(memory_format=layout)
        optimizer = build_optimizer(
            settings.optimizer,
            network.parameters(),
            weight_decay=settings.weight_decay,
            momentum=settings.momentum,
            fused=fabric.device.type == "cuda",
        )
        self.state = TrainingState(network, optimizer, self.card, settings.ema_decay)
        forward = torch.compile(network) if settings.compile else network
        self.network, self.optimizer = fabric.setup(forward, optimizer)

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
            while position.epoch < self.settings.epochs:
                finished = self.train_epoch(stop) and self.finish_epoch(stop)
                self.state.save_last(self.folder, self.fabric)
                if not finished:
                    return False
        return True

    def train_epoch(self, stop: StopRequest) -> bool:
        """Train on the epoch's remaining batches; False where a stop came first."""
        position, steps = self.state.position, len(self.loader)
        self.loader.set_epoch(position.epoch, first_batch=position.step)
        self.network.train()
        self.log.start_epoch(f"epoch {position.epoch + 1}/{self.settings.epochs}", steps, position)
        made = (self.make_batch(step, samples) for step, samples in enumerate(self.loader, position.step))
        for batch in prefetched(made, self.fabric.device):
            rate = self.set_learning_rate()
            loss, prediction = self.train_step(batch)
            position.step += 1
            self.log.add(loss)
            if self.log.is_due(position.step):
                joints = crop_joints(prediction, self.card).coords
                accuracy = crop_accuracy(
                    joints, batch.keypoints, batch.visibility, size=self.card.input_size, average="labels"
                ).mean.nan_to_num()
                self.log.show(position, self.global_step, accuracy, rate)
            if self.stop_agreed(stop):
                self.log.read_losses(position)
                return False
        self.log.end_steps(position)
        return True

    def train_step(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """One update; returns loss and prediction."""
        loss, prediction = self.loss(batch)
        self.fabric.backward(loss)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.state.average is not None:
            self.state.average.update_parameters(self.state.network)
        return loss.detach(), prediction.detach()

    def loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss of a batch, and the prediction of its last stage."""
        output = self.network(batch.crops)
        return self.objective(stages_of(output), batch), prediction_of(output, self.card)

    def finish_epoch(self, stop: StopRequest) -> bool:
        """Score, log and move to the next epoch; False where a stop came during the scoring."""
        position = self.state.position
        try:
            scores = self.validate(stop)
        except Stopped:
            return False
        position.history.append({"epoch": position.epoch + 1, **self.log.epoch_figures(position), **scores})
        self.log.end_epoch(position.history, self.global_step)
        position.epoch, position.step, position.sums = position.epoch + 1, 0, {}
        score = scores.get(SELECTING_FIGURE, float(position.epoch))
        if score > position.best_score:
            position.best_score = score
            self.state.save_best(self.folder, self.fabric)
        return True

    def validate(self, stop: StopRequest) -> dict[str, float]:
        """The figures of the validation people; empty without them. May raise Stopped."""
        if self.val_data is None:
            return {}
        self._share_buffers()
        predictions = predict_dataset(
            self.state.scored_network,
            self.card,
            self.val_data,
            self.fabric,
            batch_size=self.settings.batch_size,
            workers=self.settings.workers,
            flip_test=self.settings.flip_test,
            stop=stop if self.fabric.world_size == 1 else None,
        )
        scores = score_predictions(self.val_data, predictions)
        return {name: scores[name] for name in VALIDATION_FIGURES if name in scores}

    def _share_buffers(self) -> None:
        """Give all processes the first one's batch-norm statistics, which are those that are saved."""
        if self.fabric.world_size > 1:
            for buffer in self.state.scored_network.buffers():
                torch.distributed.broadcast(buffer, src=0)

    @property
    def global_step(self) -> int:
        return self.state.position.epoch * len(self.loader) + self.state.position.step

    def make_batch(self, step: int, samples: PackedSamples) -> Batch:
        """Augment and prepare; the draws are a function of seed, epoch, step and process alone."""
        place = (self.state.position.epoch, step, self.fabric.global_rank)
        seed = derived_seed(self.settings.seed, *place, _AUGMENTATION_STREAM)
        return self.prepare(samples, torch.Generator().manual_seed(seed))

    def set_learning_rate(self) -> float:
        """Give the optimizer the rate of the step to come."""
        settings, steps = self.settings, len(self.loader)
        rate = settings.lr * learning_rate_factor(
            self.global_step,
            total_steps=settings.epochs * steps,
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
