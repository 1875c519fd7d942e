"""pyposeops: the operators around a pose network, on CPU and CUDA."""

import torch  # first: the extension shares torch's OpenMP pool

from pyposeops import _core, reference
from pyposeops._info import build_info
from pyposeops.ops.affine import affine_from_box, invert_affine, transform_keypoints
from pyposeops.ops.crop_images import crop_images
from pyposeops.ops.gaussian_heatmap import GaussianHeatmaps, gaussian_heatmap
from pyposeops.ops.heatmap_decode import Keypoints, heatmap_decode

__version__: str = _core.version

_core.bind_torch_tensor_type(torch.Tensor)

__all__ = [
    "GaussianHeatmaps",
    "Keypoints",
    "__version__",
    "affine_from_box",
    "build_info",
    "crop_images",
    "gaussian_heatmap",
    "heatmap_decode",
    "invert_affine",
    "reference",
    "transform_keypoints",
]
