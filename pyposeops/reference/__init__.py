"""The definitions: every operator in plain PyTorch, readable beside its paper, as precise as its input, not fast."""

from pyposeops.reference.adaptive_wing_loss import adaptive_wing_loss
from pyposeops.reference.associative_embedding_loss import associative_embedding_loss
from pyposeops.reference.centernet_decode import centernet_decode
from pyposeops.reference.crop_features import crop_features
from pyposeops.reference.crop_images import crop_images
from pyposeops.reference.displacement_heatmap import displacement_heatmap
from pyposeops.reference.flip_merge import flip_merge
from pyposeops.reference.gaussian_heatmap import gaussian_heatmap
from pyposeops.reference.gaussian_heatmap_loss import gaussian_heatmap_loss
from pyposeops.reference.heatmap_decode import heatmap_decode
from pyposeops.reference.heatmap_nms import heatmap_nms
from pyposeops.reference.heatmap_peaks import heatmap_peaks
from pyposeops.reference.joints_mse_loss import joints_mse_loss
from pyposeops.reference.nearby_joints_nms import nearby_joints_nms
from pyposeops.reference.offset_heatmap import offset_heatmap
from pyposeops.reference.oks_matrix import oks_matrix
from pyposeops.reference.oks_nms import oks_nms
from pyposeops.reference.paf_decode import paf_decode
from pyposeops.reference.parametric_pose_nms import parametric_pose_nms
from pyposeops.reference.part_affinity_field import part_affinity_field
from pyposeops.reference.personlab_decode import personlab_decode
from pyposeops.reference.pifpaf_decode import pifpaf_decode
from pyposeops.reference.simcc_decode import simcc_decode
from pyposeops.reference.simcc_label import simcc_label
from pyposeops.reference.soft_argmax import soft_argmax_1d, soft_argmax_2d, soft_argmax_3d
from pyposeops.reference.soft_oks_nms import soft_oks_nms
from pyposeops.reference.spatial_transformer import spatial_transformer
from pyposeops.reference.tag_grouping import tag_grouping

__all__ = [
    "adaptive_wing_loss",
    "associative_embedding_loss",
    "centernet_decode",
    "crop_features",
    "crop_images",
    "displacement_heatmap",
    "flip_merge",
    "gaussian_heatmap",
    "gaussian_heatmap_loss",
    "heatmap_decode",
    "heatmap_nms",
    "heatmap_peaks",
    "joints_mse_loss",
    "nearby_joints_nms",
    "offset_heatmap",
    "oks_matrix",
    "oks_nms",
    "paf_decode",
    "parametric_pose_nms",
    "part_affinity_field",
    "personlab_decode",
    "pifpaf_decode",
    "simcc_decode",
    "simcc_label",
    "soft_argmax_1d",
    "soft_argmax_2d",
    "soft_argmax_3d",
    "soft_oks_nms",
    "spatial_transformer",
    "tag_grouping",
]
