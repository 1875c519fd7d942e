"""Learning how the boxes of a detector lie around people, so that training can draw such boxes.

Source: Fang, Xie, Tai and Lu, "RMPE: Regional Multi-person Pose Estimation", ICCV 2017, section 3.4.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from python_models.box_nms import box_iou
from python_models.boxes import boxes_by_image
from python_models.data import PoseDataset
from python_models.data.proposals import FILE_KIND
from python_models.data.torso_pose import torso_poses
from python_models.errors import UserError, require_positive
from python_models.files import check_output_file, save_json
from python_models.sources import open_training_data

Floats = NDArray[np.float64]
_FEWEST = 10  # people that a Gaussian is fitted to
_LEAST_VARIANCE = 1e-6


class Offsets(NamedTuple):
    """N boxes of a detector, each with the person whose it is."""

    sides: Floats  # (N, 4): left, top, right, bottom beside the true box, in units of its width and height
    records: list[int]  # (N,)


def proposals(
    *,
    data: str,
    boxes: str,
    images: str | None = None,
    out: str = "proposals.json",
    atoms: int = 1,
    components: int = 1,
    min_overlap: float = 0.5,
    generated_count: int = 4000,
) -> dict[str, Any]:
    """Learn how a detector's boxes lie around people, for `train --augmentation.proposals FILE`.

    Needs scikit-learn with more than one atomic pose or component.

    Args:
        data: labelled people, as for train.
        boxes: COCO results of the detector on their images.
        images: folder of the images, where it is not the folder of the JSON file.
        out: JSON file to write.
        atoms: people are grouped by so many atomic poses, each with boxes of its own; 1: all alike.
        components: Gaussians of each group. One for each side of the box with one atom and one component.
        min_overlap: a box is a person's if it overlaps the true box at least so much (intersection over union).
        generated_count: how many images, where people are generated.
    """
    require_positive(atoms=atoms, components=components, generated_count=generated_count)
    if not 0 < min_overlap <= 1:
        raise UserError(f"min_overlap: expected above 0, to 1, got {min_overlap}")
    check_output_file("out", out)
    if atoms > 1 or components > 1:
        _sklearn("mixture")  # or say that it is absent before much is read
    dataset = open_training_data(data, images=images, count=generated_count)
    found = matched_offsets(dataset, boxes_by_image(Path(boxes)), min_overlap)
    content: dict[str, Any] = {"kind": FILE_KIND, "joint_names": list(dataset.skeleton.joint_names)}
    content["atoms"] = fit(dataset, found, atoms, components)
    content["boxes"] = len(found.sides)
    save_json(out, content)
    mean, spread = found.sides.mean(0), found.sides.std(0)
    people = len(set(found.records))
    print(
        f"{len(found.sides)} boxes of {people} of {len(dataset)} people; sides off, in units of the true box:"
    )
    for name, own, deviation in zip(("left", "top", "right", "bottom"), mean, spread, strict=True):
        print(f"  {name:<6} {own:+.4f} +- {deviation:.4f}")
    if len(content["atoms"]) < atoms:
        print(f"{atoms - len(content['atoms'])} of {atoms} atomic poses were too rare and are left out")
    print(f"written: {out}")
    return content


def matched_offsets(dataset: PoseDataset, boxes: dict[int, torch.Tensor], min_overlap: float) -> Offsets:
    """Every box of an image with the person whom it overlaps most; several may be of one person."""
    by_image: dict[int, list[int]] = {}
    for index, record in enumerate(dataset.records):
        by_image.setdefault(record.image_id, []).append(index)
    sides, records = [np.zeros((0, 4))], []
    for image_id, members in by_image.items():
        if image_id not in boxes:
            continue
        true = np.stack([dataset.records[member].box_xywh for member in members]).astype(np.float64)
        given = boxes[image_id][:, :4].double().numpy()
        shared = box_iou(given, true)
        kept = shared.max(1) >= min_overlap
        own = shared.argmax(1)[kept]
        sides.append((_corners(given[kept]) - _corners(true[own])) / np.tile(true[own, 2:], 2))
        records += [members[person] for person in own]
    return Offsets(np.concatenate(sides), records)


def fit(dataset: PoseDataset, found: Offsets, atoms: int, components: int) -> list[dict[str, Any]]:
    """Atomic poses, and the mixture of Gaussians of each, as they are written.

    Raises: UserError where there are too few people.
    """
    if len(found.sides) < _FEWEST * atoms * components:
        raise UserError(
            f"boxes: {len(found.sides)} are near a labelled person; expected at least {_FEWEST * atoms * components} "
            f"for {atoms} x {components} Gaussians"
        )
    poses, known = _poses(dataset, found.records)
    groups = np.zeros(len(poses), np.int64)
    if atoms > 1:
        if known.sum() < _FEWEST * atoms:
            raise UserError(f"atoms: {known.sum()} people with a labelled torso are too few for {atoms}")
        groups[:] = -1
        groups[known] = _kmeans(poses[known], atoms)
    result = []
    for group in range(atoms):
        own = groups == group
        if own.sum() < _FEWEST * components:
            continue  # their people are drawn for by the others
        mixture = _mixture(found.sides[own], components, per_side=atoms == components == 1)
        pose = poses[own & known].mean(0) if (own & known).any() else poses[:1].mean(0)
        result.append({"pose": pose.reshape(-1, 2).tolist(), "share": float(own.sum()), **mixture})
    if not result:
        raise UserError(f"atoms: no group of people is large enough for {components} Gaussians")
    total = sum(atom["share"] for atom in result)
    return [{**atom, "share": atom["share"] / total} for atom in result]


def _poses(dataset: PoseDataset, records: list[int]) -> tuple[Floats, NDArray[np.bool_]]:
    """(N, 2 * K), joints without a label at the mean of those who have one; and who has a torso."""
    keypoints = torch.from_numpy(np.stack([dataset.records[own].keypoints for own in records]))
    visibility = torch.from_numpy(np.stack([dataset.records[own].visibility for own in records]))
    poses, known = torso_poses(keypoints.double(), visibility, dataset.skeleton.joint_names)
    labelled = (known[:, None] & (visibility > 0))[..., None]
    means = torch.where(labelled, poses, 0.0).sum(0) / labelled.sum(0).clamp_min(1)
    return torch.where(labelled, poses, means).flatten(1).numpy(), known.numpy()


def _kmeans(poses: Floats, count: int) -> NDArray[np.int64]:
    return np.asarray(_sklearn("cluster").KMeans(count, n_init=10, random_state=0).fit_predict(poses))


def _mixture(sides: Floats, components: int, *, per_side: bool) -> dict[str, Any]:
    if components == 1:
        covariance = np.cov(sides, rowvar=False, bias=True) + _LEAST_VARIANCE * np.eye(4)
        if per_side:
            covariance = np.diag(np.diag(covariance))
        return {"weights": [1.0], "means": [sides.mean(0).tolist()], "covariances": [covariance.tolist()]}
    mixture = _sklearn("mixture").GaussianMixture(components, reg_covar=_LEAST_VARIANCE, random_state=0)
    mixture.fit(sides)
    return {
        "weights": mixture.weights_.tolist(),
        "means": mixture.means_.tolist(),
        "covariances": mixture.covariances_.tolist(),
    }


def _sklearn(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"sklearn.{name}")
    except ImportError as error:
        raise UserError(
            "atoms, components: more than one needs scikit-learn: pip install 'pyposeops[fit]'"
        ) from error


def _corners(boxes: Floats) -> Floats:
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
