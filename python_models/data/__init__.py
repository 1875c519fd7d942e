"""Pose data: records of people, COCO files, generated people, loading and batch preparation."""

from python_models.data.annotation_file import AnnotationError, find_annotations, has_split
from python_models.data.augment import Augmentation, AugmentationDraw
from python_models.data.coco import CocoKeypoints, read_image
from python_models.data.export import export_coco
from python_models.data.generated import GeneratedPeople
from python_models.data.loader import EpochBatches, PoseLoader, derived_seed
from python_models.data.packing import PackedSamples
from python_models.data.prepare import IMAGENET_MEAN, IMAGENET_STD, Batch, BatchPreparer
from python_models.data.records import (
    COCO_SKELETON,
    ImageReadError,
    PersonRecord,
    PoseDataset,
    Sample,
    Skeleton,
)

__all__ = [
    "COCO_SKELETON",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "AnnotationError",
    "Augmentation",
    "AugmentationDraw",
    "Batch",
    "BatchPreparer",
    "CocoKeypoints",
    "EpochBatches",
    "GeneratedPeople",
    "ImageReadError",
    "PackedSamples",
    "PersonRecord",
    "PoseDataset",
    "PoseLoader",
    "Sample",
    "Skeleton",
    "derived_seed",
    "export_coco",
    "find_annotations",
    "has_split",
    "read_image",
]
