"""AI Challenger's human keypoints, from their JSON files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from python_models.data.annotation_file import JsonFile
from python_models.data.published import PublishedDataset, find_file, find_folder, joint_person, splits_there
from python_models.data.records import PersonRecord
from python_models.data.skeletons import AIC_SKELETON

_JOINTS = AIC_SKELETON.num_joints
# Folder, annotations and images of a split, as they are unpacked; the folders also go without their dates.
_NAMES = {
    "train": ("ai_challenger_keypoint_train_20170909", "keypoint_train_annotations_20170909.json"),
    "val": ("ai_challenger_keypoint_validation_20170911", "keypoint_validation_annotations_20170911.json"),
}
_IMAGES = ("keypoint_train_images_20170902", "keypoint_validation_images_20170911")
_FILES = {
    split: (f"{folder}/{name}", f"{folder.rpartition('_')[0]}/{name}", name)
    for split, (folder, name) in _NAMES.items()
}
# Visible, hidden and outside of the image (or not annotated), in the file and here.
_VISIBILITY = {1: 2.0, 2: 1.0, 3: 0.0}


class AiChallenger(PublishedDataset):
    """AI Challenger human keypoints: 14 joints, several people to an image.

    `path` holds the folders `ai_challenger_keypoint_train_20170909/` and
    `ai_challenger_keypoint_validation_20170911/` as unpacked, or is one of them. Boxes are the set's, from
    corners; the area is that of the whole box, to which the set's sigmas belong. The file does not say where pixels
    are counted from; they are taken as from 0.

    Source: Wu et al., AI Challenger: A Large-scale Dataset for Going Deeper in Image Understanding, 2017.
    """

    skeleton = AIC_SKELETON

    def __init__(self, path: str | Path, images: str | Path | None = None, *, split: str) -> None:
        annotations = find_file(path, *_FILES[split])
        usual = _IMAGES if split == "train" else _IMAGES[::-1]
        folder = find_folder(images, *(annotations.parent / name for name in usual))
        file = JsonFile(annotations, list)
        self.keep(list(_people(file, folder)), file.fault)

    @classmethod
    def splits(cls, path: Path) -> tuple[str, ...]:
        return splits_there(path, _FILES)


def _people(file: JsonFile, folder: Path) -> Iterator[PersonRecord]:
    count = 0
    for index, entry in enumerate(file.content):
        image = folder / f"{file.field(entry, 'image_id', f'entry {index}')}.jpg"
        joints = file.field(entry, "keypoint_annotations", f"entry {index}")
        boxes = file.field(entry, "human_annotations", f"entry {index}")
        if not isinstance(joints, Mapping):
            raise file.fault(
                f"entry {index}", f"field 'keypoint_annotations': expected an object, got {joints!r}"
            )
        for human in joints:
            count += 1
            where = f"entry {index}, {human}"
            triples = file.array(joints, human, (3 * _JOINTS,), where).reshape(_JOINTS, 3)
            if not np.isin(triples[:, 2], list(_VISIBILITY)).all():
                raise file.fault(where, "every third value (visibility) must be 1, 2 or 3")
            visibility = np.array([_VISIBILITY[int(flag)] for flag in triples[:, 2]])
            person = joint_person(image, index + 1, count, triples[:, :2], visibility)
            x1, y1, x2, y2 = file.array(boxes, human, (4,), where)
            person.box_xywh = np.array([x1, y1, x2 - x1, y2 - y1], np.float32)
            person.area = float((x2 - x1) * (y2 - y1))
            yield person
