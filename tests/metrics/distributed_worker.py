"""One of two processes: scores its share of images, as a distributed sampler deals them out."""

import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed

from pyposeops.metrics import COCOeval, KeypointAP, KeypointResults, KeypointTruths
from tests.metrics.generated_results import Options, generate
from tests.metrics.test_coco import as_results, as_truths


def people() -> tuple[KeypointTruths, KeypointResults]:
    dataset, results = generate(Options(images=61, seed=21, tied=True, odd=True))
    return as_truths(dataset), as_results(results)


def of_image(truths: KeypointTruths, results: KeypointResults, image: int) -> tuple[Any, Any]:
    """What a data set and a model give for one image."""
    found, true = results.image_ids == image, truths.image_ids == image
    preds = {
        "keypoints": torch.from_numpy(results.keypoints[found]),
        "scores": torch.from_numpy(results.scores[found]),
    }
    target = {
        "keypoints": torch.from_numpy(truths.keypoints[true]),
        "areas": torch.from_numpy(truths.areas[true]),
        "boxes": torch.from_numpy(truths.boxes[true]),
        "iscrowd": torch.from_numpy(truths.crowd[true]),
        "ids": torch.from_numpy(truths.ids[true]),
    }
    return preds, target


def update(metric: KeypointAP, images: list[int], batch: int) -> None:
    truths, results = people()
    for first in range(0, len(images), batch):
        part = images[first : first + batch]
        metric.update(part, *zip(*(of_image(truths, results, image) for image in part), strict=True))


def reference(**options: Any) -> COCOeval:
    evaluation = COCOeval(*people(), **options)
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation


def main(folder: Path) -> None:
    torch.distributed.init_process_group("gloo")
    rank, count = torch.distributed.get_rank(), torch.distributed.get_world_size()
    images = people()[0].images.tolist()
    padded = images + images[: -len(images) % count]  # the sampler gives every process as many
    metric, lonely = KeypointAP(per_joint=True), KeypointAP()
    update(metric, padded[rank::count], batch=7)
    figures = metric.compute()
    if rank == 0:
        update(lonely, images, batch=20)
    torch.save({"shared": figures, "lonely": lonely.compute()}, folder / f"figures{rank}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
