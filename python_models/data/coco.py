"""People from a COCO keypoint file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from python_models.data.annotation_file import AnnotationFile, find_annotations
from python_models.data.photos import PhotoDataset, missing_images
from python_models.data.records import AREA_OF_BOX, PersonRecord, Skeleton
from python_models.data.regions import Region


class CocoKeypoints(PhotoDataset):
    """Labelled people of a COCO keypoint file, one record per person.

    People without a labelled joint, crowd regions (`iscrowd`) and boxes without extent are left out, as in
    the published training codes; `left_out` counts them by reason. The file's `num_keypoints` is not used.
    A missing `area` becomes 0.53 of the box; `head_size` is taken where present. The masks (or boxes) of crowds and
    of people without a labelled joint are `ignored`: whoever looks at whole images does not count them.

    Args:
        path: annotation JSON, or a folder as `find_annotations` describes.
        images: folder that `file_name` is relative to; by default the folder of the JSON file.
        split: which of a folder's splits, such as "train" or "val".
        category: name of the category, needed only if several have keypoints.
        skeleton: the joints that the category must have, whose limbs and sigmas are then used in place of those
            of the file.

    Raises: AnnotationError with one sentence naming file, entry and field: a missing or malformed field,
        a wrong number of keypoint values, an unknown image id, a repeated id, an image file not there.
    """

    def __init__(
        self,
        path: str | Path,
        images: str | Path | None = None,
        *,
        split: str | None = None,
        category: str | None = None,
        skeleton: Skeleton | None = None,
    ) -> None:
        file = AnnotationFile(find_annotations(path, split))
        self.annotation_file = file.path
        self.left_out: Counter[str] = Counter()
        self.ignored: dict[int, list[Region]] = {}
        chosen = choose_category(file, category)
        if skeleton is not None:
            check_joints(file, chosen, skeleton)
        self.skeleton = skeleton or _skeleton(file, chosen)
        paths = _image_paths(file, Path(images) if images is not None else file.path.parent)
        self.records = self._people(file, chosen["id"], paths)
        missing = missing_images(self.records)
        if missing:
            raise file.fault("images", f"field 'file_name': {missing}")

    def to_coco(self) -> dict[str, Any]:
        """Return the content of the file itself, so that crowds and unlabelled people count as in COCO."""
        return AnnotationFile(self.annotation_file).content

    def _people(self, file: AnnotationFile, category: int, paths: Mapping[int, Path]) -> list[PersonRecord]:
        records: list[PersonRecord] = []
        seen: set[int] = set()
        for position, entry in enumerate(file.annotations):
            identity = file.identity(entry, f"annotations[{position}]", seen)
            seen.add(identity)
            where = f"annotations[{position}] (id {identity})"
            if file.field(entry, "category_id", where) != category:
                self.left_out["other category"] += 1
                continue
            record = _person(file, entry, where, self.skeleton.num_joints, paths)
            reason = _reason_to_leave_out(entry, record)
            if reason is None:
                records.append(record)
            else:
                self.left_out[reason] += 1
                self.ignored.setdefault(record.image_id, []).append(Region.of(entry))
        if not records:
            counts = ", ".join(f"{count} {reason}" for reason, count in self.left_out.items())
            raise file.fault(
                "annotations", f"no labelled person among them ({counts or 'the list is empty'})"
            )
        return records


def choose_category(file: AnnotationFile, name: str | None = None) -> Mapping[str, Any]:
    """Return the category that has keypoints, or of several the one called `name`."""
    found = [entry for entry in file.categories if isinstance(entry, Mapping) and entry.get("keypoints")]
    if name is not None:
        found = [entry for entry in found if entry.get("name") == name]
    if not found:
        wanted = "" if name is None else f" named {name!r}"
        raise file.fault("categories", f"no category{wanted} has a field 'keypoints'")
    if len(found) > 1:
        names = ", ".join(repr(entry.get("name")) for entry in found)
        raise file.fault("categories", f"several have keypoints, choose one by its name: {names}")
    file.field(found[0], "id", "categories")
    return found[0]


def check_joints(file: AnnotationFile, category: Mapping[str, Any], skeleton: Skeleton) -> None:
    """Raise where the joints of a category are not those of the skeleton, in its order."""
    if category["keypoints"] != list(skeleton.joint_names):
        wanted = ", ".join(skeleton.joint_names)
        what = f"expected the joints {wanted}, got {category['keypoints']!r}"
        raise file.fault(f"categories (id {category['id']})", f"field 'keypoints': {what}")


def _skeleton(file: AnnotationFile, category: Mapping[str, Any]) -> Skeleton:
    names, links = category["keypoints"], category.get("skeleton") or []
    where = f"categories (id {category['id']})"
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise file.fault(where, f"field 'keypoints': expected a list of joint names, got {names!r}")
    for link in links:
        is_pair = isinstance(link, list) and len(link) == 2
        if not (is_pair and all(isinstance(joint, int) and 1 <= joint <= len(names) for joint in link)):
            raise file.fault(where, f"field 'skeleton': expected pairs from 1 to {len(names)}, got {link!r}")
    return Skeleton.from_names(str(category.get("name", "object")), names, links)


def _image_paths(file: AnnotationFile, folder: Path) -> dict[int, Path]:
    paths: dict[int, Path] = {}
    for position, entry in enumerate(file.images):
        identity = file.identity(entry, f"images[{position}]", paths)
        name = file.field(entry, "file_name", f"images[{position}] (id {identity})")
        paths[identity] = folder / str(name)
    return paths


def _person(
    file: AnnotationFile, entry: Mapping[str, Any], where: str, num_joints: int, paths: Mapping[int, Path]
) -> PersonRecord:
    image_id = file.reference(entry, "image_id", paths, where)
    triples = keypoint_triples(file, entry, num_joints, where)
    box = file.numbers(entry, "bbox", 4, where)
    area = file.optional_number(entry, "area", where)
    return PersonRecord(
        image=str(paths[image_id]),
        image_id=image_id,
        annotation_id=entry["id"],
        box_xywh=box,
        keypoints=triples[:, :2].copy(),
        visibility=triples[:, 2].copy(),
        area=area if area is not None else AREA_OF_BOX * float(box[2] * box[3]),
        head_size=file.optional_number(entry, "head_size", where),
    )


def keypoint_triples(
    file: AnnotationFile, entry: Mapping[str, Any], num_joints: int, where: str
) -> np.ndarray:
    """Return the field `keypoints` as (K, 3): x, y and 0, 1 or 2."""
    reason = f" (3 for each of {num_joints} joints)"
    triples = file.numbers(entry, "keypoints", 3 * num_joints, where, reason).reshape(num_joints, 3)
    if not np.isin(triples[:, 2], (0, 1, 2)).all():
        raise file.fault(where, "field 'keypoints': every third value (visibility) must be 0, 1 or 2")
    return triples


def _reason_to_leave_out(entry: Mapping[str, Any], record: PersonRecord) -> str | None:
    if entry.get("iscrowd", 0):
        return "crowd region"
    if not (record.visibility > 0).any():
        return "without a labelled joint"
    if (record.box_xywh[2:] <= 0).any():
        return "with an empty box"
    return None
