"""pyposeops: the operators around a pose network, on CPU and CUDA."""

import torch  # first: the extension shares torch's OpenMP pool

from pyposeops import _core, reference
from pyposeops._info import build_info
from pyposeops.ops.affine import affine_from_box, invert_affine, transform_keypoints
from pyposeops.ops.crop_images import crop_images
from pyposeops.ops.gaussian_heatmap import GaussianHeatmaps, gaussian_heatmap

__version__: str = _core.build_information()["version"]

_core.bind_torch_tensor_type(torch.Tensor)

__all__ = [
    "GaussianHeatmaps",
    "__version__",
    "affine_from_box",
    "build_info",
    "crop_images",
    "gaussian_heatmap",
    "invert_affine",
    "reference",
    "transform_keypoints",
]
