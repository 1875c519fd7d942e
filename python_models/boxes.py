"""Which people to look at in which images: files, folders, and boxes from JSON."""

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from python_models.data.annotation_file import ANNOTATION_FILE
from python_models.errors import UserError
from python_models.video import VIDEO_SUFFIXES, is_video

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_SUFFIXES = IMAGE_SUFFIXES + VIDEO_SUFFIXES
AUTO, WHOLE = "auto", "whole"
_FORMS = "expected COCO annotations, COCO results, boxes by file name, or for one image a list of boxes"

_FRAMES = 1_000_000  # a frame of video v is image 1,000,000 v + frame

Box = tuple[float, float, float, float, float]  # x, y, width, height in pixels, score


@dataclass(frozen=True)
class ImageTask:
    """One image or video file, or one frame of a video, and the boxes to look into; None: the whole image."""

    path: Path
    image_id: int
    boxes: list[Box] | None
    frame: int | None = None  # of a video, from 0
    name: str = ""  # in results
    frame_boxes: Mapping[int, list[Box]] = field(
        default_factory=dict
    )  # of a video whose frames have their own

    def at(self, frame: int) -> "ImageTask":
        """The task of one frame of this video."""
        boxes = self.frame_boxes.get(frame, []) if self.frame_boxes else self.boxes
        number = _FRAMES * self.image_id + frame
        return replace(self, image_id=number, boxes=boxes, frame=frame, frame_boxes={})


def find_tasks(
    images: Sequence[str],
    boxes: str = AUTO,
    *,
    category_id: int = 1,
    min_score: float = 0.0,
    out: Path | None = None,
) -> tuple[list[ImageTask], str]:
    """Find image files and their boxes; the second value says in words where the boxes come from.

    Args:
        images: Image and video files, or folders that are searched for them with their subfolders.
        boxes: A JSON file; "whole" for the whole image; "auto" takes for each folder among `images` the
            annotations.json in it and where there is none the whole image.
        category_id: Boxes of other categories are left out.
        min_score: Boxes with a lower score are left out.
        out: Folder that will be written to. Folders are not searched for what is in it.

    Raises:
        UserError: a path that is not there, a folder without images, a malformed JSON, an image that lies in `out`.
    """
    found = [_files(Path(name), out) for name in images]
    parts = [([file for files in found for file in files], boxes)]
    if boxes == AUTO:
        beside = [Path(name) / ANNOTATION_FILE for name in images]
        parts = [
            (files, str(path) if path.is_file() else WHOLE) for files, path in zip(found, beside, strict=True)
        ]
    tasks: list[ImageTask] = []
    first = 1
    for files, source in parts:
        numbered = list(enumerate(files, first))
        tasks += (
            _whole(numbered) if source == WHOLE else _in_boxes(numbered, Path(source), category_id, min_score)
        )
        first += len(files)
    origins = dict.fromkeys(
        "whole images" if source == WHOLE else f"boxes of {source}" for _, source in parts
    )
    return _with_distinct_ids(tasks), " and ".join(origins)


# An image file and what it is called in results: its path inside of the folder that was searched.
_Found = tuple[Path, str]


def _whole(files: Sequence[tuple[int, _Found]]) -> list[ImageTask]:
    return [ImageTask(path, _image_id(path, number), None, name=name) for number, (path, name) in files]


def _in_boxes(
    files: Sequence[tuple[int, _Found]], source: Path, category_id: int, min_score: float
) -> list[ImageTask]:
    """Tasks of the files that a JSON file has boxes for."""
    try:
        table = _BoxTable(_read_json(source), len(files), category_id, min_score)
        tasks = [replace(table.task(path, number), name=name) for number, (path, name) in files]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise UserError(f"boxes {source}: {_FORMS}; {type(error).__name__}: {error}") from error
    tasks = [task for task in tasks if task.boxes or task.frame_boxes]
    if not tasks:
        raise UserError(f"boxes {source}: none of its boxes belongs to one of the {len(files)} images")
    return tasks


def _with_distinct_ids(tasks: list[ImageTask]) -> list[ImageTask]:
    """The tasks, numbered from 1 where two files would share an id (a/1.jpg and b/1.jpg, 2.jpg and a second file)."""
    if len({task.image_id for task in tasks}) == len(tasks):
        return tasks
    return [replace(task, image_id=number) for number, task in enumerate(tasks, 1)]


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except OSError as error:
        raise UserError(f"boxes {file}: no such file") from error
    except ValueError as error:
        raise UserError(f"boxes {file}: not valid JSON ({error})") from error


