"""A pose problem that a network of a few thousand parameters learns in seconds: four coloured dots."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from python_models.data import Augmentation, PersonRecord, PoseDataset, Skeleton
from python_models.settings import TrainSettings

DOTS = Skeleton.from_names(
    "dots", ("left_shoulder", "right_shoulder", "left_hip", "right_hip"), ((1, 2), (3, 4))
)
COLOURS = np.array([[255, 40, 40], [40, 255, 40], [60, 60, 255], [255, 255, 40]], np.uint8)
HEIGHT, WIDTH = 48, 40
STILL = Augmentation(
    scale=0.0,
    rotation_probability=0.0,
    flip_probability=0.0,
    half_body_probability=0.0,
    brightness=0.0,
    tint=0.0,
    offset=0.0,
    translation=0.0,
)
TINY_OPTIONS = {"width": 8, "blocks": [1, 1, 1, 1], "deconv_channels": [8, 8, 8]}


class Dots(PoseDataset):
    """`count` images, a function of `seed`; everything is labelled."""

    def __init__(self, count: int, seed: int = 0) -> None:
        self.skeleton = DOTS
        rng = np.random.default_rng(seed)
        box = np.float32([4, 4, 32, 40])
        self.records = [
            PersonRecord(
                image=index,
                image_id=index + 1,
                annotation_id=index + 1,
                box_xywh=box.copy(),
                keypoints=rng.uniform((8, 8), (32, 40), (4, 2)).astype(np.float32),
                visibility=np.full(4, 2, np.float32),
                area=1280.0,
            )
            for index in range(count)
        ]

    def load_image(self, record: PersonRecord) -> NDArray[np.uint8]:
        image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        for (x, y), colour in zip(record.keypoints, COLOURS, strict=True):
            image[(columns - x) ** 2 + (rows - y) ** 2 < 9] = colour
        return image


def tiny_settings(out: Any, **changes: Any) -> TrainSettings:
    """A run of two short epochs on 32x32 crops."""
    values: dict[str, Any] = {
        "model": "pose_resnet18",
        "options": TINY_OPTIONS,
        "input_size": (32, 32),
        "sigma_px": 1.0,
        "augmentation": Augmentation(),
        "epochs": 2,
        "batch_size": 4,
        "workers": 0,
        "log_every": 2,
        "accelerator": "cpu",
        "out": str(out),
    }
    return TrainSettings(**{**values, **changes})
