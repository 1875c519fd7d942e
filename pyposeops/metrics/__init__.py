"""Scores of found people: COCO's keypoint evaluation."""

from pyposeops.metrics.coco import COCOeval, Params
from pyposeops.metrics.coco_data import KeypointResults, KeypointTruths

__all__ = ["COCOeval", "KeypointResults", "KeypointTruths", "Params"]
