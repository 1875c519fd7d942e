"""OKS-AP of predicted people."""

from collections.abc import Sequence
from typing import Any

from pyposeops.metrics import COCOeval


def oks_ap(
    ground_truth: dict[str, Any],
    results: list[dict[str, Any]],
    sigmas: Sequence[float],
    *,
    image_ids: Sequence[int],
) -> dict[str, float]:
    """COCO's ten keypoint figures.

    Args:
        ground_truth: COCO keypoint dictionary with integer ids.
        results: COCO results; each with image_id, category_id, keypoints (3 per joint) and score.
        sigmas: OKS constant of each joint.
        image_ids: Images that count.
    """
    scoring = COCOeval(ground_truth, results, sigmas=sigmas)
    scoring.params.imgIds = sorted(image_ids)
    scoring.params.catIds = sorted({result["category_id"] for result in results})
    scoring.evaluate()
    scoring.accumulate()
    return scoring.figures()
