"""The command that follows people through a video: their poses with ids as JSON, and an annotated copy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from python_models.bottom_up import Resize
from python_models.boxes import AUTO, WHOLE
from python_models.detector import Detector
from python_models.errors import UserError, require_positive, unknown_name
from python_models.estimator import Refine
from python_models.files import check_output_folder, save_json
from python_models.frame_people import (
    DetectedBoxes,
    FrameBoxes,
    FramePeople,
    InBoxes,
    ListedBoxes,
    WholeFrames,
)
from python_models.frames import FrameSource
from python_models.given_poses import GivenPoses
from python_models.methods import FinderSettings, MethodName, method_for
from python_models.model_card import load_model
from python_models.progress import progress_bar
from python_models.runtime import Accelerator, Precision, start_fabric
from python_models.tracking import NOBODY, PoseTracker
from python_models.tracking_flow import FLOWS, flow_between
from python_models.tracks import FrameTracks, draw_tracks, posetrack_content
from python_models.video import VideoWriter

TRACKS_FILE = "tracks.json"
FlowName = Literal["dis_ultrafast", "dis_fast", "dis_medium", "lk", "none"]
Matching = Literal["greedy", "hungarian"]


def track(
    *,
    video: str,
    weights: str | None = None,
    poses: str | None = None,
    skeleton: str | None = None,
    boxes: str = AUTO,
    out: str = "tracks",
    method: MethodName = "auto",
    pairwise: str | None = None,
    exact_s: float | None = None,
    model: str | None = None,
    detector: str | None = None,
    detector_weights: str | None = None,
    min_box_score: float | None = None,
    category_id: int = 1,
    flow: FlowName = "dis_medium",
    matching: Matching = "greedy",
    queue_length: int = 5,
    min_similarity: float = 0.2,
    min_joint_score: float = 0.4,
    inertia: bool = True,
    box_overlap: float = 0.5,
    pose_similarity: float = 0.9,
    draw: bool = True,
    rate: float | None = None,
    resize: Resize = "inside",
    refine: Refine = "auto",
    flip_test: bool = False,
    scales: tuple[float, ...] = (1.0,),
    batch_size: int = 32,
    accelerator: Accelerator = "auto",
    precision: Precision = "32-true",
) -> dict[str, Any]:
    """Follow people through a video: tracks.json, and an annotated copy with a colour for each person.

    Args:
        video: a video file, or a folder of images, the frames in the order of their names.
        weights: path or URL of a checkpoint.
        poses: instead of weights, poses found elsewhere: COCO or PoseTrack annotations, COCO results, or the
            predictions.json of predict.
        skeleton: names the joints of poses that do not: coco, mpii, crowdpose, posetrack18 and others.
        boxes: as for predict: a JSON file; whole; auto for the annotations.json in a given folder, else whole.
        out: folder to write to.
        method: as for predict: topdown, or one that finds all people of an image at once.
        pairwise: for deepcut, the file that the command pairwise wrote.
        exact_s: for deepcut, solve every image exactly, in at most so many seconds; by default by a heuristic.
        model: name in the zoo, for checkpoints that do not name their model.
        detector: find the people with this detector of torchvision instead.
        detector_weights: path or URL of its checkpoint; by default torchvision's own.
        min_box_score: boxes with a lower score are left out; by default 0 for given boxes, 0.5 for a detector's.
        category_id: boxes of other categories are left out.
        flow: how people move between frames: dense inverse search by a preset, Lucas-Kanade (lk), or none.
        matching: greedy, as published, or hungarian.
        queue_length: frames that are remembered; who is missing in fewer keeps the id.
        min_similarity: OKS from which a pose may be that of somebody known.
        min_joint_score: joints with a lower score are not found: neither tracked, written nor drawn.
        inertia: people may also be where their last steps lead; false for the flow alone, as published.
        box_overlap: of boxes, detected or carried over by the flow, that overlap more, the best stays.
        pose_similarity: of poses in boxes whose OKS is higher, the best stays.
        draw: write the annotated video.
        rate: frames per second of the annotated video; by default that of the video, 10 for a folder.
        resize: as for predict.
        refine: as for predict.
        flip_test: average with the mirrored image.
        scales: the box, or the image, is looked at in each of these sizes, and the answers are averaged.
        batch_size: people per run of the network.
        accelerator: kind of device.
        precision: of the network's arithmetic.

    Returns:
        What tracks.json holds: results in the form of PoseTrack18's files.
    """
    if (weights is None) == (poses is None):
        raise UserError("weights, poses: expected one of them")
    if poses is not None and (detector is not None or boxes != AUTO):
        raise UserError("boxes, detector: given poses need none; leave them out")
    require_positive(batch_size=batch_size)
    folder = check_output_folder("out", out)
    _check_options(flow, rate, box_overlap=box_overlap, pose_similarity=pose_similarity)
    memory: dict[str, Any] = {
        "queue_length": queue_length,
        "min_similarity": min_similarity,
        "inertia": inertia,
    }
    memory |= {"min_joint_score": min_joint_score, "matching": matching}
    PoseTracker([1.0], **memory)  # wrong options are told before weights are read
    source = FrameSource(Path(video))
    fabric = start_fabric(accelerator, 1, precision)
    people: FramePeople
    if weights is None:
        people = GivenPoses(Path(str(poses)), source, skeleton)
    else:
        network, card = load_model(weights, model=model)
        way = method_for(method, card.model)
        if not way.needs_boxes and (detector is not None or boxes not in (AUTO, WHOLE)):
            raise UserError("boxes, detector: this method finds people in whole images; leave them out")
        settings = FinderSettings(
            fabric.device, refine, flip_test, scales, resize, batch_size, pairwise, exact_s
        )
        finder = way.finder(fabric.to_device(network), card, settings)
        if way.needs_boxes:
            own = _frame_boxes(
                source, boxes, detector, detector_weights, min_box_score, category_id, fabric.device
            )
            people = InBoxes(finder, own, card.skeleton, overlap=box_overlap, similarity=pose_similarity)
        else:
            people = WholeFrames(finder, card.skeleton)
    frames = []
    tracker = PoseTracker(people.skeleton.sigmas, **memory)
    drawing = VideoWriter(folder / f"{source.name}_tracks.mp4", rate or source.rate) if draw else None
    started = time.perf_counter()
    bar = progress_bar(source.expected_frames, "frames", unit="frame")
    with bar, drawing or nullcontext(), torch.no_grad(), fabric.autocast():
        for image, found in follow(source, people, tracker, flow):
            frames.append(found)
            if drawing is not None:
                drawing.add(draw_tracks(image, found, people.skeleton, min_joint_score=min_joint_score))
            bar.update()
    speed = len(frames) / (time.perf_counter() - started)
    content = posetrack_content(frames, people.skeleton, video=source.name, min_joint_score=min_joint_score)
    save_json(folder / TRACKS_FILE, content)
    ids = {track for frame in frames for track in frame.ids.tolist()}
    print(
        f"{len(ids)} people in {len(frames)} frames ({people.origin}), {speed:.1f} frames/s; written: {folder}"
    )
    return content


def _check_options(flow: str, rate: float | None, **shares: float) -> None:
    if flow not in FLOWS:
        raise unknown_name("flow", flow, FLOWS)
    if rate is not None and not 0 < rate <= 1000:
        raise UserError(f"rate: expected frames per second above 0, at most 1000, got {rate}")
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise UserError(f"{name}: expected a number from 0 to 1, got {share}")


def _frame_boxes(
    source: FrameSource,
    boxes: str,
    detector: str | None,
    detector_weights: str | None,
    min_score: float | None,
    category_id: int,
    device: torch.device,
) -> FrameBoxes:
    if detector is None:
        return ListedBoxes(source, boxes, category_id=category_id, min_score=min_score or 0.0)
    if boxes not in (AUTO, WHOLE):
        raise UserError("detector: finds the boxes itself; leave --boxes out")
    score = 0.5 if min_score is None else min_score
    return DetectedBoxes(Detector(detector, detector_weights, device=device, min_score=score), detector)


def follow(
    source: FrameSource, people: FramePeople, tracker: PoseTracker, flow: str = "dis_medium"
) -> Iterator[tuple[NDArray[np.uint8], FrameTracks]]:
    """Every frame and the people of it who are tracked, as they come.

    Args:
        source: the frames.
        people: who is in a frame.
        tracker: gives the ids.
        flow: see `flow_between`.
    """
    before: NDArray[np.uint8] | None = None
    # Ids of the input's, if all images have one; never both kinds, which might meet.
    whole = bool(source.images) and len(people.image_ids) == len(source.images)
    ids_of_images = people.image_ids if whole else {}
    for frame in source:
        propagated = np.zeros((0, 5), np.float32)
        if before is not None:
            propagated = tracker.advance(flow_between(before, frame.image, flow))
        before = frame.image
        found = people.people_in(frame, propagated)
        ids = tracker.update(found.keypoints.numpy(), found.scores.numpy())
        tracked = ids != NOBODY
        yield (
            frame.image,
            FrameTracks(
                image_id=ids_of_images.get(frame.number, frame.number + 1),
                file_name=frame.path.name,
                ids=ids[tracked],
                keypoints=found.keypoints.numpy()[tracked],
                scores=found.scores.numpy()[tracked],
                boxes=found.frames().numpy()[tracked],
                frame=frame.number if source.is_video else None,
            ),
        )
