"""Parts of images in which people are not labelled one by one: crowds, and people without joints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np


@dataclass(frozen=True)
class Region:
    """A part of an image: its outline, its run lengths, or else its box.

    Args:
        box_xywh: (4,) in pixels.
        polygons: each (M, 2), x and y in pixels.
        runs: lengths of what is outside and inside by turns, down one column after the other, as COCO has them.
    """

    box_xywh: np.ndarray
    polygons: tuple[np.ndarray, ...] = ()
    runs: tuple[int, ...] = ()

    @classmethod
    def of(cls, annotation: Mapping[str, Any]) -> Region:
        """The region of a COCO annotation; one whose mask is not understood is its box."""
        box = np.asarray(annotation["bbox"], np.float64)
        mask = annotation.get("segmentation")
        if isinstance(mask, Mapping) and isinstance(mask.get("counts"), list):
            return cls(box, runs=tuple(int(run) for run in mask["counts"]))
        if (
            isinstance(mask, list)
            and mask
            and all(isinstance(part, list) and len(part) >= 6 for part in mask)
        ):
            return cls(box, tuple(np.asarray(part, np.float64).reshape(-1, 2) for part in mask))
        return cls(box)

    @classmethod
    def around(cls, outline: np.ndarray) -> Region:
        """The region inside of an outline (M, 2)."""
        low, high = outline.min(0), outline.max(0)
        return cls(np.concatenate([low, high - low]), (outline.astype(np.float64),))

    def paint(self, mask: np.ndarray) -> None:
        """Set the region's pixels of a uint8 (H, W) mask to 1."""
        if self.runs and sum(self.runs) == mask.size:
            inside = np.arange(len(self.runs)) % 2 == 1
            mask |= np.repeat(inside, self.runs).astype(np.uint8).reshape(mask.shape[::-1]).T
            return
        outlines = self.polygons or (_corners(self.box_xywh),)
        for outline in outlines:
            cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 1)


def _corners(box: np.ndarray) -> np.ndarray:
    x, y, width, height = box
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
