"""A region of feature maps or images, resampled by a differentiable affine map; and maps brought back from there.

PyTorch's affine_grid and grid_sample with positions in float32 or better whatever the dtype of the maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from pyposeops import reference
from pyposeops._library import accepts_numpy, choice
from pyposeops.ops.affine import check_affines, check_device, crop_size, floating
from pyposeops.ops.theta import invert_theta

__all__ = ["paste_back", "spatial_transformer"]

Padding = Literal["zeros", "border", "reflection"]
_PADDINGS = {"zeros": 0, "border": 1, "reflection": 2}


@accepts_numpy
def spatial_transformer(
    input: Tensor,
    theta: Tensor,
    size: Sequence[int] | None = None,
    *,
    padding: Padding = "zeros",
    align_corners: bool = False,
) -> Tensor:
    """Sample the region of maps or images that theta describes: the spatial transformer of Jaderberg et al.

    The output pixel at (x_t, y_t) gets the value, between four neighbours, at
    ``(x_s, y_s) = theta @ (x_t, y_t, 1)`` of the input. Positions are fractions of the picture: -1 and 1 are its
    edges. So one theta serves maps of any resolution that show the same picture. With ``align_corners`` -1 and 1 are
    the centres of the outer pixels, as in the published code of AlphaPose, and each resolution means another region.

    Args:
        input: (B, C, H, W), float32, float64, float16 or bfloat16.
        theta: (B, 2, 3), floating. ``[[1, 0, 0], [0, 1, 0]]`` is the whole picture, from pixels
            :func:`theta_from_affine`.
        size: (height, width) of the output; default that of the input.
        padding: what lies outside of the input: "zeros"; "border", the nearest pixel; "reflection", the picture
            mirrored at its edges (with ``align_corners`` at the outer pixels' centres).
        align_corners: see above.

    Returns:
        (B, C, h, w) in the dtype of the input; positions are computed in float32, for a float64 input in float64.
        All zeros where theta is not finite, whatever the padding. A NaN in the input reaches all pixels it is a
        neighbour of, also with weight 0.

    Raises:
        ValueError: shapes or devices that do not fit, an input without pixels, an unknown padding.
        TypeError: an input that is not floating.

    Differentiable in the input and in theta (at a pixel's centre: the slope to the right and downward).
    On CUDA the gradient in the input is summed by atomics, in any order, but under
    ``torch.use_deterministic_algorithms(True)``: there the definition is evaluated, slower and in one order.

    Example:
        >>> picture = torch.arange(16.0).view(1, 1, 4, 4)
        >>> upper_left = torch.tensor([[[0.5, 0.0, -0.5], [0.0, 0.5, -0.5]]])
        >>> spatial_transformer(picture, upper_left, (2, 2))
        tensor([[[[0., 1.],
                  [4., 5.]]]])

    Source: Jaderberg et al., Spatial Transformer Networks, NeurIPS 2015, section 3.
    """
    if input.ndim != 4:
        raise ValueError(f"input: expected (B, C, H, W), got {tuple(input.shape)}")
    if not input.is_floating_point():
        raise TypeError(f"input: expected a floating dtype, got {input.dtype}")
    check_affines(theta, "theta")
    if theta.shape[0] != input.shape[0]:
        raise ValueError(f"theta: expected one per image, {input.shape[0]}, got {theta.shape[0]}")
    check_device(theta, "theta", input, "input")
    choice(padding, _PADDINGS, "padding")
    in_height, in_width = crop_size(input.shape[2:], name="input")
    height, width = (in_height, in_width) if size is None else crop_size(size)
    if input.numel() and _needs_one_order(input):
        return reference.spatial_transformer(
            input, theta, (height, width), padding=padding, align_corners=align_corners
        )
    with torch.autocast(input.device.type, enabled=False):
        values = floating(input)
        theta = theta.to(values.dtype)
        known = theta.isfinite().all(2).all(1)[:, None, None]
        theta = torch.where(known, theta, 0.0)
        grid = _grid(theta, height, width, align_corners)
        if not (input.shape[0] and input.shape[1]):
            return values.new_zeros(*input.shape[:2], height, width).to(input.dtype)
        sampled = F.grid_sample(values, grid, padding_mode=padding, align_corners=align_corners)
        return torch.where(known[..., None], sampled, 0.0).to(input.dtype)


def _needs_one_order(input: Tensor) -> bool:
    """Whether grid_sample's backward pass, which adds up by atomics on CUDA, would be refused."""
    return input.is_cuda and torch.are_deterministic_algorithms_enabled()


def _grid(theta: Tensor, height: int, width: int, align_corners: bool) -> Tensor:
    """(B, h, w, 2). Not affine_grid: its matrix product is rounded to TF32 where the user allows that."""
    x, y = (_fractions(n, align_corners, theta) for n in (width, height))
    rows = (row[..., None, None].unbind(1) for row in theta.unbind(1))
    return torch.stack([a * x + b * y[:, None] + c for a, b, c in rows], dim=3)


def _fractions(size: int, align_corners: bool, like: Tensor) -> Tensor:
    pixels = torch.arange(size, dtype=like.dtype, device=like.device)
    if not align_corners:
        return (2 * pixels + 1) / size - 1
    return 2 * pixels / (size - 1) - 1 if size > 1 else pixels


@accepts_numpy
def paste_back(
    maps: Tensor, theta: Tensor, size: Sequence[int] | None = None, *, align_corners: bool = False
) -> Tensor:
    """Bring maps of a spatial transformer's output back into the frame of its input: the spatial de-transformer.

    The frame's pixels inside the region of theta get the maps' values, between four neighbours; all others are 0. For
    joints rather than maps: :func:`paste_back_keypoints`.

    Args:
        maps: (B, C, H, W), heat maps of what :func:`spatial_transformer` gave with ``theta``, at any resolution.
        theta: (B, 2, 3), as given to :func:`spatial_transformer`.
        size: (height, width) of the frame, at any resolution; default that of the maps.
        align_corners: as given to :func:`spatial_transformer`. It then holds for each resolution on its own.

    Returns:
        (B, C, h, w) in the dtype of the maps: ``spatial_transformer(maps, invert_theta(theta), size)``. All zeros for
        a theta without inverse.

    Raises:
        ValueError, TypeError: as :func:`spatial_transformer`.

    Differentiable in the maps and in theta.
    On CUDA the gradient in the maps is summed by atomics, in any order, but under
    ``torch.use_deterministic_algorithms(True)``: there the definition is evaluated, slower and in one order.

    Example:
        >>> lower_right = torch.tensor([[[0.5, 0.0, 0.5], [0.0, 0.5, 0.5]]])
        >>> paste_back(torch.ones(1, 1, 2, 2), lower_right, (4, 4))[0, 0]
        tensor([[0., 0., 0., 0.],
                [0., 0., 0., 0.],
                [0., 0., 1., 1.],
                [0., 0., 1., 1.]])

    Source: Fang et al., RMPE: Regional Multi-person Pose Estimation, ICCV 2017 (spatial de-transformer network).
    """
    return spatial_transformer(maps, invert_theta(theta), size, align_corners=align_corners)
