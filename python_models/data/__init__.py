"""Pose data: records of people, COCO files, generated people, loading and batch preparation."""

from python_models.data.aic import AiChallenger
from python_models.data.annotation_file import AnnotationError, find_annotations, has_split
from python_models.data.augment import Augmentation, AugmentationDraw
from python_models.data.clips import GeneratedClip
from python_models.data.coco import CocoKeypoints
from python_models.data.coco_published import Coco, CrowdPose
from python_models.data.crowds import GeneratedCrowds
from python_models.data.export import export_coco
from python_models.data.flic import Flic
from python_models.data.generated import GeneratedPeople
from python_models.data.image_people import ImagePeople
from python_models.data.labelled_people import LabelledPeople, PeopleBatch
from python_models.data.loader import EpochBatches, PoseLoader, derived_seed
from python_models.data.lsp import LeedsSports, LeedsSportsExtended
from python_models.data.mpii import Mpii
from python_models.data.other_people import OtherPeople, labelled_inside
from python_models.data.packing import PackedSamples
from python_models.data.photos import read_image
from python_models.data.posetrack import PoseTrack18
from python_models.data.prepare import IMAGENET_MEAN, IMAGENET_STD, Batch, BatchPreparer
from python_models.data.prepare_people import PeoplePreparer
from python_models.data.published import PublishedDataset
from python_models.data.records import ImageReadError, PersonRecord, PoseDataset, Sample, Skeleton
from python_models.data.skeletons import (
    AIC_SKELETON,
    COCO_SKELETON,
    CROWDPOSE_SKELETON,
    FLIC_SKELETON,
    LSP_SKELETON,
    MPII_SKELETON,
    NETWORK_SKELETONS,
    OPENPOSE_15_SKELETON,
    OPENPOSE_18_SKELETON,
    OPENPOSE_25_SKELETON,
    OPENPOSE_FACE_SKELETON,
    OPENPOSE_HAND_SKELETON,
    POSETRACK_SKELETON,
    SKELETONS,
    paf_skeleton,
)

__all__ = [
    "AIC_SKELETON",
    "COCO_SKELETON",
    "CROWDPOSE_SKELETON",
    "FLIC_SKELETON",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "LSP_SKELETON",
    "MPII_SKELETON",
    "NETWORK_SKELETONS",
    "OPENPOSE_15_SKELETON",
    "OPENPOSE_18_SKELETON",
    "OPENPOSE_25_SKELETON",
    "OPENPOSE_FACE_SKELETON",
    "OPENPOSE_HAND_SKELETON",
    "POSETRACK_SKELETON",
    "SKELETONS",
    "AiChallenger",
    "AnnotationError",
    "Augmentation",
    "AugmentationDraw",
    "Batch",
    "BatchPreparer",
    "Coco",
    "CocoKeypoints",
    "CrowdPose",
    "EpochBatches",
    "Flic",
    "GeneratedClip",
    "GeneratedCrowds",
    "GeneratedPeople",
    "ImagePeople",
    "ImageReadError",
    "LabelledPeople",
    "LeedsSports",
    "LeedsSportsExtended",
    "Mpii",
    "OtherPeople",
    "PackedSamples",
    "PeopleBatch",
    "PeoplePreparer",
    "PersonRecord",
    "PoseDataset",
    "PoseLoader",
    "PoseTrack18",
    "PublishedDataset",
    "Sample",
    "Skeleton",
    "derived_seed",
    "export_coco",
    "find_annotations",
    "has_split",
    "labelled_inside",
    "paf_skeleton",
    "read_image",
]
