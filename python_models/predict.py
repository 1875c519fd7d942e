"""Running a model on images and videos: joints as JSON in COCO results form, and annotated copies."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from python_models.bottom_up import Resize
from python_models.boxes import AUTO, WHOLE, ImageTask, find_tasks, scored_boxes
from python_models.data import ImageReadError, read_image
from python_models.detector import Detector
from python_models.drawings import Drawings
from python_models.errors import UserError, require_positive
from python_models.estimator import Refine
from python_models.evaluate import coco_result
from python_models.files import check_output_folder, save_json
from python_models.methods import FinderSettings, MethodName, method_for, with_parts
from python_models.model_card import load_model
from python_models.outputs import certain_score
from python_models.people import Finder, People
from python_models.progress import progress_bar
from python_models.runtime import Accelerator, Precision, start_fabric
from python_models.video import VideoReader, is_video

Image = NDArray[np.uint8]
Colouring = Literal["auto", "side", "person"]
_READERS = 4
_IMAGES_AHEAD = 8
_IMAGES_PER_BATCH = 16  # at most; people of several images share a run of the network


@dataclass(frozen=True)
class FoundPeople:
    """The people of one image."""

    task: ImageTask
    image: Image  # (H, W, 3) RGB
    people: People


def predict(
    *,
    weights: str,
    images: list[str],
    boxes: str = AUTO,
    out: str = "predictions",
    method: MethodName = "auto",
    pairwise: str | None = None,
    exact_s: float | None = None,
    model: str | None = None,
    detector: str | None = None,
    detector_weights: str | None = None,
    hand: str | None = None,
    face: str | None = None,
    part_padding: float = 1.0,
    min_box_score: float | None = None,
    category_id: int = 1,
    min_joint_score: float | None = None,
    draw: bool = True,
    colours: Colouring = "auto",
    resize: Resize = "inside",
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
        method: how people are found: topdown, one in each box; alphapose, the same, and whoever was found twice is
            merged; crowdpose, at most one in each box, joints matched between boxes that overlap; openpose, ae,
            centernet, personlab, pifpaf or deepcut, all people of an image at once, by the networks made for that;
            auto takes what the model was made for.
        pairwise: for deepcut, the file that the command pairwise wrote.
        exact_s: for deepcut, solve every image exactly, in at most so many seconds; by default by a heuristic.
        model: name in the zoo, for checkpoints that do not name their model.
        detector: find the people with this detector of torchvision, such as fasterrcnn_resnet50_fpn_v2, instead.
        detector_weights: path or URL of its checkpoint; by default torchvision's own.
        hand: look at everybody's hands too, with this checkpoint of openpose_hand or of a network that was trained.
        face: look at everybody's face too, with this checkpoint of openpose_face or of a network that was trained.
        part_padding: what these see is so many times as large as the hand or face; 1.25 for those that were trained
            here.
        min_box_score: boxes with a lower score are left out; by default 0 for given boxes, 0.5 for a detector's.
        category_id: boxes of other categories are left out.
        min_joint_score: joints with a lower score are not drawn, limbs below twice that are faint; all are written.
            By default 0.2, and less where scores are maxima of a softmax (integral, simcc).
        draw: write annotated images and videos.
        colours: of what is drawn: side, warm for left and cold for right; person, one for each; auto takes side for
            topdown, else person.
        resize: how networks of whole images see them: inside, fitted into the network's input size; height or
            short_side, so that this is the input's height, as OpenPose and HigherHRNet were published.
        refine: refinement of heat-map peaks; auto takes what belongs to the encoding trained with.
        flip_test: average with the mirrored image.
        scales: the box, or the image, is looked at in each of these sizes, and the answers are averaged.
        batch_size: people per run of the network; of whole images, at most so many and 16.
        accelerator: kind of device.
        precision: of the network's arithmetic.

    Returns:
        What predictions.json holds: one COCO result per person, with `file_name`, `bbox` and for videos `frame`.
    """
    require_positive(batch_size=batch_size, part_padding=part_padding)
    folder = check_output_folder("out", out)
    network, card = load_model(weights, model=model)
    way = method_for(method, card.model)
    if not way.needs_boxes and (detector is not None or boxes not in (AUTO, WHOLE)):
        raise UserError("boxes, detector: this method finds people in whole images; leave them out")
    if detector is not None and boxes not in (AUTO, WHOLE):
        raise UserError("detector: finds the boxes itself; leave --boxes out")
    needs_boxes = way.needs_boxes and detector is None
    tasks, origin = find_tasks(
        images,
        boxes if needs_boxes else WHOLE,
        category_id=category_id,
        min_score=min_box_score or 0.0,
        out=folder,
    )
    fabric = start_fabric(accelerator, 1, precision)
    settings = FinderSettings(fabric.device, refine, flip_test, scales, resize, batch_size, pairwise, exact_s)
    finder, skeleton = way.finder(fabric.to_device(network), card, settings), card.skeleton
    if hand is not None or face is not None:
        finder = with_parts(finder, skeleton, fabric, hand=hand, face=face, padding=part_padding)
        skeleton = finder.skeleton
    boxes_of = None
    if detector is not None:
        score = 0.5 if min_box_score is None else min_box_score
        boxes_of = Detector(detector, detector_weights, device=fabric.device, min_score=score)
        origin = f"people by {detector}"
    certain = certain_score(card)
    results, count, unreadable = [], 0, 0
    by_person = colours == "person" or (colours == "auto" and not way.needs_boxes)
    drawn_from = certain if min_joint_score is None else min_joint_score
    drawings = Drawings(folder, skeleton, drawn_from, by_person=by_person) if draw else nullcontext()
    started = time.perf_counter()
    total = sum(_expected_images(task) for task in tasks)
    bar = progress_bar(total, "images", unit="image")
    with bar, drawings, torch.no_grad(), fabric.autocast():
        for found in _estimate(tasks, finder, batch_size, boxes_of):
            bar.update()
            if isinstance(found, ImageReadError):
                unreadable += 1
                bar.write(f"{found}; skipped")
                continue
            count += 1
            results += _results_of(found, category_id)
            if isinstance(drawings, Drawings):
                drawings.add(found.task, found.image, found.people)
    if unreadable and not count:
        raise UserError(f"images: none of {unreadable} can be read")
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
    tasks: Sequence[ImageTask], finder: Finder, batch_size: int, detector: Detector | None
) -> Iterator[FoundPeople | ImageReadError]:
    """People image by image; several images share a run, about `batch_size` people where boxes tell how many."""
    waiting: list[tuple[ImageTask, Image]] = []
    for task, image in _read_ahead(tasks):
        if isinstance(image, ImageReadError):
            yield image
            continue
        waiting.append((task, image))
        people = sum(1 if task.boxes is None else len(task.boxes) for task, _ in waiting)
        if people >= batch_size or len(waiting) >= _IMAGES_PER_BATCH:
            yield from _estimate_batch(waiting, finder, detector)
            waiting = []
    if waiting:
        yield from _estimate_batch(waiting, finder, detector)


