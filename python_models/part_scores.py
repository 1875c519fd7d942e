"""How well a part detector finds joints, whosesoever they are."""

from typing import Any, NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn

from python_models.data import ImagePeople, PeopleBatch, PoseLoader
from python_models.errors import UserError
from python_models.interrupt import StopRequest
from python_models.model_card import ModelCard
from python_models.part_candidates import Candidates, part_candidates
from python_models.part_grid import PartGrid
from python_models.part_losses import counted_at
from python_models.progress import progress_bar

PART_AP = "part AP"


class FoundParts(NamedTuple):
    """The candidates of all images, and how many joints there were to be found."""

    parts: NDArray[np.int64]  # (N,)
    scores: NDArray[np.float64]  # (N,)
    right: NDArray[np.bool_]  # (N,)
    labelled: NDArray[np.int64]  # (K,)


def find_parts(
    network: nn.Module,
    card: ModelCard,
    dataset: ImagePeople,
    fabric: Fabric,
    *,
    batch_size: int,
    workers: int,
    stop: StopRequest | None = None,
    flip_test: bool = False,
) -> FoundParts:
    """Candidates in the images of a data set, each right or wrong, the work shared between Fabric's processes.

    Args: as of `python_models.people_scores.find_dataset`.

    Raises: Stopped: a stop was asked for. UserError: the mirrored image is asked for, whose cells are elsewhere.
    """
    if flip_test:
        raise UserError(f"model {card.model}: flip_test: not for maps of this kind")
    loader = PoseLoader(
        dataset,
        batch_size,
        training=False,
        workers=workers,
        rank=fabric.global_rank,
        world_size=fabric.world_size,
    )
    prepare, grid = card.batch_preparer(dataset, fabric.device), PartGrid.of(card)
    network.eval()
    found = [_nothing(card.skeleton.num_joints)]
    bar = progress_bar(len(loader), "scoring", active=fabric.is_global_zero, leave=False)
    with bar, torch.no_grad(), fabric.autocast():
        for samples in loader:
            batch = prepare(samples)
            candidates = part_candidates(network(batch.images), grid)
            found += [judged(own, batch, index, card, grid) for index, own in enumerate(candidates)]
            bar.update()
            if stop is not None:
                stop.check()
    return _joined(_gathered(_joined(found), fabric))


def judged(
    candidates: Candidates, batch: PeopleBatch, index: int, card: ModelCard, grid: PartGrid
) -> FoundParts:
    """The candidates of image `index` of a batch: each joint is found once, by the best within the grid's radius.

    A candidate takes the nearest joint that is free. Candidates where nothing counts are left out.
    """
    people = batch.people
    if people.counted is not None:
        places = torch.from_numpy(candidates.places).to(people.counted.device)
        counts = counted_at(people.counted[index : index + 1], places, card.input_size)[0].cpu().numpy() > 0
        candidates = Candidates(*(None if own is None else own[counts] for own in candidates))
    joints = people.keypoints[index].double().cpu().numpy()
    free = people.visibility[index].cpu().numpy() > 0  # (N, K)
    labelled = free.sum(0)
    order = np.argsort(-candidates.scores, kind="stable")
    right = np.zeros(len(order), bool)
    for place in order:
        part = candidates.parts[place]
        distance = np.where(
            free[:, part], np.linalg.norm(joints[:, part] - candidates.places[place], axis=1), np.inf
        )
        if len(distance) and distance.min() <= grid.radius_px:
            right[place] = True
            free[distance.argmin(), part] = False
    return FoundParts(candidates.parts, candidates.scores, right, labelled)


def score_parts(found: FoundParts) -> dict[str, float]:
    """Mean over the labelled parts of the average precision: the area under the envelope of precision over recall."""
    precisions = [
        _average_precision(found.scores[own], found.right[own], int(count))
        for part, count in enumerate(found.labelled)
        if count
        for own in [found.parts == part]
    ]
    return {PART_AP: float(np.mean(precisions)) if precisions else 0.0}


def _average_precision(scores: NDArray[np.float64], right: NDArray[np.bool_], count: int) -> float:
    hits = np.cumsum(right[np.argsort(-scores, kind="stable")])
    precision = hits / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(hits, prepend=0) * envelope).sum() / count)


def _nothing(joints: int) -> FoundParts:
    return FoundParts(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool), np.zeros(joints, np.int64))


def _joined(found: list[FoundParts]) -> FoundParts:
    parts, scores, right, labelled = zip(*found, strict=True)
    return FoundParts(
        np.concatenate(parts), np.concatenate(scores), np.concatenate(right), np.sum(labelled, axis=0)
    )


def _gathered(found: FoundParts, fabric: Fabric) -> list[FoundParts]:
    """What each of the processes found."""
    if fabric.world_size == 1:
        return [found]
    parts: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(parts, found)
    return parts
