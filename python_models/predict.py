"""Running a model on images and videos: joints as JSON in COCO results form, and annotated copies."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from python_models.boxes import AUTO, WHOLE, Box, ImageTask, find_tasks
from python_models.data import ImageReadError, read_image
from python_models.detector import Detector
from python_models.drawings import Drawings
from python_models.errors import UserError
from python_models.estimator import PoseEstimator, Refine
from python_models.evaluate import coco_result
from python_models.files import save_json
from python_models.model_card import load_model
from python_models.progress import progress_bar
from python_models.refinement import build_estimator
from python_models.runtime import Accelerator, Precision, start_fabric
from python_models.video import VideoReader, is_video

Image = NDArray[np.uint8]
_READERS = 4
_IMAGES_AHEAD = 8
_IMAGES_PER_BATCH = 16  # at most; people of several images share a run of the network


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
    detector: str | None = None,
    detector_weights: str | None = None,
    min_box_score: float | None = None,
    category_id: int = 1,
    min_joint_score: float = 0.2,
    draw: bool = True,
    refine: Refine = "auto",
    flip_test: bool = False,
    scales: tuple[float, ...] = (1.0,),
    batch_size: int = 32,
    accelerator: Accelerator = "auto",
    precision: Precision = "32-true",
) -> list[dict[str, Any]]:
    """Find the joints of people in images and videos; write predictions.json and an annotated copy of each.

    Args:
        weights: path or URL of a checkpoint.
        images: image and video files, or folders that are searched with their subfolders.
        boxes: where the people are: a JSON file (COCO annotations, COCO results, lists of [x, y, width, height] by
            file name, or for one image such a list; entries with "frame" are for that frame of a video); whole for
            one person that fills the image; auto for the annotations.json in a given folder, else whole.
        out: folder to write to.
        model: name in the zoo, for checkpoints that do not name their model.
        detector: find the people with this detector of torchvision, such as fasterrcnn_resnet50_fpn_v2, instead.
        detector_weights: path or URL of its checkpoint; by default torchvision's own.
        min_box_score: boxes with a lower score are left out; by default 0 for given boxes, 0.5 for a detector's.
        category_id: boxes of other categories are left out.
        min_joint_score: joints with a lower score are not drawn; all are written.
        draw: write annotated images and videos.
        refine: refinement of heat-map peaks; auto takes what belongs to the encoding trained with.
        flip_test: average with the mirrored image.
        scales: the box is looked at in each of these sizes, and the answers are averaged.
        batch_size: people per run of the network.
        accelerator: kind of device.
        precision: of the network's arithmetic.

    Returns:
        What predictions.json holds: one COCO result per person, with `file_name`, `bbox` and for videos `frame`.
    """
    if detector is not None and boxes not in (AUTO, WHOLE):
        raise UserError("detector: finds the boxes itself; leave --boxes out")
    tasks, origin = find_tasks(
        images, boxes if detector is None else WHOLE, category_id=category_id, min_score=min_box_score or 0.0
    )
    network, card = load_model(weights, model=model)
    fabric = start_fabric(accelerator, 1, precision)
    estimator = build_estimator(
        fabric.to_device(network),
        card,
        device=fabric.device,
        refine=refine,
        flip_test=flip_test,
        scales=scales,
    )
    finder = None
    if detector is not None:
        score = 0.5 if min_box_score is None else min_box_score
        finder = Detector(detector, detector_weights, device=fabric.device, min_score=score)
        origin = f"people by {detector}"
    folder, results, count, unreadable = Path(out), [], 0, 0
    drawings = Drawings(folder, card.skeleton, min_joint_score) if draw else nullcontext()
    started = time.perf_counter()
    total = sum(_expected_images(task) for task in tasks)
    bar = progress_bar(total, "images", unit="image")
    with bar, drawings, torch.no_grad(), fabric.autocast():
        for found in _estimate(tasks, estimator, batch_size, finder):
            bar.update()
            if isinstance(found, ImageReadError):
                unreadable += 1
                bar.write(f"{found}; skipped")
                continue
            count += 1
            results += _results_of(found, category_id)
            if isinstance(drawings, Drawings):
                drawings.add(found.task, found.image, found.boxes, found.keypoints, found.scores)
    speed = count / (time.perf_counter() - started)
    save_json(folder / "predictions.json", results)
    skipped = f", {unreadable} unreadable images skipped" if unreadable else ""
    print(
        f"{len(results)} people in {count} images ({origin}), {speed:.1f} images/s{skipped}; written: {folder}"
    )
    return results


def _expected_images(task: ImageTask) -> int:
    return VideoReader(task.path).expected_frames if is_video(task.path) else 1


def _estimate(
    tasks: Sequence[ImageTask], estimator: PoseEstimator, batch_size: int, finder: Detector | None
) -> Iterator[FoundPeople | ImageReadError]:
    """Poses image by image; people of several images share a batch of about `batch_size`."""
    waiting: list[tuple[ImageTask, Image]] = []
    for task, image in _read_ahead(tasks):
        if isinstance(image, ImageReadError):
            yield image
            continue
        waiting.append((task, image))
        people = sum(1 if task.boxes is None else len(task.boxes) for task, _ in waiting)
        if people >= batch_size or len(waiting) >= _IMAGES_PER_BATCH:
            yield from _estimate_batch(_with_boxes(waiting, finder), estimator, batch_size)
            waiting = []
    if waiting:
        yield from _estimate_batch(_with_boxes(waiting, finder), estimator, batch_size)


def _with_boxes(
    waiting: Sequence[tuple[ImageTask, Image]], finder: Detector | None
) -> list[tuple[ImageTask, Image, list[Box]]]:
    if finder is not None:
        found = finder([torch.from_numpy(image) for _, image in waiting])
        return [
            (replace(task, boxes=own), image, own) for (task, image), own in zip(waiting, found, strict=True)
        ]
    whole = ([(0.0, 0.0, float(image.shape[1]), float(image.shape[0]))] for _, image in waiting)
    return [
        (task, image, all_of_it if task.boxes is None else task.boxes)
        for (task, image), all_of_it in zip(waiting, whole, strict=True)
    ]


def _estimate_batch(
    waiting: Sequence[tuple[ImageTask, Image, list[Box]]], estimator: PoseEstimator, batch_size: int
) -> Iterator[FoundPeople]:
    images = [torch.from_numpy(image).to(estimator.device) for _, image, _ in waiting]
    counts = [len(boxes) for _, _, boxes in waiting]
    listed = [box for _, _, boxes in waiting for box in boxes]
    all_boxes = torch.tensor(listed, dtype=torch.float32).reshape(-1, 4)
    image_index = torch.arange(len(waiting)).repeat_interleave(torch.tensor(counts))
    chunks = (
        [
            estimator.from_images(images, *chunk)
            for chunk in zip(all_boxes.split(batch_size), image_index.split(batch_size), strict=True)
        ]
        if listed
        else [estimator.nobody()]
    )
    keypoints = torch.cat([poses.keypoints for poses in chunks]).cpu().split(counts)
    scores = torch.cat([poses.scores for poses in chunks]).cpu().split(counts)
    for (task, image, boxes), own_keypoints, own_scores in zip(waiting, keypoints, scores, strict=True):
        yield FoundPeople(task, image, boxes, own_keypoints.numpy(), own_scores.numpy())


def _read_ahead(tasks: Sequence[ImageTask]) -> Iterator[tuple[ImageTask, Image | ImageReadError]]:
    """Images in order, decoded by threads a few ahead; a video is decoded frame by frame by one of them."""
    with ThreadPoolExecutor(_READERS) as pool:
        rest = iter(tasks)
        ahead: deque[tuple[ImageTask, Future[Any]]] = deque()

        def fill() -> None:
            for task in islice(rest, _IMAGES_AHEAD - len(ahead)):
                ahead.append((task, pool.submit(_open_video if is_video(task.path) else _read, task)))

        fill()
        while ahead:
            task, image = ahead.popleft()
            fill()
            if is_video(task.path):
                yield from _frames(task, image.result(), pool)
            else:
                yield task, image.result()


def _open_video(task: ImageTask) -> Iterator[Image]:
    return iter(VideoReader(task.path))


def _frames(
    task: ImageTask, frames: Iterator[Image], pool: ThreadPoolExecutor
) -> Iterator[tuple[ImageTask, Image]]:
    """The next frame is decoded while the last one is looked at."""
    upcoming, number = pool.submit(next, frames, None), 0
    while (frame := upcoming.result()) is not None:
        upcoming = pool.submit(next, frames, None)
        yield task.at(number), frame
        number += 1


def _read(task: ImageTask) -> Image | ImageReadError:
    """Given boxes refer to the pixels as stored; without them a photo is turned upright."""
    try:
        return read_image(task.path, honour_exif=task.boxes is None)
    except ImageReadError as error:
        return error


def _results_of(found: FoundPeople, category_id: int) -> list[dict[str, Any]]:
    origin: dict[str, Any] = {"file_name": found.task.path.name}
    if found.task.frame is not None:
        origin["frame"] = found.task.frame
    return [
        coco_result(found.task.image_id, category_id, keypoints, scores) | origin | {"bbox": list(box)}
        for box, keypoints, scores in zip(found.boxes, found.keypoints, found.scores, strict=True)
    ]
