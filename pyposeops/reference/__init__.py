"""The definitions: every operator in plain PyTorch, readable beside its paper, as precise as its input, not fast."""

from pyposeops.reference.crop_images import crop_images
from pyposeops.reference.gaussian_heatmap import gaussian_heatmap
from pyposeops.reference.heatmap_decode import heatmap_decode

__all__ = ["crop_images", "gaussian_heatmap", "heatmap_decode"]
