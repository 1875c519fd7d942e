"""Optimizers, and learning rates as a function of the step alone, so that resuming needs no state."""

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import nn

OptimizerName = Literal["adam", "adamw", "rmsprop", "sgd", "adagrad"]
ScheduleName = Literal["step", "cosine", "linear"]


def build_optimizer(
    name: OptimizerName,
    parameters: Iterable[nn.Parameter],
    *,
    weight_decay: float,
    momentum: float = 0.0,
    fused: bool,
) -> torch.optim.Optimizer:
    """The learning rate is set before every step by `set_learning_rate`; momentum is that of sgd and rmsprop."""
    if name == "adam":
        return torch.optim.Adam(parameters, weight_decay=weight_decay, fused=fused)
    if name == "adamw":
        return torch.optim.AdamW(parameters, weight_decay=weight_decay, fused=fused)
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=0.0, momentum=momentum, weight_decay=weight_decay, fused=fused)
    if name == "rmsprop":
        return torch.optim.RMSprop(parameters, momentum=momentum, weight_decay=weight_decay)
    return torch.optim.Adagrad(parameters, weight_decay=weight_decay)


def learning_rate_factor(
    step: int,
    *,
    total_steps: int,
    schedule: ScheduleName,
    warmup_steps: int = 0,
    drop_steps: Sequence[int] = (),
    drop_factor: float = 0.1,
) -> float:
    """What the base learning rate is multiplied by at a step, counted from 0.

    Linear from 0 to 1 over `warmup_steps` (the first step already above 0); then `step` multiplies by `drop_factor`
    from each of `drop_steps` on, and `cosine` and `linear` fall from 1 to 0 over the steps that are left.
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    if schedule == "step":
        return drop_factor ** sum(step >= drop for drop in drop_steps)
    progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return 1.0 - progress if schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * progress))


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = value