def _files(path: Path, out: Path | None) -> list[_Found]:
    """The image files that a name stands for, less those in a folder `out` inside of it."""
    if not path.exists():
        raise UserError(f"{path}: no such image or video file or folder")
    files, own = [path], None if out is None else out.resolve()
    if path.is_dir():
        inside = own is not None and own != path.resolve() and own.is_relative_to(path.resolve())
        files = sorted(
            file
            for file in path.rglob("*")
            if file.suffix.lower() in _SUFFIXES and not (inside and file.resolve().is_relative_to(own))
        )
    if not files:
        raise UserError(f"{path}: holds no image or video ({', '.join(_SUFFIXES)})")
    for file in files:
        if file.resolve().parent == own:
            raise UserError(f"out {out}: {file.name}, which is to be read, lies there; choose another folder")
    return [(file, file.relative_to(path).as_posix() if file != path else path.name) for file in files]


def _image_id(path: Path, index: int) -> int:
    """COCO's files are named by their id; others, and videos, are numbered."""
    return index if is_video(path) else int(path.stem) if path.stem.isdecimal() else index


class _BoxTable:
    """Boxes by file name and by image id.

    COCO annotations name their images; COCO results do by id, the number that the file is named by, or by
    "file_name"; {"file name": boxes} does; a plain list of boxes is for one image. Entries with a "frame" are for
    that frame of a video; others of the same video for all of its frames.
    """

    def __init__(self, content: Any, image_count: int, category_id: int, min_score: float) -> None:
        self.by_name: dict[str, list[Box]] = defaultdict(list)
        self.by_id: dict[int, list[Box]] = defaultdict(list)
        self.by_frame: dict[str, dict[int, list[Box]]] = defaultdict(lambda: defaultdict(list))
        self.ids: dict[str, int] = {}
        self.for_all: list[Box] = []
        if isinstance(content, Mapping) and "annotations" not in content:
            for name, boxes in content.items():
                self.by_name[name] += map(_checked, boxes)
        elif isinstance(content, Mapping) or (content and isinstance(content[0], Mapping)):
            self._add_entries(content, category_id, min_score)
        elif image_count == 1 or content == []:
            self.for_all += map(_checked, content)
        else:
            raise ValueError(f"a plain list of boxes goes with one image, got {image_count}")

    def _add_entries(self, content: Any, category_id: int, min_score: float) -> None:
        names, entries = {}, content
        if isinstance(content, Mapping):
            names, entries = (
                {image["id"]: image["file_name"] for image in content["images"]},
                content["annotations"],
            )
        self.ids = {name: number for number, name in names.items()}
        for entry in entries:
            if entry.get("category_id", category_id) != category_id or entry.get("score", 1.0) < min_score:
                continue
            if entry.get("iscrowd", 0):
                continue
            name = entry["file_name"] if "file_name" in entry else names.get(entry["image_id"])
            if name is not None and entry.get("frame") is not None:
                self.by_frame[name][int(entry["frame"])].append(_checked_entry(entry))
                continue
            (self.by_id[entry["image_id"]] if name is None else self.by_name[name]).append(
                _checked_entry(entry)
            )

    def task(self, path: Path, index: int) -> ImageTask:
        """The boxes of one image file, by the longest ending of its path that has any."""
        number = _image_id(path, index)
        for start in range(len(path.parts)):
            name = "/".join(path.parts[start:])
            if is_video(path) and name in self.by_frame:
                return ImageTask(path, number, None, frame_boxes=self.by_frame[name])
            if name in self.by_name:
                return ImageTask(path, self.ids.get(name, number), self.by_name[name])
        named_by_id = self.by_id.get(number, []) if path.stem.isdecimal() else []
        return ImageTask(path, number, named_by_id or self.for_all)


def _checked_entry(entry: Mapping[str, Any]) -> Box:
    return _checked(entry["bbox"], entry.get("score", 1.0))


def _checked(box: Any, score: float = 1.0) -> Box:
    x, y, width, height = map(float, box)
    if not all(map(math.isfinite, (x, y, width, height))) or width <= 0 or height <= 0:
        raise ValueError(f"box {box} has no extent")
    if not math.isfinite(score) or score < 0:
        raise ValueError(f"score of box {box}: expected a number from 0, got {score}")
    return x, y, width, height, float(score)


def scored_boxes(boxes: Sequence[Box]) -> Tensor:
    """As finders take them, (N, 5) float32."""
    return torch.tensor(boxes, dtype=torch.float32).reshape(-1, 5)


def boxes_by_image(file: Path, *, category_id: int = 1) -> dict[int, Tensor]:
    """The boxes (N, 5) of COCO annotations or results by the id of their image, those of the category.

    Raises: UserError for a file that is not there, is no JSON, or holds something else.
    """
    content = _read_json(file)
    found: dict[int, list[Box]] = defaultdict(list)
    try:
        entries = content["annotations"] if isinstance(content, Mapping) else content
        for entry in entries:
            if entry.get("category_id", category_id) == category_id and not entry.get("iscrowd", 0):
                found[int(entry["image_id"])].append(_checked_entry(entry))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"boxes {file}: expected COCO annotations or COCO results; {type(error).__name__}: {error}"
        ) from error
    return {image_id: scored_boxes(boxes) for image_id, boxes in found.items()}
