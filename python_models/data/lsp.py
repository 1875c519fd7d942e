"""Leeds Sports Pose and its extension, from `joints.mat`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from python_models.data.mat_file import MATLAB_FIRST_PIXEL, MatFile
from python_models.data.published import PublishedDataset, find_file, find_folder, joint_person
from python_models.data.skeletons import LSP_SKELETON

_JOINTS = LSP_SKELETON.num_joints


class LeedsSports(PublishedDataset):
    """Leeds Sports Pose: 2,000 images of one person each; the first 1,000 are "train", the others "val".

    `path` holds `joints.mat` (3, 14, N) and `images/im0001.jpg` and so on. The third row of the file is 1 for
    joints that are occluded; their places are given all the same, so they get visibility 1, the others 2.

    Source: Johnson and Everingham, Clustered Pose and Nonlinear Appearance Models for Human Pose Estimation,
    BMVC 2010.
    """

    skeleton = LSP_SKELETON
    train_count: ClassVar[int | None] = 1000
    image_name: ClassVar[str] = "im{:04d}.jpg"

    def __init__(self, path: str | Path, images: str | Path | None = None, *, split: str) -> None:
        annotations = find_file(path, "joints.mat")
        folder = find_folder(images, annotations.parent / "images")
        file = MatFile(annotations)
        joints = _joints(file)
        chosen = range(len(joints))[: self.train_count]
        if split == "val":
            chosen = range(len(chosen), len(joints))
        people = []
        for index in chosen:
            keypoints = joints[index, :, :2] - MATLAB_FIRST_PIXEL
            image = folder / self.image_name.format(index + 1)
            visibility = self._visibility(joints[index, :, 2])
            people.append(joint_person(image, index + 1, index + 1, keypoints, visibility))
        self.keep(people, file.fault)

    def _visibility(self, flags: np.ndarray) -> np.ndarray:
        return np.where(flags > 0, 1.0, 2.0)


class LeedsSportsExtended(LeedsSports):
    """Leeds Sports Pose Extended: 10,000 images of one person each, all for training.

    `path` holds `joints.mat` (14, 3, N) and `images/im00001.jpg` and so on. The third column of the file is 1 for
    joints that are visible; the places of the others are not known, so they are not labelled (visibility 0).

    Source: Johnson and Everingham, Learning Effective Human Pose Estimation from Inaccurate Annotation, CVPR 2011.
    """

    train_count: ClassVar[int | None] = None
    image_name: ClassVar[str] = "im{:05d}.jpg"

    @classmethod
    def splits(cls, path: Path) -> tuple[str, ...]:
        return ("train",)

    def _visibility(self, flags: np.ndarray) -> np.ndarray:
        return np.where(flags > 0, 2.0, 0.0)


def _joints(file: MatFile) -> np.ndarray:
    """Return (N, 14, 3) from either layout: x, y and flag, as the file has them."""
    joints = file.variable("joints")
    if joints.ndim == 2:
        joints = joints[:, :, None]  # MATLAB drops a last axis of length 1
    if (
        joints.ndim != 3
        or joints.shape[:2] not in ((3, _JOINTS), (_JOINTS, 3))
        or joints.dtype.kind not in "uif"
    ):
        what = f"expected numbers of shape (3, 14, N) or (14, 3, N), got {joints.dtype} {joints.shape}"
        raise file.fault("variable 'joints'", what)
    values = np.moveaxis(joints, 2, 0).astype(np.float64)
    if values.shape[1] == 3:
        values = values.swapaxes(1, 2)
    faulty = np.flatnonzero(~np.isfinite(values).all(axis=(1, 2)))
    if len(faulty):
        raise file.fault(f"variable 'joints', image {faulty[0] + 1}", "holds a value that is not finite")
    faulty = np.flatnonzero(~np.isin(values[:, :, 2], (0, 1)).all(axis=1))
    if len(faulty):
        raise file.fault(f"variable 'joints', image {faulty[0] + 1}", "every third value must be 0 or 1")
    return values
