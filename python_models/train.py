"""Training a model from settings: opens the data, checks all that can be wrong, then runs the trainer."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import nn

from python_models.cascade import separate_networks
from python_models.checkpoints import load_pretrained, start_final_layers
from python_models.data import PoseDataset
from python_models.errors import UserError
from python_models.files import save_json
from python_models.interrupt import StopRequest
from python_models.model_card import ModelCard
from python_models.runtime import start_fabric
from python_models.settings import TrainSettings
from python_models.sources import as_seen, check_same_joints, open_training_data, open_validation_data
from python_models.trainer import Trainer
from python_models.training_state import LAST
from python_models.zoo import model_info, require_images

SETTINGS_FILE = "settings.json"


@dataclass(frozen=True)
class TrainResult:
    """How a run ended; `stopped` tells that a signal ended it before its last epoch."""

    folder: Path
    history: list[dict[str, float]]
    stopped: bool


def train(settings: TrainSettings) -> TrainResult:
    """Train a model; see `TrainSettings`.

    Writes into the folder of the run: settings.json, last.pt (to resume), best.pt (to use), history.csv and files
    of TensorBoard.

    Raises:
        UserError: a wrong path, malformed data, or weights that do not fit; before the first step.
    """
    require_images(settings.model)
    if not settings.resume and (Path(settings.out) / LAST).exists():
        raise UserError(f"out {settings.out}: holds a run already; resume it, or choose another folder")
    train_data = open_training_data(settings.data, images=settings.images, count=settings.generated_count)
    val_data = open_validation_data(
        settings.data,
        settings.val,
        images=settings.val_images,
        count=max(1, settings.generated_count // 10),
    )
    return train_on(settings, train_data, val_data)


def train_on(settings: TrainSettings, train_data: PoseDataset, val_data: PoseDataset | None) -> TrainResult:
    """`train` on data sets that are open already."""
    train_data = as_seen(train_data, settings.model)
    val_data = None if val_data is None else as_seen(val_data, settings.model)
    if val_data is not None:
        check_same_joints(train_data.skeleton, val_data.skeleton)
    folder = Path(settings.resume or settings.out)
    fabric = start_fabric(settings.accelerator, settings.devices, settings.precision)
    torch.manual_seed(settings.seed)
    trainer = Trainer(settings, card_of(settings, train_data), fabric, folder, train_data, val_data)
    if settings.resume:
        trainer.resume()
    else:
        _start_weights(trainer.state.network, settings)
    if fabric.is_global_zero:
        save_json(folder / SETTINGS_FILE, asdict(replace(settings, resume=None, out=str(folder))))
    with StopRequest() as stop:
        finished = trainer.run(stop)
    return TrainResult(folder, trainer.state.position.history, stopped=not finished)


def _start_weights(network: nn.Module, settings: TrainSettings) -> None:
    for part in separate_networks(network):
        if settings.final_std is not None:
            start_final_layers(part, settings.final_std)
        if settings.pretrained:
            load_pretrained(part, settings.pretrained, reset_final=settings.reset_final)


def card_of(settings: TrainSettings, data: PoseDataset) -> ModelCard:
    """The model that settings and data describe."""
    info = model_info(settings.model)
    size = settings.input_size or info.input_size
    if info.size_multiple == 0 and tuple(size) != info.input_size:
        raise UserError(f"input_size {tuple(size)}: {settings.model} takes {info.input_size} only")
    multiple = info.size_multiple or 1
    if min(size) < 1 or size[0] % multiple or size[1] % multiple:
        raise UserError(f"input_size {tuple(size)}: {settings.model} wants multiples of {info.size_multiple}")
    return ModelCard(
        model=settings.model,
        input_size=tuple(size),
        skeleton=data.skeleton,
        encoding=settings.encoding or info.encoding,
        sigma_px=settings.sigma_px or info.sigma_px,
        head=settings.head or info.head,
        options=settings.options,
        stages=settings.stages,
        stage_torsos=settings.stage_torsos,
        stn_width=settings.stn_width,
    )
