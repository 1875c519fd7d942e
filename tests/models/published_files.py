"""Miniature data sets in the layout of the published files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

Array = NDArray[np.float64]


def write_images(paths: Iterable[Path], size: tuple[int, int] = (60, 50)) -> None:
    """The same small noise image at each path, (height, width)."""
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    _, encoded = cv2.imencode(".png", pixels)
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded.tobytes())  # OpenCV looks at the content, not at the suffix


def write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def sports_joints(count: int, seed: int = 0) -> Array:
    """Joints and flags of `count` people, (count, 14, 3), MATLAB's pixels."""
    rng = np.random.default_rng(seed)
    places = rng.uniform((5, 5), (45, 55), (count, 14, 2))
    return np.concatenate([places, rng.integers(0, 2, (count, 14, 1))], axis=2)


def write_lsp(folder: Path, joints: Array) -> Path:
    """(N, 14, 3) in the layout of LSP: (3, 14, N), names of four digits."""
    write_images(folder / "images" / f"im{index + 1:04d}.jpg" for index in range(len(joints)))
    savemat(folder / "joints.mat", {"joints": joints.transpose(2, 1, 0)})
    return folder


def write_lspet(folder: Path, joints: Array) -> Path:
    """(N, 14, 3) in the layout of LSP-extended: (14, 3, N), names of five digits."""
    write_images(folder / "images" / f"im{index + 1:05d}.jpg" for index in range(len(joints)))
    savemat(folder / "joints.mat", {"joints": joints.transpose(1, 2, 0)}, do_compression=True)
    return folder


def mpii_point(joint: int, x: float, y: float, visible: Any = 1) -> dict[str, Any]:
    """One point of annopoints; `visible` as the release has it: a number, text, or [] for none."""
    return {"x": float(x), "y": float(y), "id": joint, "is_visible": visible}


def mpii_rect(points: list[dict[str, Any]] | None, **fields: Any) -> dict[str, Any]:
    """One person; without points `annopoints` is empty, as in images with people nobody labelled."""
    rect = {"x1": 10.0, "y1": 10.0, "x2": 13.0, "y2": 14.0, "scale": 0.2, "objpos": {"x": 25.0, "y": 30.0}}
    return {**rect, "annopoints": [] if points is None else {"point": structs(points)}, **fields}


def structs(entries: list[dict[str, Any]]) -> Any:
    """A MATLAB struct array (1, N) of entries with the same fields."""
    if not entries:
        return np.zeros((0, 0))
    array = np.empty((1, len(entries)), dtype=[(name, object) for name in entries[0]])
    for index, entry in enumerate(entries):
        array[0, index] = tuple(entry.values())
    return array


def write_mpii_release(folder: Path, images: list[tuple[str, int, list[dict[str, Any]]]]) -> Path:
    """Images as (name, img_train, people) in the nested structs of the release, compressed as it is."""
    annolist = [
        {"image": {"name": name}, "annorect": structs(people), "frame_sec": [], "vididx": []}
        for name, _, people in images
    ]
    release = {
        "annolist": structs(annolist),
        "img_train": np.array([[flag for _, flag, _ in images]], np.uint8),
        "version": "12",
        "single_person": np.array([[np.array([[1]])] for _ in images], dtype=object),
    }
    write_images(folder / "images" / name for name, _, _ in images)
    savemat(folder / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": release}, do_compression=True)
    return folder


def mpii_entry(image: str, places: Array, labelled: Array, **fields: Any) -> dict[str, Any]:
    """One person of train.json or valid.json; joints that are not labelled are at (-1, -1) there."""
    joints = np.where(labelled[:, None] > 0, places, -1.0)
    values = {"joints": joints.tolist(), "joints_vis": labelled.tolist(), "image": image}
    return {**values, "center": [25.0, 30.0], "scale": 0.2, **fields}


def coco_person(identity: int, image_id: int, joints: int, seed: int = 0, **fields: Any) -> dict[str, Any]:
    """A person of a COCO file with all joints labelled, box (5, 5, 40, 50)."""
    rng = np.random.default_rng(seed)
    places = np.concatenate([rng.uniform(5, 45, (joints, 2)).round(2), np.full((joints, 1), 2)], axis=1)
    entry = {"id": identity, "image_id": image_id, "category_id": 1, "bbox": [5, 5, 40, 50], "iscrowd": 0}
    return {**entry, "keypoints": places.ravel().tolist(), **fields}


def coco_content(
    images: list[dict[str, Any]], people: list[dict[str, Any]], joints: Iterable[str], links: Any = ()
) -> dict[str, Any]:
    category = {"id": 1, "name": "person", "supercategory": "person"}
    category = {**category, "keypoints": list(joints), "skeleton": list(links)}
    return {"images": images, "annotations": people, "categories": [category]}


def flic_example(filepath: str, seed: int, **fields: Any) -> dict[str, Any]:
    """One example; only the annotated 11 of the 29 joints have a place."""
    coords = np.full((2, 29), np.nan)
    annotated = [0, 1, 2, 3, 4, 5, 6, 9, 12, 13, 16]
    coords[:, annotated] = np.random.default_rng(seed).uniform(5, 45, (2, 11)).round(1)
    extras = {
        "poselet_hit_idx": np.array([[1.0, 4.0]]),
        "moviename": "film",
        "imgdims": np.array([[60.0, 50.0, 3.0]]),
    }
    example = {"coords": coords, "filepath": filepath, "torsobox": np.array([[10.0, 12.0, 40.0, 58.0]])}
    return {**extras, **example, "moviename": "film", "currframe": 7.0, "istrain": 1, "istest": 0, **fields}


def write_flic(folder: Path, examples: list[dict[str, Any]]) -> Path:
    write_images(folder / "images" / example["filepath"] for example in examples)
    savemat(folder / "examples.mat", {"examples": structs(examples)}, do_compression=True)
    return folder


def aic_entry(image: str, people: dict[str, tuple[list[float], Array]]) -> dict[str, Any]:
    """One image; people by name, each a box from corners and joints (14, 3): x, y and 1, 2 or 3."""
    boxes = {name: box for name, (box, _) in people.items()}
    joints = {name: values.ravel().tolist() for name, (_, values) in people.items()}
    entry = {"url": "http://example.org/1.jpg", "image_id": image}
    return {**entry, "human_annotations": boxes, "keypoint_annotations": joints}
