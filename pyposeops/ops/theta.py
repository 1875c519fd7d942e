"""The matrices of a spatial transformer: their inverse, what they do to joints, and how they come from pixels.

``theta`` (B, 2, 3) maps the position (x_t, y_t) in the output (target) to the position (x_s, y_s) in the input
(source) where its value is from. Positions are fractions of the picture, -1 at one edge and 1 at the other: of the
outer edges of the outer pixels, or with ``align_corners`` of their centres.

Plain PyTorch: a handful of numbers per image. Products are written out, because a matrix product would be rounded to
TF32 or half precision where the user allows that for the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pyposeops._library import accepts_numpy
from pyposeops.ops.affine import check_affines, check_device, crop_size, floating, invert_affine

__all__ = ["invert_theta", "paste_back_keypoints", "theta_from_affine"]


class _InvertTheta(torch.autograd.Function):
    """With B the 2x2 part of the result: d theta = -B^T (d gamma - d g t^T) B^T and -B^T d g, where g and t are the
    shifts."""

    @staticmethod
    def forward(ctx: Any, theta: Tensor) -> Tensor:
        gamma = invert_affine(theta)
        ctx.save_for_backward(theta, gamma)
        return gamma

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        theta, gamma = ctx.saved_tensors
        known = gamma.isfinite().all(2).all(1)[:, None, None]
        gamma, theta = torch.where(known, gamma, 0.0), torch.where(known, theta.to(gamma.dtype), 0.0)
        linear, shift = gamma[..., :2].mT, theta[..., 2]
        residue = torch.where(known, grad, 0.0)
        to_shift = -(linear * residue[..., 2][:, None, :]).sum(2)
        inner = residue[..., :2] - residue[..., 2][..., None] * shift[:, None, :]
        to_linear = -_product(_product(linear, inner), linear)
        return torch.cat([to_linear, to_shift[..., None]], dim=2).to(ctx.saved_tensors[0].dtype)


def _product(first: Tensor, second: Tensor) -> Tensor:
    return (first[..., None] * second[:, None]).sum(2)


@accepts_numpy
def invert_theta(theta: Tensor) -> Tensor:
    """The matrix of the way back: what a spatial de-transformer maps with.

    With ``theta = [A | t]`` that is ``gamma = [A^-1 | -A^-1 t]``, in closed form, and so is its gradient.

    Args:
        theta: (B, 2, 3), float32, float64, float16 or bfloat16.

    Returns:
        (B, 2, 3), float64 for float64, otherwise float32. All NaN for a theta that is singular or not finite; its
        gradient is then 0, so that one bad theta does not spoil a batch.

    Raises:
        ValueError: a shape that does not fit.

    Differentiable, any number of times.

    Example:
        >>> invert_theta(torch.tensor([[[0.5, 0.0, 0.2], [0.0, 0.25, -0.1]]]))[0]
        tensor([[ 2.0000, -0.0000, -0.4000],
                [-0.0000,  4.0000,  0.4000]])

    Source: Fang et al., RMPE: Regional Multi-person Pose Estimation, ICCV 2017 (spatial de-transformer network).
    """
    check_affines(theta, "theta")
    gamma: Tensor = _InvertTheta.apply(theta)
    return gamma


@accepts_numpy
def theta_from_affine(
    affines: Tensor, input_size: Sequence[int], size: Sequence[int], *, align_corners: bool = False
) -> Tensor:
    """The thetas that take the same crops as maps between pixels.

    Args:
        affines: (B, 2, 3), (x, y) in pixels of the input -> pixels of the output, centre of the first pixel 0.0, as
            :func:`affine_from_box` makes them.
        input_size: (height, width) of the input.
        size: (height, width) of the output. With ``align_corners`` all sizes are at least 2.
        align_corners: what -1 and 1 stand for, as in :func:`spatial_transformer`.

    Returns:
        (B, 2, 3), float64 for float64, otherwise float32: ``spatial_transformer(input, theta, size)`` samples output
        pixel (u, v) where the affine's inverse sends it. All NaN for an affine without inverse.

    Raises:
        ValueError: shapes or sizes that do not fit.

    Differentiable.

    Example:
        >>> theta_from_affine(torch.tensor([[[2.0, 0.0, 0.5], [0.0, 2.0, 8.5]]]), (8, 8), (16, 16))[0]
        tensor([[ 1., -0.,  0.],
                [-0.,  1., -1.]])
    """
    check_affines(affines)
    (from_scale, from_shift), (to_scale, to_shift) = (
        _pixel_units(input_size, "input_size", align_corners),
        _pixel_units(size, "size", align_corners),
    )
    (a, b, c), (d, e, f) = (row.unbind(1) for row in invert_affine(affines).unbind(1))
    rows = []
    for axis, (across, down, shift) in enumerate(((a, b, c), (d, e, f))):
        moved = across * to_shift[0] + down * to_shift[1] + shift - from_shift[axis]
        rows += [part / from_scale[axis] for part in (across * to_scale[0], down * to_scale[1], moved)]
    return torch.stack(rows, dim=1).view(-1, 2, 3)


@accepts_numpy
def paste_back_keypoints(
    keypoints: Tensor,
    theta: Tensor,
    size: Sequence[int],
    input_size: Sequence[int],
    *,
    align_corners: bool = False,
) -> Tensor:
    """Bring joints found in a spatial transformer's output back to its input. The way is theta itself.

    Args:
        keypoints: (B, K, 2) as (x, y) in pixels of the output, or of heat maps that show the same picture.
        theta: (B, 2, 3), as given to :func:`spatial_transformer`.
        size: (height, width) of the picture that the keypoints are on: the output's or the heat maps'.
        input_size: (height, width) of the picture to return to: the input's, or of maps that show it.
        align_corners: as given to :func:`spatial_transformer`.

    Returns:
        (B, K, 2) as (x, y) in pixels of the input, in the wider dtype of the two and at least float32. NaN stays NaN.

    Raises:
        ValueError: shapes, sizes or devices that do not fit.

    Differentiable in the keypoints and in theta.

    Example:
        >>> half = torch.tensor([[[0.5, 0.0, 0.0], [0.0, 0.5, 0.0]]])
        >>> paste_back_keypoints(torch.tensor([[[-0.5, 31.5]]]), half, (64, 64), (128, 128))
        tensor([[[31.5000, 63.5000]]])

    Source: Fang et al., RMPE: Regional Multi-person Pose Estimation, ICCV 2017 (spatial de-transformer network).
    """
    if keypoints.ndim != 3 or keypoints.shape[2] != 2:
        raise ValueError(f"keypoints: expected (B, K, 2), got {tuple(keypoints.shape)}")
    check_affines(theta, "theta")
    if theta.shape[0] != keypoints.shape[0]:
        raise ValueError(f"theta: expected one per image, {keypoints.shape[0]}, got {theta.shape[0]}")
    check_device(theta, "theta", keypoints, "keypoints")
    (scale, shift), (back_scale, back_shift) = (
        _pixel_units(size, "size", align_corners),
        _pixel_units(input_size, "input_size", align_corners),
    )
    keypoints, theta = floating(keypoints), floating(theta)
    x, y = ((keypoints[..., axis] - shift[axis]) / scale[axis] for axis in (0, 1))
    rows = [a * x + b * y + c for a, b, c in (row.unbind(1) for row in theta[..., None].unbind(1))]
    return torch.stack([row * back_scale[i] + back_shift[i] for i, row in enumerate(rows)], dim=2)


def _pixel_units(
    size: Sequence[int], name: str, align_corners: bool
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Pixels per unit of theta's positions and the pixel position of 0, both as (x, y)."""
    height, width = crop_size(size, least=2 if align_corners else 1, name=name)
    last = 1 if align_corners else 0
    return ((width - last) / 2, (height - last) / 2), ((width - 1) / 2, (height - 1) / 2)
