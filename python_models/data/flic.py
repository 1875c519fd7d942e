"""FLIC, Frames Labeled In Cinema, from `examples.mat`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from python_models.data.mat_file import MATLAB_FIRST_PIXEL, MatFile, entries
from python_models.data.published import PublishedDataset, box_around, find_file, find_folder, joint_person
from python_models.data.records import AREA_OF_BOX, PersonRecord
from python_models.data.skeletons import FLIC_SKELETON

# The file has room for 29 joints, of which these, from 0 and in the order of the skeleton, are annotated.
_ALL_JOINTS = 29
_ANNOTATED = {
    **{
        "left_shoulder": 0,
        "left_elbow": 1,
        "left_wrist": 2,
        "right_shoulder": 3,
        "right_elbow": 4,
        "right_wrist": 5,
    },
    **{"left_hip": 6, "right_hip": 9, "left_eye": 12, "right_eye": 13, "nose": 16},
}
_COLUMNS = [_ANNOTATED[name] for name in FLIC_SKELETON.joint_names]


class Flic(PublishedDataset):
    """FLIC: upper bodies in films, 3,987 people to train on (`istrain`) and 1,016 to score on (`istest`).

    `path` holds `examples.mat` and `images/`. The file counts pixels from 1, as the authors' drawings show. Joints
    without a place (NaN) are not labelled; which joints are hidden is not told, so all others are visible. The box
    is that around the joints and the detected torso (`torsobox`), widened on each side by a tenth of its longer one.

    Source: Sapp and Taskar, MODEC: Multimodal Decomposable Models for Human Pose Estimation, CVPR 2013.
    """

    skeleton = FLIC_SKELETON

    def __init__(self, path: str | Path, images: str | Path | None = None, *, split: str) -> None:
        annotations = find_file(path, "examples.mat")
        folder = find_folder(images, annotations.parent / "images")
        file = MatFile(annotations, squeeze=True)
        flag = "istrain" if split == "train" else "istest"
        people = []
        for number, entry in enumerate(entries(file.variable("examples")), 1):
            where = f"examples({number})"
            if file.numbers(file.field(entry, flag, where), (), where, flag):
                people.append(_person(file, entry, where, folder, number))
        self.keep(people, file.fault)


def _person(file: MatFile, entry: Any, where: str, folder: Path, number: int) -> PersonRecord:
    coords = file.numbers(file.field(entry, "coords", where), (2, _ALL_JOINTS), where, "coords")
    keypoints = coords.T[_COLUMNS] - MATLAB_FIRST_PIXEL
    labelled = np.isfinite(keypoints).all(axis=1)
    image = folder / str(file.field(entry, "filepath", where))
    person = joint_person(image, number, number, keypoints, np.where(labelled, 2.0, 0.0))
    torso = file.numbers(file.field(entry, "torsobox", where), (4,), where, "torsobox").reshape(2, 2)
    if np.isfinite(torso).all():
        person.box_xywh = box_around(np.concatenate([keypoints[labelled], torso - MATLAB_FIRST_PIXEL]))
        person.area = AREA_OF_BOX * float(person.box_xywh[2] * person.box_xywh[3])
    return person