def _estimate_batch(
    waiting: Sequence[tuple[ImageTask, Image]], finder: Finder, detector: Detector | None
) -> Iterator[FoundPeople]:
    images = [torch.from_numpy(image) for _, image in waiting]
    tasks = [task for task, _ in waiting]
    if detector is not None:
        tasks = [replace(task, boxes=own) for task, own in zip(tasks, detector(images), strict=True)]
    found = finder(images, [None if task.boxes is None else scored_boxes(task.boxes) for task in tasks])
    for task, (_, image), people in zip(tasks, waiting, found, strict=True):
        yield FoundPeople(task, image, people)


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
) -> Iterator[tuple[ImageTask, Image | ImageReadError]]:
    """The next frame is decoded while the last one is looked at; an error for a video without any."""
    upcoming, number = pool.submit(next, frames, None), 0
    while (frame := upcoming.result()) is not None:
        upcoming = pool.submit(next, frames, None)
        yield task.at(number), frame
        number += 1
    if not number:
        yield task, ImageReadError(f"{task.path}: holds no frame that OpenCV reads")


def _read(task: ImageTask) -> Image | ImageReadError:
    """Given boxes refer to the pixels as stored; without them a photo is turned upright."""
    try:
        return read_image(task.path, honour_exif=task.boxes is None)
    except ImageReadError as error:
        return error


def _results_of(found: FoundPeople, category_id: int) -> list[dict[str, Any]]:
    origin: dict[str, Any] = {"file_name": found.task.name}
    if found.task.frame is not None:
        origin["frame"] = found.task.frame
    people = found.people
    results = []
    for person, box in enumerate(people.frames().tolist()):
        keypoints, scores = people.keypoints[person].numpy(), people.scores[person].numpy()
        result = coco_result(found.task.image_id, category_id, keypoints, scores)
        score = float(people.person_scores[person])
        results.append(result | origin | {"score": score, "bbox": box})
    return results
