"""Scores of found people: COCO's keypoint evaluation."""

from pyposeops.metrics.coco import COCOeval
from pyposeops.metrics.coco_data import KeypointResults, KeypointTruths
from pyposeops.metrics.coco_matching import Params

__all__ = ["COCOeval", "KeypointResults", "KeypointTruths", "Params"]
