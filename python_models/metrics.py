"""OKS-AP of predicted people."""

from collections.abc import Iterable, Sequence
from typing import Any

from pyposeops.metrics import COCOeval
from python_models.data import PersonRecord


def oks_ap(
    ground_truth: dict[str, Any],
    results: list[dict[str, Any]],
    sigmas: Sequence[float],
    *,
    image_ids: Sequence[int],
    category_ids: Sequence[int] | None = None,
) -> dict[str, float]:
    """COCO's ten keypoint figures.

    Args:
        ground_truth: COCO keypoint dictionary with integer ids.
        results: COCO results; each with image_id, category_id, keypoints (3 per joint) and score.
        sigmas: OKS constant of each joint.
        image_ids: Images that count.
        category_ids: Categories that count; by default those of the results.
    """
    scoring = COCOeval(ground_truth, results, sigmas=sigmas)
    scoring.params.imgIds = sorted(image_ids)
    found = {result["category_id"] for result in results}
    scoring.params.catIds = sorted(found if category_ids is None else category_ids)
    scoring.evaluate()
    scoring.accumulate()
    return scoring.figures()


def complete_annotations(ground_truth: dict[str, Any], records: Iterable[PersonRecord]) -> None:
    """Give the annotations of a COCO dictionary the fields that COCO's figures read, where files leave them out.

    Args:
        ground_truth: COCO keypoint dictionary, changed in place.
        records: The people of it that a data set has; the area of others is 0 where it is missing.
    """
    areas = {record.annotation_id: record.area for record in records}
    for entry in ground_truth["annotations"]:
        entry.setdefault("iscrowd", 0)
        if entry.get("area") is None:
            entry["area"] = areas.get(entry["id"], 0.0)
        entry.setdefault("num_keypoints", sum(value > 0 for value in entry.get("keypoints", [])[2::3]))
