"""Head sizes for PCKh, from the annotations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from pyposeops.evaluate.errors import InputError
from pyposeops.evaluate.pairs import PairedPeople
from pyposeops.evaluate.people import TruthFile
from pyposeops.metrics import head_box_sizes
from pyposeops.metrics.coco_data import Floats


def head_sizes(truth: TruthFile, paired: PairedPeople) -> Floats:
    """(N,) in pixels: ``head_size``, or 0.6 of the diagonal of ``bbox_head``; NaN for people with neither.

    Raises:
        InputError: a size or box that is none, or nobody who has one; names the file, the entry and the field.
    """
    sizes = np.array([_head_size(truth, row) for row in paired.rows.tolist()])
    if np.isnan(sizes).all():
        where = f"{truth.path}: annotations[{paired.rows[0]}]"
        raise InputError(f"{where}: head_size: expected pixels, or else a bbox_head, got neither")
    return sizes


def _head_size(truth: TruthFile, row: int) -> float:
    person = truth.annotations[row]
    size, box = person.get("head_size"), person.get("bbox_head")
    where = f"{truth.path}: annotations[{row}]"
    if size is not None:
        if not _is_number(size) or size < 0:
            raise InputError(f"{where}: head_size: expected a number from 0 on, got {size!r}")
        return float(size)
    if not box:
        return math.nan
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise InputError(f"{where}: bbox_head: expected 4 numbers, got {box!r}")
    return float(head_box_sizes(torch.tensor([box], dtype=torch.float64)))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
