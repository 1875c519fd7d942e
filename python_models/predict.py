"""Running a model on image files: joints as JSON in COCO results form, and annotated copies of the images."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from python_models.boxes import AUTO, Box, ImageTask, find_tasks
from python_models.data import ImageReadError, Skeleton, read_image
from python_models.draw import draw_people, write_image
from python_models.estimator import PoseEstimator, Refine
from python_models.evaluate import coco_result
from python_models.files import save_json
from python_models.model_card import load_model
from python_models.progress import progress_bar
from python_models.runtime import Accelerator, Precision, start_fabric

Image = NDArray[np.uint8]
_READERS = 4
_IMAGES_AHEAD = 8
_SMALLEST_DRAWING = 480  # pixels of the longer side; smaller images are enlarged to show the joints


@dataclass(frozen=True)
class FoundPeople:
    """The people of one image."""

    task: ImageTask
    image: Image  # (H, W, 3) RGB
    boxes: list[Box]
    keypoints: NDArray[np.float32]  # (N, K, 2) in image pixels
    scores: NDArray[np.float32]  # (N, K)


def predict(
    *,
    weights: str,
    images: list[str],
    boxes: str = AUTO,
    out: str = "predictions",
    model: str | None = None,
    min_box_score: float = 0.0,
    category_id: int = 1,
    min_joint_score: float = 0.2,
    draw: bool = True,
    refine: Refine = "auto",
    flip_test: bool = False,
    batch_size: int = 32,
    accelerator: Accelerator = "auto",
    precision: Precision = "32-true",
) -> list[dict[str, Any]]:
    """Find the joints of people in images; write predictions.json and an annotated copy of each image.

    Args:
        weights: path or URL of a checkpoint.
        images: image files, or folders that are searched with their subfolders.
        boxes: where the people are: a JSON file (COCO annotations, COCO results, lists of [x, y, width, height] by
            file name, or for one image such a list); whole for one person that fills the image; auto for the
            annotations.json in a given folder, else whole.
        out: folder to write to.
        model: name in the zoo, for checkpoints that do not name their model.
        min_box_score: boxes with a lower score are left out.
        category_id: boxes of other categories are left out.
        min_joint_score: joints with a lower score are not drawn; all are written.
        draw: write annotated images.
        refine: refinement of heat-map peaks; auto takes what belongs to the encoding trained with.
        flip_test: average with the mirrored image.
        batch_size: people per run of the network.
        accelerator: kind of device.
        precision: of the network's arithmetic.

    Returns:
        What predictions.json holds: one COCO result per person, with `file_name` and `bbox`.
    """
    tasks, origin = find_tasks(images, boxes, category_id=category_id, min_score=min_box_score)
    network, card = load_model(weights, model=model)
    fabric = start_fabric(accelerator, 1, precision)
    estimator = PoseEstimator(
        fabric.to_device(network), card, device=fabric.device, refine=refine, flip_test=flip_test
    )
    folder, results, unreadable = Path(out), [], 0
    with progress_bar(len(tasks), "images", unit="image") as bar, torch.no_grad(), fabric.autocast():
        for found in _estimate(tasks, estimator, batch_size):
            bar.update()
            if isinstance(found, ImageReadError):
                unreadable += 1
                bar.write(f"{found}; skipped")
                continue
            results += _results_of(found, category_id)
            if draw:
                _save_drawing(folder, found, card.skeleton, min_joint_score)
    save_json(folder / "predictions.json", results)
    skipped = f", {unreadable} unreadable images skipped" if unreadable else ""
    print(f"{len(results)} people in {len(tasks) - unreadable} images ({origin}){skipped}; written: {folder}")
    return results


def _estimate(
    tasks: Sequence[ImageTask], estimator: PoseEstimator, batch_size: int
) -> Iterator[FoundPeople | ImageReadError]:
    """Poses image by image; people of several images share a batch of about `batch_size`."""
    waiting: list[tuple[ImageTask, Image, list[Box]]] = []
    for task, image in _read_ahead(tasks):
        if isinstance(image, ImageReadError):
            yield image
            continue
        height, width = image.shape[:2]
        waiting.append((task, image, task.boxes or [(0.0, 0.0, float(width), float(height))]))
        if sum(len(boxes) for _, _, boxes in waiting) >= batch_size:
            yield from _estimate_batch(waiting, estimator, batch_size)
            waiting = []
    if waiting:
        yield from _estimate_batch(waiting, estimator, batch_size)


def _estimate_batch(
    waiting: Sequence[tuple[ImageTask, Image, list[Box]]], estimator: PoseEstimator, batch_size: int
) -> Iterator[FoundPeople]:
    images = [torch.from_numpy(image).to(estimator.device) for _, image, _ in waiting]
    counts = [len(boxes) for _, _, boxes in waiting]
    all_boxes = torch.tensor([box for _, _, boxes in waiting for box in boxes], dtype=torch.float32)
    image_index = torch.arange(len(waiting)).repeat_interleave(torch.tensor(counts))
    chunks = [
        estimator.from_images(images, *chunk)
        for chunk in zip(all_boxes.split(batch_size), image_index.split(batch_size), strict=True)
    ]
    keypoints = torch.cat([poses.keypoints for poses in chunks]).cpu().split(counts)
    scores = torch.cat([poses.scores for poses in chunks]).cpu().split(counts)
    for (task, image, boxes), own_keypoints, own_scores in zip(waiting, keypoints, scores, strict=True):
        yield FoundPeople(task, image, boxes, own_keypoints.numpy(), own_scores.numpy())


def _read_ahead(tasks: Sequence[ImageTask]) -> Iterator[tuple[ImageTask, Image | ImageReadError]]:
    """Images in order, decoded by threads a few ahead."""
    with ThreadPoolExecutor(_READERS) as pool:
        rest = iter(tasks)
        ahead = deque((task, pool.submit(_read, task)) for task in islice(rest, _IMAGES_AHEAD))
        while ahead:
            task, image = ahead.popleft()
            ahead.extend((task, pool.submit(_read, task)) for task in islice(rest, 1))
            yield task, image.result()


def _read(task: ImageTask) -> Image | ImageReadError:
    """Given boxes refer to the pixels as stored; without them a photo is turned upright."""
    try:
        return read_image(task.path, honour_exif=task.boxes is None)
    except ImageReadError as error:
        return error


def _results_of(found: FoundPeople, category_id: int) -> list[dict[str, Any]]:
    return [
        coco_result(found.task.image_id, category_id, keypoints, scores)
        | {"file_name": found.task.path.name, "bbox": list(box)}
        for box, keypoints, scores in zip(found.boxes, found.keypoints, found.scores, strict=True)
    ]


def _save_drawing(folder: Path, found: FoundPeople, skeleton: Skeleton, min_joint_score: float) -> None:
    people = np.concatenate([found.keypoints, found.scores[..., None]], axis=-1)
    zoom = max(1.0, _SMALLEST_DRAWING / max(found.image.shape[:2]))
    boxes = [] if found.task.boxes is None else [np.array(box) for box in found.boxes]
    drawing = draw_people(
        found.image, list(people), skeleton, boxes=boxes, min_score=min_joint_score, zoom=zoom
    )
    write_image(folder / f"{found.task.path.stem}_{found.task.image_id}.jpg", drawing)
