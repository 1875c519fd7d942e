"""The settings that models were published with, by name: `train --recipe NAME` starts from them.

Batch sizes are those of all GPUs of the published run together: with several processes, divide. Where a paper and
its code differ, the code's values stand here.
"""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from python_models.errors import unknown_name


@dataclass(frozen=True)
class Recipe:
    """Changes of `TrainSettings`, and what they gave where they were published."""

    settings: Mapping[str, Any] = field(repr=False)
    data: str  # the set that it is for
    accuracy: str  # as published; empty where only our reading of a paper stands behind it
    source: str

    @property
    def model(self) -> str:
        return str(self.settings["model"])


def _augmentation(**changes: Any) -> dict[str, Any]:
    """Geometry alone: the published codes leave the colours as they are."""
    plain = {"brightness": 0.0, "tint": 0.0, "offset": 0.0, "half_body_probability": 0.0}
    return {**plain, **changes}


_SIMPLE = {
    "epochs": 140, "batch_size": 128, "optimizer": "adam", "lr": 1e-3, "drop_epochs": (90, 120), "flip_test": True,
}  # fmt: skip
_SIMPLE_COCO = {**_SIMPLE, "augmentation": _augmentation(scale=0.3, rotation_deg=80.0)}
_SIMPLE_MPII = {
    **_SIMPLE,
    "input_size": (256, 256),
    "augmentation": _augmentation(scale=0.25, rotation_deg=60.0),
}
_HRNET_COCO = {
    **_SIMPLE, "epochs": 210, "drop_epochs": (170, 200),
    "augmentation": _augmentation(scale=0.35, rotation_deg=90.0, half_body_probability=0.3),
}  # fmt: skip
_LARGE = {"input_size": (384, 288), "sigma_px": 3.0}

_XIAO = "Xiao et al., ECCV 2018, published code"
_SUN = "Sun et al., CVPR 2019, published code"


def _simple_baselines() -> dict[str, Recipe]:
    coco = {50: ("70.4", "72.2"), 101: ("71.4", "73.6"), 152: ("72.0", "74.3")}
    mpii = {50: "88.5", 101: "89.1", 152: "89.6"}
    recipes = {}
    for depth, (small, large) in coco.items():
        model = {"model": f"pose_resnet{depth}"}
        recipes[f"pose_resnet{depth}_coco_256x192"] = Recipe(
            {**_SIMPLE_COCO, **model}, "COCO", f"val AP {small}", _XIAO
        )
        recipes[f"pose_resnet{depth}_coco_384x288"] = Recipe(
            {**_SIMPLE_COCO, **model, **_LARGE}, "COCO", f"val AP {large}", _XIAO
        )
        recipes[f"pose_resnet{depth}_mpii_256x256"] = Recipe(
            {**_SIMPLE_MPII, **model}, "MPII", f"val PCKh@0.5 {mpii[depth]}", _XIAO
        )
    return recipes


def _hrnet() -> dict[str, Recipe]:
    recipes = {}
    for width, (small, large) in {"w32": ("74.4", "75.8"), "w48": ("75.1", "76.3")}.items():
        model = {"model": f"pose_hrnet_{width}"}
        recipes[f"pose_hrnet_{width}_coco_256x192"] = Recipe(
            {**_HRNET_COCO, **model}, "COCO", f"val AP {small}", _SUN
        )
        recipes[f"pose_hrnet_{width}_coco_384x288"] = Recipe(
            {**_HRNET_COCO, **model, **_LARGE}, "COCO", f"val AP {large}", _SUN
        )
    mpii = {**_HRNET_COCO, "model": "pose_hrnet_w32", "input_size": (256, 256)}
    mpii["augmentation"] = _augmentation(scale=0.25, rotation_deg=60.0)
    recipes["pose_hrnet_w32_mpii_256x256"] = Recipe(mpii, "MPII", "val PCKh@0.5 90.3", _SUN)
    return recipes


def _encodings() -> dict[str, Recipe]:
    """The baseline with the decoders and encoders that came after it."""
    base = {**_HRNET_COCO, "model": "pose_hrnet_w32"}
    dark = "Zhang et al., Distribution-Aware Coordinate Representation, CVPR 2020"
    udp = "Huang et al., The Devil is in the Details, CVPR 2020"
    return {
        "pose_hrnet_w32_dark_coco_256x192": Recipe({**base, "encoding": "unbiased"}, "COCO", "", dark),
        "pose_hrnet_w32_udp_coco_256x192": Recipe({**base, "encoding": "udp"}, "COCO", "", udp),
    }


RECIPES: dict[str, Recipe] = {
    **_simple_baselines(),
    **_hrnet(),
    **_encodings(),
}


def recipe_settings(name: str) -> dict[str, Any]:
    """Options of `TrainSettings`, as a configuration file would hold them.

    Raises: UserError for a name that is not in `RECIPES`.
    """
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return dict(RECIPES[name].settings)


def format_recipes(pattern: str = "*") -> str:
    """A table of the recipes whose names match a shell-style pattern."""
    rows = [("recipe", "model", "data", "published", "source")]
    rows += [
        (name, recipe.model, recipe.data, recipe.accuracy or "-", recipe.source)
        for name, recipe in RECIPES.items()
        if fnmatch.fnmatch(name, pattern)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)) for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
