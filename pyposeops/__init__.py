"""pyposeops: the operators around a pose network, on CPU and CUDA."""

import torch  # first: the extension shares torch's OpenMP pool

from pyposeops import _core, nn, reference, skeletons
from pyposeops._info import build_info
from pyposeops.ops.adaptive_wing_loss import adaptive_wing_loss
from pyposeops.ops.affine import (
    affine_from_box,
    compose_affine,
    crop_to_heatmap,
    heatmap_to_crop,
    invert_affine,
    invert_perspective,
    transform_keypoints,
)
from pyposeops.ops.associative_embedding_loss import AssociativeEmbedding, associative_embedding_loss
from pyposeops.ops.boxes import (
    CenterScale,
    box_to_center_scale,
    center_scale_to_box,
    convert_boxes,
    fix_aspect_ratio,
    keypoint_boxes,
)
from pyposeops.ops.centernet_decode import CenternetPeople, centernet_decode
from pyposeops.ops.crop_features import crop_features, crop_origins
from pyposeops.ops.crop_images import crop_images
from pyposeops.ops.displacement_heatmap import DisplacementHeatmaps, displacement_heatmap
from pyposeops.ops.dsnt_loss import dsnt_loss
from pyposeops.ops.flip import FlippedKeypoints, flip_keypoints, flip_order
from pyposeops.ops.flip_merge import flip_merge
from pyposeops.ops.gaussian_heatmap import GaussianHeatmaps, gaussian_heatmap
from pyposeops.ops.gaussian_heatmap_loss import gaussian_heatmap_loss
from pyposeops.ops.heatmap_decode import Keypoints, heatmap_decode
from pyposeops.ops.heatmap_nms import heatmap_nms
from pyposeops.ops.heatmap_peaks import Peaks, heatmap_peaks
from pyposeops.ops.image_arena import ImageArena
from pyposeops.ops.joints_mse_loss import joints_mse_loss
from pyposeops.ops.keypoint_bins import KeypointBins, keypoint_bins
from pyposeops.ops.nearby_joints_nms import NearbyJointsNms, nearby_joints_nms
from pyposeops.ops.offset_heatmap import OffsetHeatmaps, offset_heatmap
from pyposeops.ops.ohkm_loss import hardest_joints, ohkm_loss
from pyposeops.ops.oks_loss import oks_loss
from pyposeops.ops.oks_matrix import oks_matrix, oks_pair_offsets
from pyposeops.ops.oks_nms import OksNms, oks_nms
from pyposeops.ops.paf_decode import PafPeople, paf_decode
from pyposeops.ops.parametric_pose_nms import PoseNms, parametric_pose_nms
from pyposeops.ops.part_affinity_field import PartAffinityFields, part_affinity_field
from pyposeops.ops.personlab_decode import PersonlabPeople, personlab_decode
from pyposeops.ops.pifpaf_decode import PifpafPeople, pifpaf_decode
from pyposeops.ops.simcc_decode import simcc_decode
from pyposeops.ops.simcc_label import SimccLabels, simcc_label
from pyposeops.ops.simcc_loss import simcc_loss
from pyposeops.ops.soft_argmax import SoftArgmax, soft_argmax_1d, soft_argmax_2d, soft_argmax_3d
from pyposeops.ops.soft_oks_nms import SoftOksNms, soft_oks_nms
from pyposeops.ops.spatial_transformer import paste_back, spatial_transformer
from pyposeops.ops.tag_grouping import TagPeople, tag_grouping
from pyposeops.ops.theta import invert_theta, paste_back_keypoints, theta_from_affine
from pyposeops.ops.triangulate import Triangulation, project_points, triangulate_points

__version__: str = _core.version

_core.bind_torch_tensor_type(torch.Tensor)

__all__ = [
    "AssociativeEmbedding",
    "CenterScale",
    "CenternetPeople",
    "DisplacementHeatmaps",
    "FlippedKeypoints",
    "GaussianHeatmaps",
    "ImageArena",
    "KeypointBins",
    "Keypoints",
    "NearbyJointsNms",
    "OffsetHeatmaps",
    "OksNms",
    "PafPeople",
    "PartAffinityFields",
    "Peaks",
    "PersonlabPeople",
    "PifpafPeople",
    "PoseNms",
    "SimccLabels",
    "SoftArgmax",
    "SoftOksNms",
    "TagPeople",
    "Triangulation",
    "__version__",
    "adaptive_wing_loss",
    "affine_from_box",
    "associative_embedding_loss",
    "box_to_center_scale",
    "build_info",
    "center_scale_to_box",
    "centernet_decode",
    "compose_affine",
    "convert_boxes",
    "crop_features",
    "crop_images",
    "crop_origins",
    "crop_to_heatmap",
    "displacement_heatmap",
    "dsnt_loss",
    "fix_aspect_ratio",
    "flip_keypoints",
    "flip_merge",
    "flip_order",
    "gaussian_heatmap",
    "gaussian_heatmap_loss",
    "hardest_joints",
    "heatmap_decode",
    "heatmap_nms",
    "heatmap_peaks",
    "heatmap_to_crop",
    "invert_affine",
    "invert_perspective",
    "invert_theta",
    "joints_mse_loss",
    "keypoint_bins",
    "keypoint_boxes",
    "nearby_joints_nms",
    "nn",
    "offset_heatmap",
    "ohkm_loss",
    "oks_loss",
    "oks_matrix",
    "oks_nms",
    "oks_pair_offsets",
    "paf_decode",
    "parametric_pose_nms",
    "part_affinity_field",
    "paste_back",
    "paste_back_keypoints",
    "personlab_decode",
    "pifpaf_decode",
    "project_points",
    "reference",
    "simcc_decode",
    "simcc_label",
    "simcc_loss",
    "skeletons",
    "soft_argmax_1d",
    "soft_argmax_2d",
    "soft_argmax_3d",
    "soft_oks_nms",
    "spatial_transformer",
    "tag_grouping",
    "theta_from_affine",
    "transform_keypoints",
    "triangulate_points",
]
