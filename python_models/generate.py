"""Writing generated people to disk in COCO form."""

from pathlib import Path

from python_models.data import GeneratedPeople, export_coco
from python_models.sources import TRAIN_SEED, VAL_SEED


def generate(*, out: str = "data/generated", train_count: int = 4000, val_count: int = 400) -> None:
    """Write generated people to train/ and val/ of a folder, as JPEG files and COCO keypoint JSON.

    Args:
        out: folder to write to.
        train_count: people to train on; the same that training on "generated" sees.
        val_count: people to score on.
    """
    for split, seed, count in (("train", TRAIN_SEED, train_count), ("val", VAL_SEED, val_count)):
        path = export_coco(GeneratedPeople(seed, count), Path(out) / split, progress=True)
        print(f"written: {path}")
