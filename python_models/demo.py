"""From nothing to a trained model in minutes on a CPU: trains, scores and draws."""

import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from python_models.charts import draw_training
from python_models.data import Augmentation, CocoKeypoints, GeneratedPeople, PoseDataset
from python_models.draw import contact_sheet, draw_people, write_image
from python_models.evaluate import Predictions, format_table, predict_dataset, score_predictions
from python_models.files import save_json
from python_models.in_memory import InMemory
from python_models.model_card import load_model
from python_models.objectives import Objective
from python_models.outputs import stages_of
from python_models.runtime import start_fabric
from python_models.settings import TrainSettings
from python_models.sources import TEST_SEED, TRAIN_SEED, VAL_SEED
from python_models.train import card_of, train_on
from python_models.training_state import LAST

SHOWN_PEOPLE, SHEET_COLUMNS, CELL = 32, 8, (320, 240)
GENERATED_COUNTS = {"train": 4000, "val": 200, "test": 400}
_TIMED_STEPS = 5

GENERATED_SETTINGS = TrainSettings(
    model="pose_resnet18",
    options={"width": 32, "deconv_channels": [64, 64, 64]},
    input_size=(128, 96),
    sigma_px=1.5,
    encoding="unbiased",
    augmentation=Augmentation(scale=0.2, rotation_deg=20.0, half_body_probability=0.0),
    epochs=16,
    batch_size=32,
    devices=1,
    optimizer="adamw",
    lr=2e-3,
    schedule="cosine",
    warmup_steps=100,
    workers=0,
)
REAL_SETTINGS = replace(
    GENERATED_SETTINGS,
    options={},
    augmentation=Augmentation(scale=0.25, rotation_deg=30.0, half_body_probability=0.0),
    epochs=40,
    workers=2,
)


class People(NamedTuple):
    """Who is learned from, who is watched after each epoch, and who the result is scored on."""

    train: PoseDataset
    val: PoseDataset
    test: PoseDataset


def demo(*, data: str | None = None, out: str = "demo", minutes: float = 10.0) -> int:
    """Train a small model on generated people, or on yours, score it on unseen ones and draw what it finds.

    Writes metrics.json, predictions.png, training.png and the checkpoints into a folder.

    Args:
        data: folder with train/ and val/ in COCO form; generated people without it.
        out: folder to write to.
        minutes: most that training may take; a machine too slow for it trains for fewer epochs.

    Returns:
        The exit code: 130 where training was stopped by a signal.
    """
    print(f"demo: trains a small pose_resnet18 on {data or 'generated people'}; Ctrl-C stops it", flush=True)
    people = open_generated() if data is None else open_real(data)
    folder = Path(out)
    settings = GENERATED_SETTINGS if data is None else replace(REAL_SETTINGS, data=data)
    settings = replace(
        settings, out=str(folder / "run"), epochs=affordable_epochs(settings, people.train, minutes)
    )
    result = train_on(settings, people.train, people.val)
    if result.stopped:
        print(f"stopped; the training so far is in {result.folder}, the same command starts afresh")
        return 130
    predictions = _predict(result.folder, people.test)
    scores = score_predictions(people.test, predictions)
    save_json(folder / "metrics.json", scores)
    draw_training(
        result.history, folder / "training.png", title=f"{settings.model} on {data or 'generated people'}"
    )
    draw_predictions(people.test, predictions, folder / "predictions.png")
    print(format_table(scores))
    print(f"written: {folder}/metrics.json, {folder}/predictions.png, {folder}/training.png")
    return 0


def open_generated() -> People:
    """Generated people, drawn once and kept in memory."""
    return People(
        InMemory(GeneratedPeople(TRAIN_SEED, GENERATED_COUNTS["train"]), "drawing people to train on"),
        InMemory(GeneratedPeople(VAL_SEED, GENERATED_COUNTS["val"]), "drawing people to watch"),
        InMemory(GeneratedPeople(TEST_SEED, GENERATED_COUNTS["test"]), "drawing people to score on"),
    )


def open_real(data: str) -> People:
    """A folder's train/ and val/; what is scored is the last epoch, so val chooses nothing and serves both ends."""
    val = CocoKeypoints(data, split="val")
    return People(CocoKeypoints(data, split="train"), val, val)


def affordable_epochs(settings: TrainSettings, dataset: PoseDataset, minutes: float) -> int:
    """The epochs of `settings`, or as many as this machine trains in so many minutes, by the time of a few steps."""
    card = card_of(settings, dataset)
    fabric = start_fabric(settings.accelerator, settings.devices, settings.precision)
    network = fabric.to_device(card.create()).to(memory_format=torch.channels_last)
    objective = Objective(settings.loss, card)
    samples = (dataset[index % len(dataset)] for index in range(settings.batch_size))
    batch = card.batch_preparer(dataset, fabric.device, channels_last=True)(samples)
    seconds = []
    for _ in range(_TIMED_STEPS):
        started = time.perf_counter()
        loss = objective(stages_of(network(batch.crops)), batch)
        loss.backward()
        loss.item()
        seconds.append(time.perf_counter() - started)
    epoch_seconds = float(np.median(seconds)) * len(dataset) / settings.batch_size
    return max(1, min(settings.epochs, int(60 * minutes / epoch_seconds)))


def _predict(folder: Path, dataset: PoseDataset) -> Predictions:
    network, card = load_model(folder / LAST)
    fabric = start_fabric("auto", 1, "32-true")
    return predict_dataset(fabric.to_device(network), card, dataset, fabric, batch_size=64, workers=0)


def draw_predictions(dataset: PoseDataset, predictions: Predictions, path: Path) -> None:
    """The first people of a data set with what was found, and the labels as thin white lines."""
    pictures = []
    for record, keypoints, scores, read in list(zip(dataset.records, *predictions, strict=True))[
        :SHOWN_PEOPLE
    ]:
        if not read:
            continue
        image = dataset.load_image(record)
        truth = np.concatenate([record.keypoints, record.visibility[:, None]], axis=1)
        found = np.concatenate([keypoints, scores[:, None]], axis=1)
        zoom = min(CELL[0] / image.shape[0], CELL[1] / image.shape[1])
        pictures.append(draw_people(image, [found], dataset.skeleton, truth=[truth], zoom=zoom))
    write_image(path, contact_sheet(pictures, SHEET_COLUMNS, cell=CELL))
