"""Boxes of people by a detector of torchvision, where that is installed."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from python_models.boxes import Box
from python_models.checkpoints import read_checkpoint, weights_of
from python_models.errors import UserError

_PERSON = 1  # in the categories of COCO that torchvision's detectors know


class Detector:
    """A detection model of torchvision.

    Args:
        name: one of `torchvision.models.list_models(torchvision.models.detection)`, such as
            "fasterrcnn_resnet50_fpn_v2".
        weights: path or URL of a checkpoint; None takes torchvision's own, which may have to be downloaded.
        device: where it runs. min_score: boxes with a lower score are left out.

    Raises: UserError without torchvision, or for a model that it does not have.
    """

    def __init__(
        self, name: str, weights: str | None, *, device: torch.device, min_score: float = 0.5
    ) -> None:
        try:
            from torchvision import models
        except (
            ImportError,
            RuntimeError,
        ) as error:  # a torchvision of another torch fails while it registers
            raise UserError(f"detector {name}: needs torchvision ({error}); or pass --boxes") from error
        known = models.list_models(module=models.detection)
        if name not in known:
            raise UserError(
                f"detector {name}: not a detector of this torchvision; known are {', '.join(known)}"
            )
        if weights is None:
            self.network = models.get_model(name, weights="DEFAULT")
        else:
            self.network = models.get_model(name, weights=None, weights_backbone=None)
            try:
                self.network.load_state_dict(weights_of(read_checkpoint(weights), weights))
            except RuntimeError as error:
                reason = " ".join(str(error).split())[:200]
                raise UserError(f"detector_weights {weights}: not weights of {name} ({reason})") from error
        self.network.to(device).eval()
        self.device, self.min_score = device, min_score

    def __call__(self, images: Sequence[Tensor]) -> list[list[Box]]:
        """People in uint8 RGB images (H, W, 3), the best first; boxes (x, y, width, height, score)."""
        batch = [image.to(self.device).permute(2, 0, 1).float() / 255 for image in images]
        with torch.no_grad():
            found = self.network(batch)
        return [self._people(one) for one in found]

    def _people(self, found: dict[str, Any]) -> list[Box]:
        chosen = (found["labels"] == _PERSON) & (found["scores"] >= self.min_score)
        left, top, right, bottom = found["boxes"][chosen].double().cpu().unbind(1)
        scores = found["scores"][chosen].double().cpu()
        boxes = torch.stack([left, top, right - left, bottom - top, scores], dim=1).tolist()
        return [tuple(box) for box in boxes if box[2] > 0 and box[3] > 0]
