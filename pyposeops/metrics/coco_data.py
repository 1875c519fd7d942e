"""People with joints as arrays: what the evaluation reads, from COCO objects, lists of dictionaries, or arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyposeops import _core

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]


def _array(values: ArrayLike, name: str, dtype: type, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """A contiguous array of the shape, where None fits any size; NaN, infinity and parts of integers are refused."""
    if dtype is not np.float64:
        _check_whole(np.asarray(values), name, dtype)
    array: NDArray[Any] = np.ascontiguousarray(values, dtype=dtype)
    if array.size == 0 and shape[0] in (None, 0):
        array = array.reshape(tuple(size or 0 for size in shape))
    fits = array.ndim == len(shape) and all(
        want in (None, got) for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("N" if size is None else str(size) for size in shape)
        raise ValueError(f"{name}: expected ({wanted}), got {array.shape}")
    if dtype is np.float64 and not np.isfinite(array.sum()):
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            where = ", ".join(map(str, bad[0]))
            raise ValueError(f"{name}[{where}]: expected finite numbers, got {array[tuple(bad[0])]}")
    return array


def _check_whole(values: NDArray[Any], name: str, dtype: type) -> None:
    """ValueError for numbers that an integer of 64 bits cannot hold, and for NaN as a bool."""
    if not np.issubdtype(values.dtype, np.floating):
        return
    whole = np.isfinite(values)
    if dtype is np.int64:
        whole &= (np.abs(values) < 2.0**63) & (np.trunc(values) == values)
    if not whole.all():
        wanted = "integers" if dtype is np.int64 else "true or false"
        raise ValueError(f"{name}: expected {wanted}, got {values[~whole].flat[0]}")


@dataclass(frozen=True, eq=False)
class KeypointTruths:
    """Annotated people, one row each, in any order.

    Args:
        image_ids: (G,) integers.
        keypoints: (G, K, 3) as (x, y, visibility): x, y in pixels, visibility 0 not labelled, 1 hidden, 2 visible.
        areas: (G,) in square pixels: of the person's segment, or whatever the benchmark calls its area.
        boxes: (G, 4) as (x, y, width, height). Default: around the labelled joints. Read where no joint is labelled.
        crowd: (G,) bool: groups, which forgive any number of detections. Default: none.
        num_keypoints: (G,) integers: a person with 0 is not counted. Default: how many joints are labelled.
        ids: (G,) integers. Default: 1 to G.
        category_ids: (G,) integers. Default: 1.
        images: all images of the data set, also those without people. Default: those of ``image_ids``.
        crowd_index: image id -> how crowded it is, for CrowdPose's three splits.
    """

    image_ids: Integers
    keypoints: Floats
    areas: Floats
    boxes: Floats = None  # type: ignore[assignment]
    crowd: Bools = None  # type: ignore[assignment]
    num_keypoints: Integers = None  # type: ignore[assignment]
    ids: Integers = None  # type: ignore[assignment]
    category_ids: Integers = None  # type: ignore[assignment]
    images: Integers = None  # type: ignore[assignment]
    crowd_index: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        image_ids = _array(self.image_ids, "image_ids", np.int64, (None,))
        count = len(image_ids)
        keypoints = np.ascontiguousarray(self.keypoints, dtype=np.float64)
        joints = keypoints.shape[1] if keypoints.ndim == 3 else None
        keypoints = _array(keypoints, "keypoints", np.float64, (count, joints, 3))
        defaults: dict[str, Any] = {
            "image_ids": image_ids,
            "keypoints": keypoints,
            "areas": _array(self.areas, "areas", np.float64, (count,)),
            "boxes": _boxes_of(keypoints) if self.boxes is None else self.boxes,
            "crowd": np.zeros(count, bool) if self.crowd is None else self.crowd,
            "num_keypoints": (keypoints[:, :, 2] > 0).sum(1)
            if self.num_keypoints is None
            else self.num_keypoints,
            "ids": np.arange(1, count + 1) if self.ids is None else self.ids,
            "category_ids": np.ones(count, np.int64) if self.category_ids is None else self.category_ids,
            "images": np.unique(
                image_ids if self.images is None else _array(self.images, "images", np.int64, (None,))
            ),
        }
        defaults["boxes"] = _array(defaults["boxes"], "boxes", np.float64, (count, 4))
        defaults["crowd"] = _array(defaults["crowd"], "crowd", bool, (count,))
        for name in ("num_keypoints", "ids", "category_ids"):
            defaults[name] = _array(defaults[name], name, np.int64, (count,))
        for name, value in defaults.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True, eq=False)
class KeypointResults:
    """Found people, one row each. Rows of the same score keep their order.

    Args:
        image_ids: (D,) integers.
        keypoints: (D, K, 2) or (D, K, 3) as (x, y) in pixels; a third value is not read.
        scores: (D,), of the person.
        areas: (D,) in square pixels. Default: the extent of the joints.
        ids: (D,) integers. Default: 1 to D.
        category_ids: (D,) integers. Default: 1.
    """

    image_ids: Integers
    keypoints: Floats
    scores: Floats
    areas: Floats = None  # type: ignore[assignment]
    ids: Integers = None  # type: ignore[assignment]
    category_ids: Integers = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        image_ids = _array(self.image_ids, "image_ids", np.int64, (None,))
        count = len(image_ids)
        keypoints = np.ascontiguousarray(self.keypoints, dtype=np.float64)
        if keypoints.ndim != 3 or keypoints.shape[2] not in (2, 3):
            if keypoints.size:
                raise ValueError(f"keypoints: expected (N, K, 2) or (N, K, 3), got {keypoints.shape}")
            keypoints = keypoints.reshape(0, 0, 2)
        keypoints = _array(keypoints, "keypoints", np.float64, (count, *keypoints.shape[1:]))
        areas = (
            extents(keypoints) if self.areas is None else _array(self.areas, "areas", np.float64, (count,))
        )
        ids = np.arange(1, count + 1) if self.ids is None else self.ids
        categories = np.ones(count, np.int64) if self.category_ids is None else self.category_ids
        values: dict[str, Any] = {
            "image_ids": image_ids,
            "keypoints": keypoints,
            "scores": _array(self.scores, "scores", np.float64, (count,)),
            "areas": areas,
            "ids": _array(ids, "ids", np.int64, (count,)),
            "category_ids": _array(categories, "category_ids", np.int64, (count,)),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)


def extents(keypoints: Floats) -> Floats:
    """Area of the smallest box around all joints of each person; (N,)"""
    areas: Floats = _core.coco_extents(keypoints)
    return areas


def _boxes_of(keypoints: Floats) -> Floats:
    """Boxes around labelled joints, of no size at the origin where there are none."""
    if keypoints.size == 0:
        return np.zeros((len(keypoints), 4))
    labelled = (keypoints[:, :, 2] > 0)[:, :, None]
    low = np.where(labelled, keypoints[:, :, :2], np.inf).min(1)
    high = np.where(labelled, keypoints[:, :, :2], -np.inf).max(1)
    boxes = np.concatenate([low, high - low], axis=1)
    return np.where(np.isfinite(boxes), boxes, 0.0)


def read_truths(source: Any, joints: int, *, use_area: bool, strict: bool) -> KeypointTruths:
    """Annotations in any of the accepted forms. ``use_area=False``: 0.53 of the box in place of the area."""
    if isinstance(source, KeypointTruths):
        if source.keypoints.size and source.keypoints.shape[1] != joints:
            raise ValueError(
                f"annotations: expected {joints} joints, one per sigma, got {source.keypoints.shape[1]}"
            )
        return source
    dataset = getattr(source, "dataset", source)
    annotations, images = dataset, None
    if isinstance(dataset, Mapping):
        if "annotations" not in dataset:
            raise ValueError(
                "ground truth: expected the key 'annotations', got " + ", ".join(map(str, dataset))
            )
        annotations, images = dataset["annotations"], dataset.get("images")
    read = _core.coco_read_truths(annotations, joints)
    counted, has_area = read.pop("num_keypoints"), read.pop("has_area").astype(bool)
    labelled = (read["keypoints"][:, :, 2] > 0).sum(1)
    if strict and (counted < 0).any():
        raise ValueError(f"annotations[{np.argmax(counted < 0)}]: num_keypoints: expected a value, got none")
    read["num_keypoints"] = np.where(counted < 0, labelled, counted)
    if not use_area:
        read["areas"] = read["boxes"][:, 2] * read["boxes"][:, 3] * 0.53
    elif not has_area.all():
        raise ValueError(f"annotations[{np.argmin(has_area)}]: area: expected a value, got none")
    read["crowd"] = read["crowd"].astype(bool)
    crowd_index: dict[int, float] = {}
    if images is not None:
        read["images"] = [image["id"] for image in images]
        crowd_index = {image["id"]: float(image["crowdIndex"]) for image in images if "crowdIndex" in image}
    return KeypointTruths(**read, crowd_index=crowd_index)


def read_results(source: Any, joints: int, *, strict: bool) -> KeypointResults:
    """Detections in any of the accepted forms."""
    if isinstance(source, KeypointResults):
        if source.keypoints.size and source.keypoints.shape[1] != joints:
            raise ValueError(
                f"results: expected {joints} joints, one per sigma, got {source.keypoints.shape[1]}"
            )
        return source
    dataset = getattr(source, "dataset", None)
    entries = source if dataset is None else dataset.get("annotations", [])
    read = _core.coco_read_results(entries, joints)
    given, of_box = read.pop("areas"), read.pop("box_areas")
    areas: Any = None
    if strict and dataset is not None:  # as loadRes, or whoever made the object, left them
        areas = given
    elif strict and len(of_box) and not np.isnan(of_box[0]):
        areas = of_box
    if areas is not None and np.isnan(areas).any():
        name = "area" if dataset is not None else "bbox"
        raise ValueError(f"results[{np.argmax(np.isnan(areas))}]: {name}: expected a value, got none")
    if strict and dataset is None:
        read["ids"] = None
    return KeypointResults(**read, areas=areas)
