"""One of several processes started by torchrun; test_distributed.py compares what they leave with one process."""

import sys
from pathlib import Path

import torch

from python_models.runtime import start_fabric
from python_models.train import card_of, train_on
from python_models.trainer import Trainer
from tests.models.tiny import STILL, Dots, tiny_settings

PEOPLE, GLOBAL_BATCH = 16, 8


def save_gradients(folder: Path, world_size: int) -> None:
    """Gradients of the first step. Batch norm is in eval mode: its training statistics belong to each process's own
    people (SyncBatchNorm exists for CUDA alone), so no other comparison with the joined batch can be equal.
    """
    settings = tiny_settings(folder, augmentation=STILL, batch_size=GLOBAL_BATCH // world_size)
    data = Dots(PEOPLE)
    fabric = start_fabric("cpu", "auto", "32-true")
    torch.manual_seed(0)
    trainer = Trainer(settings, card_of(settings, data), fabric, folder, data, None)
    torch.nn.init.normal_(
        trainer.state.network.final_layer.weight, generator=torch.Generator().manual_seed(1)
    )
    trainer.part.eval()
    batch = trainer.make_batch(0, next(iter(trainer.loader)))
    fabric.backward(trainer.loss(batch).loss)
    if fabric.is_global_zero:
        gradients = {name: value.grad for name, value in trainer.state.network.named_parameters()}
        torch.save(gradients, folder / f"gradients{fabric.world_size}.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    save_gradients(Path(sys.argv[1]), 2)
    train_on(tiny_settings(Path(sys.argv[1]) / "run", workers=0), Dots(PEOPLE), Dots(7, seed=1))
