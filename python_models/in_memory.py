"""A data set whose images are made once and kept: worth it where making one costs more than training on it."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from python_models.data import PersonRecord, PoseDataset, PoseLoader
from python_models.progress import progress_bar

_MOST_WORKERS = 16
_IMAGES_PER_HANDOVER = 16


class InMemory(PoseDataset):
    """The images of `dataset`, one per record, made by all cores while a bar titled `title` runs."""

    def __init__(self, dataset: PoseDataset, title: str) -> None:
        self.dataset, self.skeleton, self.records = dataset, dataset.skeleton, dataset.records
        self._images: dict[int, NDArray[np.uint8]] = {}
        workers = min(_MOST_WORKERS, os.cpu_count() or 1)
        loader = PoseLoader(dataset, _IMAGES_PER_HANDOVER, training=False, workers=workers)
        with progress_bar(len(dataset), title, unit="image") as bar:
            for samples in loader:
                for sample in samples:
                    self._images[dataset.records[sample.index].annotation_id] = sample.image.numpy().copy()
                bar.update(len(samples))

    def load_image(self, record: PersonRecord) -> NDArray[np.uint8]:
        return self._images[record.annotation_id]

    def to_coco(self) -> dict[str, Any]:
        return self.dataset.to_coco()
