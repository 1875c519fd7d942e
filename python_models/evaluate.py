"""Scoring a model on labelled people: PCK, PCKh and OKS-AP."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from pyposeops.metrics import box_sizes, pck, segment_sizes, torso_sizes
from python_models.bottom_up import Resize
from python_models.boxes import boxes_by_image
from python_models.data import ImagePeople, PersonRecord, PoseDataset, PoseLoader
from python_models.errors import UserError, require_positive
from python_models.estimator import Refine
from python_models.files import check_output_file, save_json
from python_models.interrupt import StopRequest
from python_models.methods import METHODS, FinderSettings, Method, MethodName, method_for
from python_models.metrics import complete_annotations, oks_ap
from python_models.model_card import ModelCard, load_model
from python_models.outputs import certain_score
from python_models.people import WithoutRepeats
from python_models.people_scores import find_dataset, score_people
from python_models.progress import progress_bar
from python_models.refinement import build_estimator
from python_models.runtime import Accelerator, Devices, Precision, start_fabric
from python_models.sources import as_seen, check_same_joints, open_evaluation_data
from python_models.stage_scores import PDJ_THRESHOLDS, format_stages, stage_figures

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]
Normalizer = Literal["torso", "bbox"]

TORSO_JOINTS = {"left_shoulder", "right_shoulder", "left_hip", "right_hip"}
HEAD_ENDS = (("head_top", "upper_neck"), ("head_top", "neck"))
PCK_THRESHOLDS = (0.2, 0.5)
PCKH_THRESHOLD = 0.5
# A person's score is the mean over joints more certain than this, as published for heat maps.
CERTAIN_SCORE = 0.2
_IMAGES_PER_BATCH = 16


class Predictions(NamedTuple):
    """Poses of all records of a data set, in image pixels."""

    keypoints: Floats  # (N, K, 2)
    scores: Floats  # (N, K)
    read: Bools  # (N,) False for people whose image could not be read


def predict_dataset(network: nn.Module, card: ModelCard, *data: Any, **options: Any) -> Predictions:
    """The last of `predict_stages`, which takes the same arguments."""
    return predict_stages(network, card, *data, **options)[-1]


def predict_stages(
    network: nn.Module,
    card: ModelCard,
    dataset: PoseDataset,
    fabric: Fabric,
    *,
    batch_size: int,
    workers: int,
    refine: Refine = "auto",
    flip_test: bool = False,
    every_stage: bool = False,
    stop: StopRequest | None = None,
) -> list[Predictions]:
    """Poses of everybody in a data set, the work shared between Fabric's processes.

    One set of poses, or with `every_stage` one for each stage of the network, the last one being its answer.

    Raises:
        Stopped: a stop was asked for through `stop`.
    """
    loader = PoseLoader(
        dataset,
        batch_size,
        training=False,
        workers=workers,
        rank=fabric.global_rank,
        world_size=fabric.world_size,
        pin_memory=fabric.device.type == "cuda",
    )
    prepare = card.batch_preparer(dataset, fabric.device)
    estimator = build_estimator(
        network.eval(), card, device=fabric.device, refine=refine, flip_test=flip_test
    )
    bar = progress_bar(len(loader), "scoring", active=fabric.is_global_zero, leave=False)
    with bar, torch.no_grad(), fabric.autocast():
        stages = estimator.stage_count() if every_stage else 1
        table = torch.zeros(stages, len(dataset), card.skeleton.num_joints, 4, device=fabric.device)
        for samples in loader:
            batch = prepare(samples)
            look = batch.crops, batch.affines, batch.source
            found = estimator.stage_poses(*look) if every_stage else [estimator.from_crops(*look)]
            for stage, poses in enumerate(found):
                read = torch.ones_like(poses.scores)
                values = [poses.keypoints, poses.scores[..., None], read[..., None]]
                table[stage, batch.indices] = torch.cat(values, dim=-1)
            bar.update()
            if stop is not None:
                stop.check()
    # Every record was filled by one process and is zero in the others.
    gathered = fabric.all_reduce(table, reduce_op="sum").cpu().numpy()
    return [Predictions(own[..., :2], own[..., 2], own[:, 0, 3] > 0) for own in gathered]


def score_predictions(
    dataset: PoseDataset,
    predictions: Predictions,
    *,
    pck_normalizer: Normalizer = "torso",
    pck_thresholds: Sequence[float] = PCK_THRESHOLDS,
    certain_score: float = CERTAIN_SCORE,
) -> dict[str, Any]:
    """All figures of a set of poses: means by name, and `per_joint` by joint and name.

    A joint counts where it is labelled (visibility 1 or 2). PCK's unit is the torso's diagonal (or the longer side of
    the box) of the person, PCKh's the head. The score of a person, for AP, is the mean over joints above
    `certain_score`, see `python_models.outputs.certain_score`.
    """
    predicted, truth, labelled, names = labelled_people(dataset, predictions)
    records = [record for record, read in zip(dataset.records, predictions.read, strict=True) if read]
    boxes = np.stack([record.box_xywh for record in records]).astype(np.float64)

    sizes = box_sizes(boxes) if pck_normalizer == "bbox" else body_sizes(truth, labelled, boxes, names)
    figures = {
        f"PCK@{limit}": pck(predicted, truth, labelled, normalizer=sizes, threshold=limit)
        for limit in pck_thresholds
    }
    heads = head_sizes(records, truth, labelled, names)
    if np.isfinite(heads).any():
        figures[f"PCKh@{PCKH_THRESHOLD}"] = pck(
            predicted, truth, labelled, normalizer=heads, threshold=PCKH_THRESHOLD
        )
    per_joint = {
        joint: {name: float(figure.per_joint[index]) for name, figure in figures.items()}
        for index, joint in enumerate(names)
    }
    means = {name: float(figure.mean) for name, figure in figures.items()}
    oks = _oks_figures(dataset, predictions, certain_score)
    return {**means, **oks, "people": len(records), "per_joint": per_joint}


class LabelledPeople(NamedTuple):
    """The people whose images could be read."""

    predicted: Floats  # (N, K, 2)
    truth: Floats  # (N, K, 2)
    labelled: Bools  # (N, K)
    joint_names: Sequence[str]


def labelled_people(dataset: PoseDataset, predictions: Predictions) -> LabelledPeople:
    """What was found beside what is labelled; visibility 1 and 2 are."""
    records = [record for record, read in zip(dataset.records, predictions.read, strict=True) if read]
    if not records:
        raise UserError("data: expected people in images that can be read, got none")
    return LabelledPeople(
        predictions.keypoints[predictions.read].astype(np.float64),
        np.stack([record.keypoints for record in records]).astype(np.float64),
        np.stack([record.visibility for record in records]) > 0,
        dataset.skeleton.joint_names,
    )


def body_sizes(truth: Floats, labelled: Bools, boxes: Floats, names: Sequence[str]) -> Floats:
    """The mean of the torso's diagonals, or the one that is labelled, in pixels; (N,)

    The longer side of the box for people with neither, and for a torso whose diagonals have no length.
    """
    boxed: Floats = box_sizes(boxes)
    if not set(names) >= TORSO_JOINTS:
        return boxed
    torso = torso_sizes(truth, labelled, names, diagonal="mean")
    return np.where(torso > 0, torso, boxed)


def head_sizes(
    records: Sequence[PersonRecord], truth: Floats, labelled: Bools, names: Sequence[str]
) -> Floats:
    """Head size in pixels: the one given with the data, else head top to neck, else NaN; (N,)"""
    sizes = np.array([record.head_size or np.nan for record in records], dtype=np.float64)
    for ends in HEAD_ENDS:
        if set(ends) <= set(names):
            sizes = np.where(sizes > 0, sizes, segment_sizes(truth, labelled, ends, names))
    return np.where(sizes > 0, sizes, np.nan)


def _oks_figures(dataset: PoseDataset, predictions: Predictions, certain_score: float) -> dict[str, float]:
    """COCO's figures; people and images that the data set left out count as COCO counts them."""
    truth = dataset.to_coco()
    complete_annotations(truth, dataset.records)
    entries = {entry["id"]: entry for entry in truth["annotations"]}
    results, unread_images = [], set()
    for record, keypoints, scores, read in zip(dataset.records, *predictions, strict=True):
        entry = entries[record.annotation_id]
        if read:
            person = coco_result(record.image_id, entry["category_id"], keypoints, scores, certain_score)
            results.append(person)
        else:
            unread_images.add(record.image_id)
    image_ids = [image["id"] for image in truth["images"] if image["id"] not in unread_images]
    return oks_ap(truth, results, dataset.skeleton.sigmas, image_ids=image_ids)


