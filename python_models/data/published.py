"""What the sets read from their published files have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from python_models.data.annotation_file import AnnotationError
from python_models.data.photos import PhotoDataset, missing_images
from python_models.data.records import AREA_OF_BOX, PersonRecord

# How far a box around joints is widened on each side, as a fraction of its longer side: joints lie inside the
# body, and heads and hands reach beyond the last of them.
_MARGIN = 0.1


class PublishedDataset(PhotoDataset):
    """People of one split of a set, from its files as they are published.

    Subclasses take `(path, images=None, *, split)`: `path` is the folder of the set as unpacked, or its
    annotation file; `images` the folder of the images where it is not where the set has it; `split` is "train"
    or "val", whatever the set itself calls them. Keypoints are in pixels, the centre of the first pixel 0.0,
    whatever the file counts from. `left_out` counts, by reason, the people that cannot be trained or tested on.

    Raises: AnnotationError with one sentence naming file, entry and field. Paths are checked before anything
        is read.
    """

    left_out: Counter[str]

    def __init__(self, path: str | Path, images: str | Path | None = None, *, split: str) -> None:
        raise NotImplementedError

    @classmethod
    def splits(cls, path: Path) -> tuple[str, ...]:
        """Those of "train" and "val" that `path` has."""
        return ("train", "val")

    def keep(self, people: Sequence[PersonRecord], fault: Callable[[str, str], AnnotationError]) -> None:
        """Make `people` the records, less those without a joint or an extent; the images must be there."""
        self.left_out = Counter()
        self.records = []
        for person in people:
            if not (person.visibility > 0).any():
                self.left_out["without a labelled joint"] += 1
            elif (person.box_xywh[2:] <= 0).any():
                self.left_out["with an empty box"] += 1
            else:
                self.records.append(person)
        if not self.records:
            counts = ", ".join(f"{count} {reason}" for reason, count in self.left_out.items())
            raise fault("annotations", f"no labelled person among them ({counts or 'there are none'})")
        missing = missing_images(self.records)
        if missing:
            raise fault("images", missing)


def find_file(path: str | Path, *names: str) -> Path:
    """Return `path` if it is a file, else the first of `names` that the folder `path` holds."""
    path = Path(path)
    if not path.exists():
        raise AnnotationError(f"{path}: no such file or folder")
    found = [path] if path.is_file() else [path / name for name in names if (path / name).is_file()]
    if not found:
        raise AnnotationError(f"{path}: holds no {' and no '.join(names)}")
    return found[0]


def splits_there(path: Path, names: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the splits of which the folder `path` holds a file; a file is "train" if it says so, else "val"."""
    if path.is_file():
        return ("train",) if "train" in path.stem else ("val",)
    return tuple(split for split, files in names.items() if any((path / file).is_file() for file in files))


def find_folder(given: str | Path | None, *usual: Path) -> Path:
    """Return the folder of images: the one given, else the first of the usual ones that is there."""
    if given is not None:
        usual = (Path(given),)
    found = [folder for folder in usual if folder.is_dir()]
    if not found:
        raise AnnotationError(f"{usual[0]}: no such folder of images")
    return found[0]


def box_around(points: np.ndarray) -> np.ndarray:
    """Return (x, y, width, height) of points (N, 2), widened on each side by a tenth of the longer one.

    The box is not clipped to the image; that of no points, or of points in one place, is empty.
    """
    if not len(points):
        return np.zeros(4, np.float32)
    low, high = points.min(axis=0), points.max(axis=0)
    margin = _MARGIN * (high - low).max()
    return np.concatenate([low - margin, high - low + 2 * margin]).astype(np.float32)


def joint_person(
    image: Path, image_id: int, annotation_id: int, keypoints: np.ndarray, visibility: np.ndarray
) -> PersonRecord:
    """A person of whom only the joints are labelled: box around them, area 0.53 of that box.

    keypoints (K, 2) in pixels, centre of the first pixel 0.0; what is not labelled becomes 0.
    """
    keypoints = np.where(visibility[:, None] > 0, keypoints, 0.0).astype(np.float32)
    box = box_around(keypoints[visibility > 0])
    return PersonRecord(
        image=str(image),
        image_id=image_id,
        annotation_id=annotation_id,
        box_xywh=box,
        keypoints=keypoints,
        visibility=visibility.astype(np.float32),
        area=AREA_OF_BOX * float(box[2] * box[3]),
    )
