"""COCO's figures of whoever is found in images, by networks of whole images or in boxes of a detector."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor

from pyposeops.skeletons import OPENPOSE_COCO_18, coco_17_of
from python_models.data import COCO_SKELETON, ImagePeople, PoseLoader, Skeleton
from python_models.interrupt import StopRequest
from python_models.metrics import complete_annotations, oks_ap
from python_models.people import Finder, People
from python_models.progress import progress_bar


class FoundPeople(NamedTuple):
    """What was found in the images of a data set that could be read."""

    results: list[dict[str, Any]]  # COCO results
    image_ids: list[int]  # that were looked at


def find_dataset(
    finder: Finder,
    skeleton: Skeleton,
    dataset: ImagePeople,
    fabric: Fabric,
    *,
    batch_size: int,
    workers: int,
    boxes: Mapping[int, Tensor] | None = None,
    stop: StopRequest | None = None,
) -> FoundPeople:
    """Everybody in the images of a data set, the work shared between Fabric's processes.

    Args:
        finder: Finds people who have the joints of `skeleton`.
        dataset: Its joints are the same, or those of COCO where these are OpenPose's.
        fabric: Device and processes.
        batch_size: Images per run.
        workers: Processes that decode images.
        boxes: Where given, where to look: (N, 5) with scores by the images' ids; in other images nobody is found.
        stop: Where given, asked after every batch.

    Raises: Stopped: a stop was asked for.
    """
    loader = PoseLoader(
        dataset,
        batch_size,
        training=False,
        workers=workers,
        rank=fabric.global_rank,
        world_size=fabric.world_size,
    )
    results: list[dict[str, Any]] = []
    image_ids: list[int] = []
    bar = progress_bar(len(loader), "scoring", active=fabric.is_global_zero, leave=False)
    with bar, torch.no_grad(), fabric.autocast():
        for samples in loader:
            own = [dataset.records[index].image_id for index in samples.indices]
            where = [None if boxes is None else boxes.get(image_id, torch.zeros(0, 5)) for image_id in own]
            for image_id, people in zip(own, finder(samples.images(), where), strict=True):
                image_ids.append(image_id)
                results += coco_results(image_id, people, skeleton, dataset.dataset.skeleton)
            bar.update()
            if stop is not None:
                stop.check()
    return _together(FoundPeople(results, image_ids), fabric)


def coco_results(
    image_id: int, people: People, found: Skeleton, wanted: Skeleton, category_id: int = 1
) -> list[dict[str, Any]]:
    """The people of an image in COCO's results form, with the joints `wanted` of those `found`."""
    triples = torch.cat([people.keypoints, people.scores[..., None]], dim=-1)
    if found.joint_names != wanted.joint_names and wanted.joint_names == COCO_SKELETON.joint_names:
        triples = coco_17_of(triples, OPENPOSE_COCO_18)
    return [
        {"image_id": image_id, "category_id": category_id, "keypoints": own, "score": score}
        for own, score in zip(triples.flatten(1).tolist(), people.person_scores.tolist(), strict=True)
    ]


def score_people(dataset: ImagePeople, found: FoundPeople) -> dict[str, float]:
    """COCO's ten figures; images that could not be read are left out, those without people are not."""
    truth = dataset.to_coco()
    complete_annotations(truth, dataset.dataset.records)
    labelled = {record.annotation_id for record in dataset.dataset.records}
    category = next(entry["category_id"] for entry in truth["annotations"] if entry["id"] in labelled)
    unread = {record.image_id for record in dataset.records} - set(found.image_ids)
    image_ids = [image["id"] for image in truth["images"] if image["id"] not in unread]
    results = [{**result, "category_id": category} for result in found.results]
    sigmas = dataset.dataset.skeleton.sigmas
    return oks_ap(truth, results, sigmas, image_ids=image_ids, category_ids=[category])


def _together(found: FoundPeople, fabric: Fabric) -> FoundPeople:
    """What all processes found, in each of them."""
    if fabric.world_size == 1:
        return found
    parts: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(parts, found)
    return FoundPeople(
        [result for part in parts for result in part.results],
        [own for part in parts for own in part.image_ids],
    )
