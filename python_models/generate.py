"""Writing generated people to disk in COCO form."""

from pathlib import Path

from python_models.data import export_coco
from python_models.errors import UserError, require_positive
from python_models.files import check_output_folder
from python_models.sources import GENERATED, TRAIN_SEED, VAL_SEED, is_generated, open_generated


def generate(
    *, out: str = "data/generated", data: str = GENERATED, train_count: int = 4000, val_count: int = 400
) -> None:
    """Write generated people to train/ and val/ of a folder, as JPEG files and COCO keypoint JSON.

    Args:
        out: folder to write to.
        data: generated for one person in each image; crowds, or crowds:X with X from 0 to 1 for several who overlap
            the more the higher X is.
        train_count: images to train on; the same that training on this data sees.
        val_count: images to score on.
    """
    if not is_generated(data):
        raise UserError(f"data: expected generated, crowds or crowds:X, got {data!r}")
    check_output_folder("out", out)
    require_positive(train_count=train_count, val_count=val_count)
    for split, seed, count in (("train", TRAIN_SEED, train_count), ("val", VAL_SEED, val_count)):
        path = export_coco(open_generated(data, seed, count), Path(out) / split, progress=True)
        print(f"written: {path}")
