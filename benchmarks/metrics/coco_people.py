"""Generated people in the three forms in which they come to an evaluation."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from pyposeops.metrics import KeypointResults, KeypointTruths
from tests.metrics.generated_results import Options, generate

JOINTS = 17


class People:
    """Annotated and found people of a data set of `images` images, made once."""

    def __init__(self, images: int) -> None:
        self.dataset, self.results = generate(Options(images=images))
        self._folder = tempfile.TemporaryDirectory()
        self.files = str(Path(self._folder.name, "gt.json")), str(Path(self._folder.name, "results.json"))
        for path, content in zip(self.files, (self.dataset, self.results), strict=True):
            Path(path).write_text(json.dumps(content))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Images, annotations, results."""
        return len(self.dataset["images"]), len(self.dataset["annotations"]), len(self.results)

    @property
    def file_bytes(self) -> int:
        return sum(Path(path).stat().st_size for path in self.files)

    @property
    def array_bytes(self) -> int:
        """Of keypoints, boxes, areas and scores; all other arrays are small beside them."""
        _, annotations, results = self.shape
        return 8 * (annotations * (3 * JOINTS + 5) + results * (3 * JOINTS + 2))

    def arrays(self) -> tuple[KeypointTruths, KeypointResults]:
        annotated, found = self.dataset["annotations"], self.results
        truths = KeypointTruths(
            image_ids=np.array([person["image_id"] for person in annotated]),
            keypoints=np.array([person["keypoints"] for person in annotated], float).reshape(-1, JOINTS, 3),
            areas=np.array([person["area"] for person in annotated]),
            boxes=np.array([person["bbox"] for person in annotated], float),
            crowd=np.array([person["iscrowd"] for person in annotated], bool),
            images=np.array([image["id"] for image in self.dataset["images"]]),
        )
        results = KeypointResults(
            image_ids=np.array([result["image_id"] for result in found]),
            keypoints=np.array([result["keypoints"] for result in found], float).reshape(-1, JOINTS, 3),
            scores=np.array([result["score"] for result in found]),
        )
        return truths, results

    def copies(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Dictionaries for those who write in what they are given."""
        annotations = [dict(person) for person in self.dataset["annotations"]]
        return {**self.dataset, "annotations": annotations}, [dict(result) for result in self.results]
