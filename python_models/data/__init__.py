"""Pose data: records of people, COCO files, generated people, loading and batch preparation."""

from .annotation_file import AnnotationError, find_annotations, has_split
from .coco import CocoKeypoints, read_image
from .records import (
    COCO_SKELETON,
    ImageReadError,
    PersonRecord,
    PoseDataset,
    Sample,
    Skeleton,
)

__all__ = [
    "COCO_SKELETON",
    "AnnotationError",
    "CocoKeypoints",
    "ImageReadError",
    "PersonRecord",
    "PoseDataset",
    "Sample",
    "Skeleton",
    "find_annotations",
    "has_split",
    "read_image",
]
