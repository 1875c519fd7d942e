"""MPII Human Pose, from the release's .mat file or from the JSON files of its usual training and validation lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from python_models.data.annotation_file import AnnotationError, JsonFile
from python_models.data.mat_file import MATLAB_FIRST_PIXEL, MatFile
from python_models.data.mpii_release import RELEASE, Rect, head_size, read_release
from python_models.data.published import PublishedDataset, find_file, find_folder, joint_person, splits_there
from python_models.data.records import PersonRecord
from python_models.data.skeletons import MPII_SKELETON

_JOINTS = MPII_SKELETON.num_joints
_LISTS = {
    "train": ("annot/train.json", "annotations/mpii_train.json"),
    "val": ("annot/valid.json", "annotations/mpii_val.json"),
}
_RELEASES = (RELEASE, f"annot/{RELEASE}", f"mpii_human_pose_v1_u12_2/{RELEASE}")
_HEADS = "gt_valid.mat"


class Mpii(PublishedDataset):
    """MPII Human Pose.

    `path` holds `images/` and either `annot/train.json` and `annot/valid.json`, the lists that HRNet and others
    distribute, or the release `mpii_human_pose_v1_u12_1.mat`, whose training images are all "train" (its test
    images have no public labels). All count pixels from 1.

    The box is the square of side 200 `scale` whose centre lies 15 `scale` below the person's `center`, as the
    published codes crop; where these are unknown, the box around the joints. The area, for OKS, is always 0.53 of
    the latter. `head_size` is 0.6 of the diagonal of the head box: of the release, or of `gt_valid.mat` beside
    `valid.json`; the JSON files alone do not know it. They do not know either which joints are hidden: all labelled
    ones are visible there.

    Source: Andriluka et al., 2D Human Pose Estimation: New Benchmark and State of the Art Analysis, CVPR 2014; the
    lists: Tompson et al., Efficient Object Localization Using Convolutional Networks, CVPR 2015.
    """

    skeleton = MPII_SKELETON

    def __init__(self, path: str | Path, images: str | Path | None = None, *, split: str) -> None:
        names = (*_LISTS[split], *_RELEASES) if split == "train" else _LISTS[split]
        annotations = find_file(path, *names)
        root = Path(path) if Path(path).is_dir() else annotations.parent
        folder = find_folder(images, root / "images", root.parent / "images")
        if annotations.suffix == ".mat":
            file = MatFile(annotations, squeeze=True)
            self.keep([_from_rect(file, rect, folder) for rect in read_release(file)], file.fault)
            return
        content = JsonFile(annotations, list)
        people = [_from_entry(content, index, folder) for index in range(len(content.content))]
        if split == "val":
            _add_head_sizes(content, people, root)
        self.keep(people, content.fault)

    @classmethod
    def splits(cls, path: Path) -> tuple[str, ...]:
        """The lists that are there; of the release, or of a file, the one it is."""
        if path.suffix == ".mat":
            return ("train",)
        found = splits_there(path, _LISTS)
        released = any((path / name).is_file() for name in _RELEASES)
        return ("train", *found) if released and "train" not in found else found


def _from_rect(file: MatFile, rect: Rect, folder: Path) -> PersonRecord:
    image_id = _image_id(file, rect.image, rect.where)
    person = joint_person(
        folder / rect.image, image_id, rect.number, rect.keypoints - MATLAB_FIRST_PIXEL, rect.visibility
    )
    if rect.centre is not None and rect.scale is not None:
        person.box_xywh = _crop_box(rect.centre - MATLAB_FIRST_PIXEL, rect.scale)
    person.head_size = rect.head_size
    return person


def _from_entry(file: JsonFile, index: int, folder: Path) -> PersonRecord:
    entry, where = file.content[index], f"entry {index}"
    image = str(file.field(entry, "image", where))
    centre = file.array(entry, "center", (2,), where)
    scale = float(file.array(entry, "scale", (), where))
    keypoints = file.array(entry, "joints", (_JOINTS, 2), where) - MATLAB_FIRST_PIXEL
    labelled = file.array(entry, "joints_vis", (_JOINTS,), where)
    if not np.isin(labelled, (0, 1)).all():
        raise file.fault(where, "field 'joints_vis': every value must be 0 or 1")
    person = joint_person(folder / image, _image_id(file, image, where), index + 1, keypoints, 2 * labelled)
    if centre[0] != -1:  # what the lists write for a person without a centre
        person.box_xywh = _crop_box(centre - MATLAB_FIRST_PIXEL, scale)
    return person


def _image_id(file: MatFile | JsonFile, image: str, where: str) -> int:
    stem = Path(image).stem
    if not stem.isdecimal():
        raise file.fault(where, f"field 'image': expected a name made of digits, got {image!r}")
    return int(stem)


def _crop_box(centre: np.ndarray, scale: float) -> np.ndarray:
    """`centre` in pixels, first pixel 0.0; `scale` is the person's height over 200 px."""
    x, y = centre[0], centre[1] + 15.0 * scale
    side = 200.0 * scale
    return np.array([x - side / 2, y - side / 2, side, side], np.float32)


def _add_head_sizes(file: JsonFile, people: Sequence[PersonRecord], root: Path) -> None:
    """Head sizes from gt_valid.mat, which has the order of valid.json, else from the release, by place."""
    heads = file.path.with_name(_HEADS)
    if heads.is_file():
        for person, size in zip(people, _head_sizes(MatFile(heads), len(people)), strict=True):
            person.head_size = size
        return
    releases = [root / name for name in _RELEASES if (root / name).is_file()]
    if releases:
        rects = read_release(MatFile(releases[0], squeeze=True))
        sizes = {_place(rect.image, rect.centre): rect.head_size for rect in rects if rect.centre is not None}
        for person, entry in zip(people, file.content, strict=True):
            person.head_size = sizes.get(_place(entry["image"], entry["center"]))


def _place(image: str, centre: Any) -> tuple[str, int, int]:
    return image, round(float(centre[0])), round(float(centre[1]))


def _head_sizes(file: MatFile, count: int) -> list[float]:
    boxes = file.variable("headboxes_src")
    if boxes.shape != (2, 2, count):
        what = f"expected shape (2, 2, {count}), one head box for each entry of the list, got {boxes.shape}"
        raise AnnotationError(f"{file.path}: variable 'headboxes_src': {what}")
    return [head_size(*box) for box in boxes.reshape(4, count).T.astype(np.float64)]
