"""The trainings that the claims compare, each as options of `python -m python_models train`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from python_models.training_state import LAST

Budget = Literal["cpu", "gpu"]

# Every run of a budget sees the same people in the same number of epochs with the same schedule.
_ALL = {
    "encoding": "unbiased",
    "optimizer": "adamw",
    "lr": 2e-3,
    "schedule": "cosine",
    "warmup_steps": 100,
    "batch_size": 32,
    "devices": 1,
    "augmentation.scale": 0.25,
    "augmentation.rotation_deg": 30.0,
    "augmentation.half_body_probability": 0.0,
}
BUDGETS: dict[Budget, dict[str, Any]] = {
    "cpu": {**_ALL, "epochs": 16, "input_size": [64, 64], "sigma_px": 1.0, "workers": 0},
    "gpu": {**_ALL, "epochs": 120, "input_size": [256, 256], "sigma_px": 2.0, "workers": 12},
}


@dataclass(frozen=True)
class Run:
    """A training.

    Args:
        settings: options of `train` beside the budget's.
        architecture: `--options` by budget: on a CPU the networks are narrower.
        epochs: factor of the budget's epochs.
        later_epochs: of the phases after the first, where there are several, as a share of the first one's.
        goes_on_from: the run whose last weights this one starts from.
    """

    settings: Mapping[str, Any]
    architecture: Mapping[Budget, Mapping[str, Any]] = field(default_factory=dict)
    epochs: float = 1.0
    later_epochs: tuple[float, ...] = ()
    goes_on_from: str | None = None

    def arguments(self, budget: Budget, data: str, out: Path) -> list[str]:
        """Of `python -m python_models`."""
        options = {**BUDGETS[budget], **self.settings}
        epochs = options["epochs"] = round(self.epochs * options["epochs"])
        if self.later_epochs:
            options["phase_epochs"] = [epochs, *(round(share * epochs) for share in self.later_epochs)]
        if self.goes_on_from is not None:
            options["pretrained"] = str(out.parent / self.goes_on_from / LAST)
        if architecture := self.architecture.get(budget):
            options["options"] = dict(architecture)
        arguments = ["train", "--data", data, "--out", str(out)]
        for name, value in options.items():
            arguments += [f"--{name}", value if isinstance(value, str) else json.dumps(value)]
        return arguments


def _resnet18(deconvs: int = 3, **settings: Any) -> Run:
    """Simple Baselines; each transposed convolution less halves the heat maps."""
    narrow = {"width": 32, "deconv_channels": [64] * deconvs}
    return Run(
        {"model": "pose_resnet18", **settings}, {"cpu": narrow, "gpu": {"deconv_channels": [256] * deconvs}}
    )


def _regression(**settings: Any) -> Run:
    return Run({"model": "deeppose_resnet18", **settings}, {"cpu": {"width": 32}})


def _more(run: Run, start: str, **settings: Any) -> Run:
    """A quarter of the epochs more, from where another run ended."""
    changes = {"lr": 1e-3, **settings}
    return replace(run, settings={**run.settings, **changes}, epochs=0.25, goes_on_from=start)


def _deeppose() -> Run:
    """Each stage goes on from the weights of the one before; the later ones see a crop around every joint."""
    run = _more(_regression(stages=3, stage_torsos=2.0, stages_start="before"), "regression")
    return replace(run, later_epochs=(2.0, 2.0))


def _tompson(pooling: int) -> Run:
    narrow = {"width": 16, "wide": 64, "hidden": 64, "fine_channels": 16, "window_px": 20, "pooling": pooling}
    wide = {"pooling": pooling, "window_px": 36}
    return Run({"model": "tompson_cascade"}, {"cpu": narrow, "gpu": wide}, later_epochs=(0.25, 0.125))


def _hourglass(stacks: int, **settings: Any) -> Run:
    """They start with maps far from 0 unless told otherwise, and learn next to nothing in a small budget then."""
    learning = {"lr": 8e-3, "final_std": 1e-3}
    return Run({"model": f"hourglass{stacks}", **learning, **settings}, {"cpu": {"features": 64}})


def _hrnet() -> Run:
    return Run({"model": "pose_hrnet_w32"}, {"cpu": {"width": 16, "blocks": 1, "exchanges": [1, 1, 1]}})


_INTEGRAL = {"head": "integral", "loss.kind": "joints"}

RUNS: dict[str, Run] = {
    "peak": _resnet18(),
    "peak-half": _resnet18(2),
    "peak-quarter": _resnet18(1),
    "regression": _regression(),
    "peak-more": _more(_resnet18(), "peak"),
    "peak-half-more": _more(_resnet18(2), "peak-half"),
    "peak-quarter-more": _more(_resnet18(1), "peak-quarter"),
    "regression-more": _more(_regression(), "regression"),
    "integral-alone": _resnet18(**_INTEGRAL),
    "integral": _more(_resnet18(), "peak", **_INTEGRAL),
    "integral-half": _more(_resnet18(2), "peak-half", **_INTEGRAL),
    "integral-quarter": _more(_resnet18(1), "peak-quarter", **_INTEGRAL),
    "mining": _more(_resnet18(), "peak", **{"loss.hardest_joints": 7}),
    "hrnet": _hrnet(),
    "deeppose": _deeppose(),
    "tompson4": _tompson(4),
    "tompson8": _tompson(8),
    "tompson16": _tompson(16),
    "hourglass1": _hourglass(1),
    "hourglass2": _hourglass(2),
    "hourglass2-last-only": _hourglass(2, **{"loss.stage_weights": [0.0, 1.0]}),
}
