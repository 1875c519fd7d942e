"""People of a batch of images, as training loops have them: tensors per image, or in one piece with offsets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyposeops.metrics.coco_data import Integers, KeypointResults, KeypointTruths

_PREDS = {"keypoints": True, "scores": True, "areas": False, "labels": False}
_TARGET = {
    "keypoints": True,
    "areas": False,
    "boxes": False,
    "iscrowd": False,
    "num_keypoints": False,
    "ids": False,
    "labels": False,
}
_NAMES = {"labels": "category_ids", "iscrowd": "crowd"}


class ImagePeople(NamedTuple):
    """Whole images, each once."""

    image_ids: Integers
    truths: KeypointTruths
    results: KeypointResults
    crowd_index: dict[int, float]


def read_images(
    image_ids: Any, preds: Any, target: Any, *, joints: int, use_area: bool
) -> Iterator[ImagePeople]:
    """The images of a batch; those that come again in it follow by themselves, to be compared later.

    Raises:
        ValueError: a key that is missing or has another shape, or NaN, named with its argument.
    """
    images = as_array(image_ids).reshape(-1)
    if images.size and not np.issubdtype(images.dtype, np.integer):
        raise ValueError(f"image_ids: expected integers, got {images.dtype}")
    images = images.astype(np.int64)
    found, found_at = _in_one_piece(preds, _PREDS, len(images), "preds")
    true, true_at = _in_one_piece(target, _TARGET, len(images), "target")
    index = _crowd_index(target, len(images))
    for places in _rounds(images):
        rows = np.isin(found_at, places)
        results = _results({key: value[rows] for key, value in found.items()}, images[found_at[rows]], joints)
        rows = np.isin(true_at, places)
        people = {key: value[rows] for key, value in true.items()}
        truths = _truths(people, images[true_at[rows]], joints, use_area)
        crowd = {} if index is None else {int(images[i]): float(index[i]) for i in places}
        yield ImagePeople(images[places], truths, results, crowd)


def _rounds(images: Integers) -> Iterator[Integers]:
    """Places of images that differ from each other: of the first time each comes, of the second, and so on."""
    left = np.arange(len(images))
    while len(left):
        first = np.sort(np.unique(images[left], return_index=True)[1])
        yield left[first]
        left = np.delete(left, first)


def as_array(values: Any) -> NDArray[Any]:
    """Tensors of any device, arrays and lists."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.double() if values.is_floating_point() else values
    return np.asarray(values)


def _in_one_piece(
    people: Any, keys: Mapping[str, bool], images: int, name: str
) -> tuple[dict[str, NDArray[Any]], Integers]:
    """Arrays of all people, and the place of each one's image."""
    if isinstance(people, Mapping):
        offsets = as_array(_key(people, "offsets", name)).reshape(-1)
        if not np.issubdtype(offsets.dtype, np.integer):
            raise ValueError(f"{name}['offsets']: expected integers, got {offsets.dtype}")
        if len(offsets) != images + 1 or offsets[0] != 0 or (np.diff(offsets) < 0).any():
            raise ValueError(
                f"{name}['offsets']: expected {images + 1} numbers rising from 0, one for each image and their end, "
                f"got {offsets.tolist()[:8]}"
            )
        counts = np.diff(offsets)
        arrays = {key: as_array(people[key]) for key in keys if people.get(key) is not None}
    elif isinstance(people, Sequence) and len(people) == images:
        for index, image in enumerate(people):
            if not isinstance(image, Mapping):
                raise ValueError(f"{name}[{index}]: expected a dictionary, got {type(image).__name__}")
        given = [key for key in keys if any(image.get(key) is not None for image in people)]
        arrays = {key: _concatenated([as_array(_key(p, key, f"{name}[{i}]")) for i, p in enumerate(people)])
                  for key in given}  # fmt: skip
        counts = np.array(
            [len(as_array(_key(p, "keypoints", f"{name}[{i}]"))) for i, p in enumerate(people)], np.int64
        )
    else:
        got = f"{len(people)}" if isinstance(people, Sequence) else type(people).__name__
        raise ValueError(
            f"{name}: expected a dictionary with offsets or a list of {images} dictionaries, got {got}"
        )
    for key, wanted in keys.items():
        if wanted and key not in arrays and images:
            raise ValueError(f"{name}: {key}: expected a value, got none")
    total = int(counts.sum())
    for key, array in arrays.items():
        if array.ndim == 0 or len(array) != total:
            got = "a number" if array.ndim == 0 else str(len(array))
            raise ValueError(f"{name}: {key}: expected {total} rows, one per person, got {got}")
    return arrays, np.repeat(np.arange(images), counts)


def _key(people: Mapping[str, Any], key: str, name: str) -> Any:
    if people.get(key) is None:
        raise ValueError(f"{name}: {key}: expected a value, got none")
    return people[key]


def _concatenated(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Arrays of people, of which those of nobody may have any shape."""
    filled = [part for part in parts if part.size]
    return np.concatenate(filled) if filled else np.zeros(0)


def _crowd_index(target: Any, images: int) -> NDArray[Any] | None:
    """One number per image, where there are any."""
    if isinstance(target, Mapping):
        given = target.get("crowd_index")
    else:
        values = [image.get("crowd_index") for image in target]
        given = None if all(value is None for value in values) else values
    if given is None:
        return None
    index = np.array([np.nan if value is None else float(value) for value in as_array(given).reshape(-1)])
    if len(index) != images:
        raise ValueError(f"target: crowd_index: expected {images} numbers, one per image, got {len(index)}")
    return index


def _results(people: dict[str, NDArray[Any]], image_ids: Integers, joints: int) -> KeypointResults:
    values = {_NAMES.get(key, key): value for key, value in people.items()}
    if len(image_ids) == 0:
        values = {"keypoints": np.zeros((0, joints, 2)), "scores": np.zeros(0)}
    _check_joints(values["keypoints"], joints, "preds")
    try:
        return KeypointResults(image_ids, **values)
    except ValueError as error:
        raise ValueError(f"preds: {error}") from error


def _truths(
    people: dict[str, NDArray[Any]], image_ids: Integers, joints: int, use_area: bool
) -> KeypointTruths:
    values: dict[str, Any] = {_NAMES.get(key, key): value for key, value in people.items()}
    if len(image_ids) == 0:
        values = {"keypoints": np.zeros((0, joints, 3)), "areas": np.zeros(0), "boxes": np.zeros((0, 4))}
    _check_joints(values["keypoints"], joints, "target")
    needed = "areas" if use_area else "boxes"
    if needed not in values:
        raise ValueError(f"target: {needed}: expected a value, got none")
    if not use_area:
        boxes = np.asarray(values["boxes"], np.float64).reshape(-1, 4)
        values["areas"] = boxes[:, 2] * boxes[:, 3] * 0.53
    try:
        return KeypointTruths(image_ids, **values)
    except ValueError as error:
        raise ValueError(f"target: {error}") from error


def _check_joints(keypoints: NDArray[Any], joints: int, name: str) -> None:
    if keypoints.ndim != 3 or keypoints.shape[1] != joints:
        raise ValueError(
            f"{name}: keypoints: expected (N, {joints}, 3), one joint per sigma, got {keypoints.shape}"
        )