def coco_result(
    image_id: int, category_id: int, keypoints: Floats, scores: Floats, certain_score: float = CERTAIN_SCORE
) -> dict[str, Any]:
    """One person in COCO's results form; the score is the mean over joints above `certain_score`, 0 without any."""
    places, heights = keypoints.astype(np.float64).round(3), scores.astype(np.float64).round(6)
    triples = np.concatenate([places, heights[:, None]], axis=1)
    certain = scores[scores > certain_score]
    return {
        "image_id": image_id,
        "category_id": category_id,
        "keypoints": triples.ravel().tolist(),
        "score": float(certain.mean()) if len(certain) else 0.0,
    }


def evaluate(
    *,
    weights: str,
    data: str,
    images: str | None = None,
    boxes: str | None = None,
    method: MethodName = "auto",
    nms: float = 0.9,
    pairwise: str | None = None,
    exact_s: float | None = None,
    model: str | None = None,
    out: str = "metrics.json",
    generated_count: int = 400,
    pck_normalizer: Normalizer = "torso",
    pck_thresholds: tuple[float, ...] = PCK_THRESHOLDS,
    pdj_thresholds: tuple[float, ...] = PDJ_THRESHOLDS,
    every_stage: bool = False,
    refine: Refine = "auto",
    flip_test: bool = False,
    resize: Resize = "inside",
    batch_size: int = 64,
    workers: int = 4,
    accelerator: Accelerator = "auto",
    devices: Devices = "auto",
    precision: Precision = "32-true",
) -> dict[str, Any]:
    """Score a model on labelled people, print a table per joint and write the figures as JSON.

    Networks that see one person are given everybody's labelled box, or with `boxes` those of a detector, as in
    COCO's challenge. With those, and with networks of whole images, there are COCO's figures alone: of whoever is
    found, not of one person for each that is labelled.

    Args:
        weights: path or URL of a checkpoint.
        data: "generated" (people unseen in training), a COCO keypoint JSON, a folder with one (or with val/), or
            NAME:PATH, a published set by its name and folder, as in lsp:data/lsp_dataset; see docs/data.md.
        images: folder of the images, where it is not the folder of the JSON file.
        boxes: where to look instead of in the labelled boxes: COCO results (or annotations) of a detector.
        method: how people are found in these, or in whole images: topdown, alphapose, crowdpose, openpose, ...; see
            predict.
        nms: with boxes and the method topdown: of people who are more similar than this (object keypoint similarity)
            the best one counts; 1 for all.
        pairwise: for deepcut, the file that the command pairwise wrote.
        exact_s: for deepcut, solve every image exactly, in at most so many seconds; by default by a heuristic.
        model: name in the zoo, for checkpoints that do not name their model.
        out: JSON file to write.
        generated_count: how many images, where people are generated.
        pck_normalizer: unit of PCK: torso, the mean of both shoulder-hip diagonals (where one is labelled, that one;
            where none is, the longer side of the box); or bbox, the longer side of the box.
        pck_thresholds: of PCK, in its unit; a figure PCK@x for each.
        pdj_thresholds: of PDJ, in diagonals of the torso (left shoulder to right hip).
        every_stage: PCP and PDJ of each stage of a network with several; a cascade of stages always has them.
        refine: refinement of heat-map peaks; auto takes what belongs to the encoding trained with.
        flip_test: average with the mirrored image.
        resize: how networks of whole images see them: inside, fitted into the network's input size; height or
            short_side, so that this is the input's height.
        batch_size: people per step and process; of whole images, at most 16.
        workers: processes that decode images.
        accelerator: kind of device.
        devices: number of devices, one process each.
        precision: of the network's arithmetic.
    """
    for name, limits in (("pck_thresholds", pck_thresholds), ("pdj_thresholds", pdj_thresholds)):
        if not limits or any(not limit > 0 for limit in limits):
            raise UserError(f"{name}: expected numbers above 0, got {list(limits)}")
    check_output_file("out", out)
    require_positive(generated_count=generated_count, batch_size=batch_size)
    if workers < 0:
        raise UserError(f"workers: expected at least 0, got {workers}")
    if not 0 <= nms <= 1:
        raise UserError(f"nms: expected a number from 0 to 1, got {nms}")
    dataset = open_evaluation_data(data, images=images, count=generated_count)
    if model is not None:
        dataset = as_seen(dataset, model)
    network, card = load_model(weights, model=model, skeleton=dataset.skeleton)
    dataset = as_seen(dataset, card.model)
    check_same_joints(card.skeleton, dataset.skeleton)
    way = method_for(method, card.model)
    way.check(pairwise, exact_s)
    given = _given_boxes(boxes, way)
    fabric = start_fabric(accelerator, devices, precision)
    if boxes is not None or not way.needs_boxes:
        settings = FinderSettings(
            fabric.device,
            refine,
            flip_test,
            resize=resize,
            batch_size=batch_size,
            pairwise=pairwise,
            exact_s=exact_s,
        )
        finder = way.finder(fabric.to_device(network).eval(), card, settings)
        if way is METHODS["topdown"] and nms < 1:
            finder = WithoutRepeats(finder, card.skeleton.sigmas, nms)
        people = dataset if isinstance(dataset, ImagePeople) else ImagePeople(dataset)
        images_at_once = min(batch_size, _IMAGES_PER_BATCH)
        found = find_dataset(
            finder, card.skeleton, people, fabric, batch_size=images_at_once, workers=workers, boxes=given
        )
        scores = {**score_people(people, found), "images": len(found.image_ids)}
        if fabric.is_global_zero:
            save_json(out, {**scores, "weights": weights, "data": data, "boxes": boxes, "method": method})
            print(f"{scores['images']} images; OKS: {format_oks(scores)}\nwritten: {out}")
        return scores
    stages = predict_stages(
        fabric.to_device(network),
        card,
        dataset,
        fabric,
        batch_size=batch_size,
        workers=workers,
        refine=refine,
        flip_test=flip_test,
        every_stage=every_stage or card.stages > 1,
    )
    scores = score_predictions(
        dataset,
        stages[-1],
        pck_normalizer=pck_normalizer,
        pck_thresholds=pck_thresholds,
        certain_score=certain_score(card),
    )
    scores["stages"] = [stage_figures(*labelled_people(dataset, own), pdj_thresholds) for own in stages]
    if fabric.is_global_zero:
        content = {**scores, "weights": weights, "data": data, "pck_normalizer": pck_normalizer}
        save_json(out, content)
        print(format_table(scores))
        print(format_stages(scores["stages"]))
        print(f"written: {out}")
    return scores


