"""Images of two people of coloured dots, that networks of whole images learn in seconds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from python_models.data import PersonRecord, PoseDataset, Skeleton
from python_models.settings import TrainSettings
from tests.models.tiny import STILL

CHAIN = Skeleton.from_names(
    "chain", ("left_shoulder", "right_shoulder", "neck"), ((1, 3), (3, 2)), (0.1, 0.1, 0.1)
)
COLOURS = np.array([[255, 40, 40], [40, 255, 40], [60, 60, 255]], np.uint8)
HEIGHT, WIDTH = 64, 96
OPTIONS = {
    "lightweight_openpose": {"width": 8},
    "pose_ae_hourglass4": {"stacks": 1, "features": 16, "increase": 4},
    "higherhrnet_w32": {"width": 8, "blocks": 1, "exchanges": [1, 1, 1]},
    "centernet_res18": {"width": 8, "blocks": [1, 1, 1, 1], "channels": 16, "hidden": 16},
    "deepcut_vgg16": {"width": 8, "hidden": 32, "dropout": 0.0},
}


class TwoPeople(PoseDataset):
    """`count` images of two people, one in each half; everything is labelled."""

    def __init__(self, count: int, seed: int = 0) -> None:
        self.skeleton = CHAIN
        rng = np.random.default_rng(seed)
        self.records = []
        for image in range(count):
            for side in range(2):
                neck = np.array([24.0 + 48 * side, 20.0]) + rng.uniform(-4, 4, 2)
                spread = rng.uniform((9, 16), (14, 26))
                joints = np.stack([neck + spread, neck + spread * [-1, 1], neck])
                self.records.append(self._record(image, side, joints.astype(np.float32)))

    @staticmethod
    def _record(image: int, side: int, joints: NDArray[np.float32]) -> PersonRecord:
        low, high = joints.min(0) - 4, joints.max(0) + 4
        return PersonRecord(
            image=image,
            image_id=image + 1,
            annotation_id=2 * image + side + 1,
            box_xywh=np.concatenate([low, high - low]),
            keypoints=joints,
            visibility=np.full(3, 2, np.float32),
            area=float(np.prod(high - low)),
        )

    def load_image(self, record: PersonRecord) -> NDArray[np.uint8]:
        image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        for other in self.records:
            if other.image == record.image:
                for (x, y), colour in zip(other.keypoints, COLOURS, strict=True):
                    image[(columns - x) ** 2 + (rows - y) ** 2 < 12] = colour
        return image


def crowd_settings(out: Any, model: str, **changes: Any) -> TrainSettings:
    """A short run on images of 64 x 96."""
    values: dict[str, Any] = {
        "model": model,
        "options": OPTIONS.get(model, {}),
        "input_size": (64, 128) if model != "lightweight_openpose" else (64, 96),
        "out": str(out),
        "augmentation": STILL,
        "epochs": 2,
        "batch_size": 4,
        "lr": 1e-3,
        "schedule": "cosine",
        "accelerator": "cpu",
        "workers": 0,
        "log_every": 2,
    }
    return TrainSettings(**{**values, **changes})
