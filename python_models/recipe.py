"""What a recipe is: settings that a model was published with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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


def plain_augmentation(**changes: Any) -> dict[str, Any]:
    """Geometry alone: the published codes leave the colours as they are."""
    plain = {"brightness": 0.0, "tint": 0.0, "offset": 0.0, "half_body_probability": 0.0}
    return {**plain, **changes}
