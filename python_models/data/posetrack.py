"""PoseTrack18: one JSON file for each video."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from python_models.data.annotation_file import AnnotationError, AnnotationFile
from python_models.data.coco import check_joints, choose_category, keypoint_triples
from python_models.data.published import PublishedDataset, joint_person
from python_models.data.records import AREA_OF_BOX, PersonRecord
from python_models.data.regions import Region
from python_models.data.skeletons import POSETRACK_SKELETON
from python_models.progress import progress_bar

_JOINTS = POSETRACK_SKELETON.num_joints
# PoseTrack measures in 0.6 of the head box's diagonal, as MPII does (published evaluation).
_HEAD_SIZE = 0.6
_SECONDS_BEFORE_BAR = 2.0


class PoseTrack18(PublishedDataset):
    """PoseTrack18: the labelled frames of all videos, with the people's tracks.

    `path` is the folder with `annotations/train/`, `annotations/val/` and `images/`, or one of the folders of JSON
    files, or one file. `images` is the folder that the files' names, `images/val/...`, are relative to.

    Frames that are not labelled (`is_labeled`) are skipped. The files give visibility 1 to every labelled joint, seen
    or not; here it is 2. A person without a box gets that of the joints. `head_size` is 0.6 of the diagonal of
    `bbox_head`. `annotation_id` counts the people. `to_coco` has every labelled frame with its ignore regions, which
    are `ignored`: training on whole images does not count them.
    Pixels are counted as here.

    Source: Andriluka et al., PoseTrack: A Benchmark for Human Pose Estimation and Tracking, CVPR 2018.
    """

    skeleton = POSETRACK_SKELETON

    def __init__(self, path: str | Path, images: str | Path | None = None, *, split: str) -> None:
        videos = _videos(Path(path), split)
        root = Path(images) if images is not None else _root(Path(path))
        self._frames: list[dict[str, Any]] = []
        self.ignored: dict[int, list[Region]] = {}
        people: list[PersonRecord] = []
        seen: set[int] = set()
        with progress_bar(
            len(videos), "reading videos", unit="video", leave=False, delay=_SECONDS_BEFORE_BAR
        ) as bar:
            for video in videos:
                file = AnnotationFile(video)
                check_joints(file, choose_category(file), self.skeleton)
                frames = _labelled_frames(file, seen)
                self._frames.extend(dict(frame) for frame in frames.values() if frame is not None)
                self.ignored.update(_ignored(file, frames))
                people.extend(_people(file, frames, root, len(people)))
                bar.update()
        where = videos[0].parent if len(videos) > 1 else videos[0]
        self.keep(people, lambda entry, what: AnnotationError(f"{where}: {entry}: {what}"))

    def to_coco(self) -> dict[str, Any]:
        return {**super().to_coco(), "images": list(self._frames)}

    @classmethod
    def splits(cls, path: Path) -> tuple[str, ...]:
        if path.is_file() or any(path.glob("*.json")):
            return ("train",) if "train" in (path.stem, path.name, path.parent.name) else ("val",)
        return tuple(split for split in ("train", "val") if any(path.glob(f"annotations/{split}/*.json")))


def _videos(path: Path, split: str) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise AnnotationError(f"{path}: no such file or folder")
    videos = sorted(path.glob("*.json")) or sorted(path.glob(f"annotations/{split}/*.json"))
    if not videos:
        raise AnnotationError(f"{path}: holds no annotations/{split}/*.json")
    return videos


def _root(path: Path) -> Path:
    """The folder that holds `images/`: that of the set, above `annotations/train/video.json`."""
    above = [path, *path.parents][:4]
    found = [folder for folder in above if (folder / "images").is_dir()]
    if not found:
        raise AnnotationError(f"{path / 'images'}: no such folder of images")
    return found[0]


def _labelled_frames(file: AnnotationFile, seen: set[int]) -> dict[int, Mapping[str, Any] | None]:
    """Each frame of a file by its id, None where it is not labelled; `seen` collects the ids of all files."""
    frames: dict[int, Mapping[str, Any] | None] = {}
    for position, entry in enumerate(file.images):
        identity = file.identity(entry, f"images[{position}]", seen)
        file.field(entry, "file_name", f"images[{position}] (id {identity})")
        frames[identity] = entry if entry.get("is_labeled", True) else None
        seen.add(identity)
    return frames


def _ignored(file: AnnotationFile, frames: Mapping[int, Mapping[str, Any] | None]) -> dict[int, list[Region]]:
    """The ignore regions of labelled frames by their ids; a single outline may stand without the list around it."""
    found = {}
    for identity, frame in frames.items():
        where = f"images (id {identity})"
        across, down = (_rings(file, frame or {}, f"ignore_regions_{axis}", where) for axis in "xy")
        if [len(x) for x in across] != [len(y) for y in down]:
            raise file.fault(where, "ignore_regions_x and ignore_regions_y differ in length")
        outlines = [np.stack(ring, axis=1) for ring in zip(across, down, strict=True) if len(ring[0]) > 2]
        if outlines:
            found[identity] = [Region.around(outline) for outline in outlines]
    return found


def _rings(file: AnnotationFile, frame: Mapping[str, Any], key: str, where: str) -> list[np.ndarray]:
    rings = frame.get(key) or []
    if not isinstance(rings, list):
        raise file.fault(where, f"field {key!r}: expected a list, got {rings!r}")
    if rings and not isinstance(rings[0], list):
        rings = [rings]
    return [file.numbers({key: ring}, key, len(ring), where) for ring in rings]


def _people(
    file: AnnotationFile, frames: Mapping[int, Mapping[str, Any] | None], root: Path, before: int
) -> Iterator[PersonRecord]:
    for position, entry in enumerate(file.annotations):
        where = f"annotations[{position}]"
        frame = frames[file.reference(entry, "image_id", frames, where)]
        if frame is not None:
            before += 1
            yield _person(file, entry, where, root / str(frame["file_name"]), before)


def _person(
    file: AnnotationFile, entry: Mapping[str, Any], where: str, image: Path, number: int
) -> PersonRecord:
    triples = (
        keypoint_triples(file, entry, _JOINTS, where) if entry.get("keypoints") else np.zeros((_JOINTS, 3))
    )
    visibility = np.where(triples[:, 2] > 0, 2.0, 0.0)
    person = joint_person(image, entry["image_id"], number, triples[:, :2], visibility)
    if entry.get("bbox"):
        person.box_xywh = file.numbers(entry, "bbox", 4, where)
        person.area = AREA_OF_BOX * float(person.box_xywh[2] * person.box_xywh[3])
    if entry.get("bbox_head"):
        width, height = file.numbers(entry, "bbox_head", 4, where)[2:]
        person.head_size = _HEAD_SIZE * math.hypot(width, height)
    track = file.optional_number(entry, "track_id", where)
    person.track_id = None if track is None else int(track)
    return person
