"""gaussian_heatmap as PyTorch operators: allocation, registration, autograd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pyposeops import _core, reference
from pyposeops._library import register
from pyposeops.ops._gaussian import COMPAT, ENCODINGS, input_size_of

# Names of the codes, for the definition.
_ENCODING_NAMES = list(ENCODINGS)
_COMPAT_NAMES = list(COMPAT)


def _allocate(
    keypoints: Tensor,
    height: int,
    width: int,
    dtype: torch.dtype | None,
    channels_last: bool,
    background: bool = False,
    offsets: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    points = keypoints.shape
    if offsets is not None:
        if len(points) != 3 or offsets.ndim != 1 or offsets.shape[0] < 1:
            raise ValueError(
                f"keypoints, offsets: expected (P, K, 2) and (B + 1,), got {tuple(points)} and {tuple(offsets.shape)}"
            )
    elif len(points) not in (3, 4):
        raise ValueError(f"keypoints: expected (B, K, 2) or (B, N, K, 2), got {tuple(points)}")
    if height < 1 or width < 1:
        raise ValueError(f"size: expected a height and width of at least 1, got ({height}, {width})")
    batch = points[0] if offsets is None else offsets.shape[0] - 1
    shape = (batch, points[-2] + background, height, width)
    device = keypoints.device
    if dtype is None:
        dtype = keypoints.dtype
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    heatmaps = torch.empty(shape, dtype=dtype, device=device, memory_format=memory_format)
    weight_dtype = torch.float64 if dtype == torch.float64 else torch.float32
    return heatmaps, torch.empty(shape[:2], dtype=weight_dtype, device=device)


def _kernel(
    keypoints: Tensor,
    visibility: Tensor,
    height: int,
    width: int,
    sigma: float,
    encoding: int,
    sigma_tensor: Tensor | None = None,
    stride: Sequence[float] | None = None,
    compat: int = 0,
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
    *extras: Any,
) -> tuple[Tensor, Tensor]:
    """``extras``: what stands after channels_last in the schema, as far as the call gives it."""
    if extras:
        background, offsets = extras[2:3], extras[3:4]
        heatmaps, weights = _allocate(
            keypoints, height, width, dtype, channels_last, *(background or (False,)), *offsets
        )
    else:
        heatmaps, weights = _allocate(keypoints, height, width, dtype, channels_last)
    stride_y, stride_x = stride or (1.0, 1.0)
    _core.gaussian_heatmap(
        keypoints,
        visibility,
        sigma_tensor,
        sigma,
        stride_y,
        stride_x,
        encoding,
        compat,
        heatmaps,
        weights,
        *extras,
    )
    return heatmaps, weights


def _fake(
    keypoints: Tensor,
    visibility: Tensor,
    height: int,
    width: int,
    sigma: float,
    encoding: int,
    sigma_tensor: Tensor | None = None,
    stride: Sequence[float] | None = None,
    compat: int = 0,
    dtype: torch.dtype | None = None,
    channels_last: bool = False,
    kernel_size: int = 0,
    add_people: bool = False,
    background: bool = False,
    offsets: Tensor | None = None,
    interference_keypoints: Tensor | None = None,
    interference_visibility: Tensor | None = None,
    interference_offsets: Tensor | None = None,
    interference_weight: float = 0.0,
) -> tuple[Tensor, Tensor]:
    return _allocate(keypoints, height, width, dtype, channels_last, background, offsets)


def _allocate_gradients(keypoints: Tensor, grad_heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    dtype = torch.float64 if grad_heatmaps.dtype == torch.float64 else torch.float32
    shape = keypoints.shape
    return keypoints.new_empty(shape, dtype=dtype), keypoints.new_empty(shape, dtype=dtype)


def _backward_kernel(
    keypoints: Tensor,
    visibility: Tensor,
    grad_heatmaps: Tensor,
    sigma: float,
    encoding: int,
    sigma_tensor: Tensor | None = None,
    stride: Sequence[float] | None = None,
    compat: int = 0,
    offsets: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    grad_keypoints, grad_sigma = _allocate_gradients(keypoints, grad_heatmaps)
    stride_y, stride_x = stride or (1.0, 1.0)
    _core.gaussian_heatmap_backward(
        keypoints,
        visibility,
        sigma_tensor,
        sigma,
        stride_y,
        stride_x,
        encoding,
        compat,
        grad_heatmaps,
        grad_keypoints,
        grad_sigma,
        offsets,
    )
    return grad_keypoints, grad_sigma


def _backward_fake(
    keypoints: Tensor,
    visibility: Tensor,
    grad_heatmaps: Tensor,
    sigma: float,
    encoding: int,
    sigma_tensor: Tensor | None = None,
    stride: Sequence[float] | None = None,
    compat: int = 0,
    offsets: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    return _allocate_gradients(keypoints, grad_heatmaps)


# What most calls leave at its default stands last: the dispatcher does not hand defaults to the kernel, which saves
# a microsecond a call.
forward_op = register(
    "gaussian_heatmap(Tensor keypoints, Tensor visibility, SymInt height, SymInt width, float sigma, int encoding, "
    "Tensor? sigma_tensor=None, float[]? stride=None, int compat=0, ScalarType? dtype=None, "
    "bool channels_last=False, int kernel_size=0, bool add_people=False, bool background=False, "
    "Tensor? offsets=None, Tensor? interference_keypoints=None, Tensor? interference_visibility=None, "
    "Tensor? interference_offsets=None, float interference_weight=0.0) -> (Tensor heatmaps, Tensor weights)",
    _kernel,
    _fake,
)
_backward_op = register(
    "gaussian_heatmap_backward(Tensor keypoints, Tensor visibility, Tensor grad_heatmaps, float sigma, int encoding, "
    "Tensor? sigma_tensor=None, float[]? stride=None, int compat=0, Tensor? offsets=None) "
    "-> (Tensor grad_keypoints, Tensor grad_sigma)",
    _backward_kernel,
    _backward_fake,
)


class DifferentiableHeatmap(torch.autograd.Function):
    """forward_op, with a gradient in keypoints and sigma, for maps that are the maximum of their people."""

    @staticmethod
    def forward(
        ctx: Any, keypoints: Tensor, visibility: Tensor, sigma_tensor: Tensor | None, *options: Any
    ) -> tuple[Tensor, Tensor]:
        height, width, sigma, encoding, *rest = options
        ctx.save_for_backward(keypoints, visibility, sigma_tensor, rest[7])
        ctx.options = (sigma, encoding, rest[0], rest[1])
        heatmaps, weights = forward_op(
            keypoints, visibility, height, width, sigma, encoding, sigma_tensor, *rest
        )
        ctx.mark_non_differentiable(weights)
        return heatmaps, weights

    @staticmethod
    def backward(ctx: Any, grad_heatmaps: Tensor, _grad_weights: Any) -> tuple[Tensor | None, ...]:
        keypoints, visibility, sigma_tensor, offsets = ctx.saved_tensors
        nothing = [None] * 16
        if torch.is_grad_enabled():  # create_graph=True
            to_keypoints, to_sigma = _through_definition(ctx, grad_heatmaps)
            return to_keypoints, None, to_sigma, *nothing
        sigma, encoding, stride, compat = ctx.options
        grad_keypoints, grad_sigma = _backward_op(
            keypoints, visibility, grad_heatmaps, sigma, encoding, sigma_tensor, stride, compat, offsets
        )
        to_sigma = None if sigma_tensor is None else _sum_to_sigma(grad_sigma, sigma_tensor)
        return grad_keypoints.to(keypoints.dtype), None, to_sigma, *nothing


def _sum_to_sigma(gradient: Tensor, sigma: Tensor) -> Tensor:
    """A gradient of the shape of the keypoints, summed over all that shares a sigma."""
    if sigma.ndim == 1:
        return gradient.flatten(0, -3).sum(dim=(0, 2)).to(sigma.dtype)
    return gradient.sum_to_size(sigma.shape).to(sigma.dtype)


def _through_definition(ctx: Any, grad_heatmaps: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """The gradient as a graph of PyTorch's own operations: for second derivatives."""
    keypoints, visibility, sigma_tensor, offsets = ctx.saved_tensors
    sigma, encoding, stride, compat = ctx.options
    size = grad_heatmaps.shape[2:]
    leaves = [t for t in (keypoints, sigma_tensor) if t is not None and t.requires_grad]
    with torch.enable_grad():
        heatmaps, _ = reference.gaussian_heatmap(
            keypoints,
            visibility,
            size,
            sigma=sigma if sigma_tensor is None else sigma_tensor,
            encoding=_ENCODING_NAMES[encoding],
            input_size=input_size_of(stride, size, _ENCODING_NAMES[encoding]),
            compat=_COMPAT_NAMES[compat],
            dtype=grad_heatmaps.dtype,
            offsets=offsets,
        )
    found = iter(torch.autograd.grad(heatmaps, leaves, grad_heatmaps, create_graph=True))
    to_keypoints = next(found) if keypoints.requires_grad else None
    to_sigma = next(found) if sigma_tensor is not None and sigma_tensor.requires_grad else None
    return to_keypoints, to_sigma
