"""Choosing devices, processes and precision through Lightning Fabric."""

import os
from typing import Any, Literal

import torch
from lightning_fabric import Fabric

from python_models.errors import UserError

Accelerator = Literal["auto", "cpu", "cuda"]
Devices = int | Literal["auto"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


def start_fabric(accelerator: Accelerator, devices: Devices, precision: Precision) -> Fabric:
    """Launch the processes that were asked for, here or by torchrun, and return this process's Fabric.

    Raises:
        UserError: the machine lacks what was asked for.
    """
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise UserError("accelerator cuda: this PyTorch sees no CUDA device; use --accelerator cpu")
    if accelerator == "cpu" and precision == "16-mixed":
        raise UserError("precision 16-mixed: needs a CUDA device; use bf16-mixed or 32-true")
    try:
        fabric = Fabric(accelerator=accelerator, precision=precision, **_world(devices))
    except (ValueError, RuntimeError) as error:
        raise UserError(f"devices {devices}: {error}") from error
    if accelerator == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    fabric.launch()
    return fabric


def _world(devices: Devices) -> dict[str, Any]:
    """Number of devices and machines; under torchrun, those that it started."""
    if "LOCAL_WORLD_SIZE" not in os.environ:
        return {"devices": devices}
    local, world = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
    return {"devices": local, "num_nodes": world // local}
