"""Pose data: records of people, COCO files, generated people, loading and batch preparation."""

from .annotation_file import AnnotationError, find_annotations, has_split
from .augment import Augmentation, AugmentationDraw
from .coco import CocoKeypoints, read_image
from .generated import GeneratedPeople
from .loader import EpochBatches, PoseLoader, epoch_generator
from .packing import PackedSamples
from .prepare import IMAGENET_MEAN, IMAGENET_STD, Batch, BatchPreparer
from .records import COCO_SKELETON, ImageReadError, PersonRecord, PoseDataset, Sample, Skeleton

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
    "epoch_generator",
    "find_annotations",
    "has_split",
    "read_image",
]