def _given_boxes(boxes: str | None, method: Method) -> dict[int, Tensor] | None:
    """Where people are to be looked for, by image."""
    if boxes is None:
        if method.needs_boxes and method is not METHODS["topdown"]:
            raise UserError("method: this one finds people in the boxes of a detector; pass them by --boxes")
        return None
    if not method.needs_boxes:
        raise UserError("boxes: this method finds people in whole images; leave them out")
    return boxes_by_image(Path(boxes))


def format_table(scores: dict[str, Any]) -> str:
    """Rows of joints with their PCK, then the means and COCO's figures."""
    columns = list(next(iter(scores["per_joint"].values())))
    rows = [*scores["per_joint"].items(), ("mean", {name: scores[name] for name in columns})]
    width = max(len(joint) for joint, _ in rows)
    lines = [" " * width + "".join(f"{name:>10}" for name in columns)]
    lines += [f"{joint:<{width}}" + "".join(f"{row[name]:>10.3f}" for name in columns) for joint, row in rows]
    return "\n".join([*lines, f"{scores['people']} people; OKS: {format_oks(scores)}"])


def format_oks(scores: dict[str, Any]) -> str:
    return ", ".join(f"{name} {scores[name]:.3f}" for name in ("AP", "AP50", "AP75", "AR"))
