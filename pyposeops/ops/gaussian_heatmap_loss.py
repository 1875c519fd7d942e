"""Squared error against Gaussian targets that are never stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pyposeops import _core, reference
from pyposeops._library import accepts_numpy, choice, register
from pyposeops.ops._gaussian import (
    COMPAT,
    ENCODINGS,
    Compat,
    Encoding,
    check_kernel_size,
    compat_code,
    input_size_of,
    pair,
    split_sigma,
    stride_of,
)
from pyposeops.ops._loss import (
    REDUCTIONS,
    Reduction,
    allocate,
    gradient_gain,
    join_parts,
    loss_scale,
    name_of,
    take_gradient,
)
from pyposeops.ops.joints_mse_loss import scale_gradient

_TENSORS = 6  # pred, keypoints, visibility, sigma, interference keypoints and visibility


def _kernel(
    pred: Tensor,
    keypoints: Tensor,
    visibility: Tensor,
    sigma: float,
    encoding: int,
    squared_weight: bool,
    reduction: int,
    with_gradient: bool = False,
    sigma_per_joint: Tensor | None = None,
    stride: Sequence[float] | None = None,
    compat: int = 0,
    interference_keypoints: Tensor | None = None,
    interference_visibility: Tensor | None = None,
    interference_weight: float = 0.5,
    kernel_size: int = 0,
) -> tuple[Tensor, Tensor]:
    losses, gradient = allocate(pred, with_gradient)
    stride_y, stride_x = stride or (1.0, 1.0)
    _core.gaussian_heatmap_loss(
        pred,
        keypoints,
        visibility,
        sigma_per_joint,
        interference_keypoints,
        interference_visibility,
        sigma,
        stride_y,
        stride_x,
        encoding,
        compat,
        kernel_size,
        interference_weight,
        squared_weight,
        loss_scale(pred, reduction),
        gradient_gain(pred, reduction),
        losses,
        gradient if with_gradient else None,
    )
    return losses, gradient


def _fake(
    pred: Tensor,
    keypoints: Tensor,
    visibility: Tensor,
    sigma: float,
    encoding: int,
    squared_weight: bool,
    reduction: int,
    with_gradient: bool = False,
    sigma_per_joint: Tensor | None = None,
    stride: Sequence[float] | None = None,
    compat: int = 0,
    interference_keypoints: Tensor | None = None,
    interference_visibility: Tensor | None = None,
    interference_weight: float = 0.5,
    kernel_size: int = 0,
) -> tuple[Tensor, Tensor]:
    return allocate(pred, with_gradient)


_forward_op = register(
    "gaussian_heatmap_loss(Tensor pred, Tensor keypoints, Tensor visibility, float sigma, int encoding, "
    "bool squared_weight, int reduction, bool with_gradient=False, Tensor? sigma_per_joint=None, "
    "float[]? stride=None, int compat=0, Tensor? interference_keypoints=None, "
    "Tensor? interference_visibility=None, float interference_weight=0.5, int kernel_size=0) "
    "-> (Tensor losses, Tensor gradient)",
    _kernel,
    _fake,
)


def _with_gradient(tensors: Sequence[Tensor | None], options: Sequence[Any]) -> tuple[Tensor, Tensor]:
    pred, keypoints, visibility, sigma_per_joint, *interference = tensors
    sigma, encoding, squared_weight, reduction, stride, compat, interference_weight, kernel_size = options
    result: tuple[Tensor, Tensor] = _forward_op(
        pred,
        keypoints,
        visibility,
        sigma,
        encoding,
        squared_weight,
        reduction,
        True,
        sigma_per_joint,
        stride,
        compat,
        *interference,
        interference_weight,
        kernel_size,
    )
    return result


class _GaussianHeatmapLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        tensors, options = arguments[:_TENSORS], arguments[_TENSORS:]
        losses, ctx.gradient = _with_gradient(tensors, options)
        ctx.save_for_backward(*tensors)
        ctx.options = options
        return join_parts(losses, options[3])

    @staticmethod
    def backward(ctx: Any, grad_losses: Tensor) -> tuple[Tensor | None, ...]:
        rest = [None] * (_TENSORS - 1 + len(ctx.options))
        if torch.is_grad_enabled():  # create_graph=True
            return _differentiable_backward(ctx, grad_losses), *rest
        gradient = take_gradient(ctx)
        if gradient is None:  # a second backward through a retained graph
            _, gradient = _with_gradient(ctx.saved_tensors, ctx.options)
        return scale_gradient(gradient, grad_losses, ctx.options[3]), *rest


def _differentiable_backward(ctx: Any, grad_losses: Tensor) -> Tensor:
    """The gradient as a graph of PyTorch's own operations, through the definition: for second derivatives."""
    pred, keypoints, visibility, sigma_per_joint, other_keypoints, other_visibility = ctx.saved_tensors
    sigma, encoding, squared_weight, reduction, stride, compat, interference_weight, kernel_size = ctx.options
    encoding_name = name_of(ENCODINGS, encoding)
    losses = reference.gaussian_heatmap_loss(
        pred,
        keypoints,
        visibility,
        sigma=sigma if sigma_per_joint is None else sigma_per_joint,
        encoding=encoding_name,
        input_size=input_size_of(stride, pred.shape[2:], encoding_name),
        kernel_size=kernel_size or None,
        compat=name_of(COMPAT, compat),
        interference_keypoints=other_keypoints,
        interference_visibility=other_visibility,
        interference_weight=interference_weight,
        squared_weight=squared_weight,
        reduction=name_of(REDUCTIONS, reduction),
    )
    gradient: Tensor = torch.autograd.grad(losses, pred, grad_losses, create_graph=True)[0]
    return gradient


@accepts_numpy
def gaussian_heatmap_loss(
    pred: Tensor,
    keypoints: Tensor,
    visibility: Tensor,
    *,
    sigma: float | Sequence[float] | Tensor | None = None,
    encoding: Encoding = "msra",
    input_size: Sequence[int] | None = None,
    compat: Compat = "fixed",
    interference_keypoints: Tensor | None = None,
    interference_visibility: Tensor | None = None,
    interference_weight: float = 0.5,
    squared_weight: bool = True,
    reduction: Reduction = "mean",
    kernel_size: int | None = None,
) -> Tensor:
    """Mean squared error of heat maps against the Gaussian targets of joints, without making the targets.

    The value is that of :func:`pyposeops.gaussian_heatmap` followed by :func:`pyposeops.joints_mse_loss`: with w the
    weight of a joint and t its target, averaged over the pixels of the map, ``(w p - w t)^2 / 2`` (Simple Baselines,
    HRNet) or, with ``squared_weight=False``, ``w (p - t)^2`` (mmpose). The target exists one row or one pixel at a
    time; the gradient, where one is wanted, is all the memory the loss needs.

    Args:
        pred: (B, K, H, W) predictions, float32, float16, bfloat16 or float64; NCHW and channels_last without a copy,
            other strides too.
        keypoints: (B, K, 2) or (B, N, K, 2) for N people on each map; (x, y) in pixels, centre of the first pixel
            0.0; float32, float64, float16 or bfloat16. In heatmap pixels, or in input pixels with ``input_size``.
            float32 keypoints serve predictions of every dtype: float16 positions are rounded.
        visibility: (B, K) or (B, N, K), any dtype. Below 0.5 a joint is not drawn. The weight of a joint is the
            visibility as given (the largest of the N people), so per-joint weights are multiplied in here; 0 where
            the joint is off the map, not finite or NaN.
        sigma, encoding, input_size, compat, kernel_size: as in :func:`pyposeops.gaussian_heatmap`.
        interference_keypoints: (B, K, 2) or (B, M, K, 2), the same joints of other people in the crop, in the units
            of ``keypoints``: their Gaussians (combined by the maximum) times ``interference_weight`` are added to
            the target, as CrowdPose's joint-candidate loss wants. Weights come from ``keypoints`` alone.
        interference_visibility: (B, K) or (B, M, K), with ``interference_keypoints``; below 0.5 is not drawn.
        interference_weight: mu; 0.5 in CrowdPose.
        squared_weight: the convention, see above.
        reduction: "mean" over the B x K joints (0 for none), "sum", or "none": (B, K), for instance for
            :func:`pyposeops.hardest_joints`.

    Returns:
        The loss, float32 (float64 for float64 predictions), summed in float32 or better.

    A joint of weight 0 has loss and gradient 0 whatever was predicted, NaN too, and its map is not read; otherwise
    NaN and infinite predictions give a NaN or infinite loss.

    The gradient flows to ``pred`` alone; it is written while ``pred`` is read, and backward only scales it, in place,
    and not at all where the loss is what backward started from. In float16 it is stored before the division by the
    number of pixels and joints, so that small gradients keep their digits under a loss scale. Second derivatives
    run through the definition.

    Raises:
        ValueError: shapes that do not fit, maps without pixels, sigma not finite and above 0, one of the interference
            arguments without the other, an unknown option; on CUDA more people on a map than fit in shared memory
            (about 800, interference included; float64: 500).
        TypeError: predictions or keypoints that are not floating.

    Example:
        >>> keypoints = torch.tensor([[[10.0, 20.0], [30.0, 40.0]]])
        >>> target = gaussian_heatmap(keypoints, torch.ones(1, 2), (64, 48), sigma=2.0).heatmaps
        >>> float(gaussian_heatmap_loss(target, keypoints, torch.ones(1, 2), sigma=2.0)) < 1e-12
        True

    Source: Xiao et al., Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018, section 2, with the
    weighting of its published code. Interference joints: Li et al., CrowdPose, CVPR 2019, section 3.1.
    """
    if pred.ndim != 4:
        raise ValueError(f"pred: expected (B, K, H, W), got {tuple(pred.shape)}")
    if (interference_keypoints is None) != (interference_visibility is None):
        raise ValueError("interference_keypoints, interference_visibility: expected both or none, got one")
    code = choice(encoding, ENCODINGS, "encoding")
    compat_of_code = compat_code(compat, encoding)
    taps = check_kernel_size(kernel_size, encoding, sigma)
    how = choice(reduction, REDUCTIONS, "reduction")
    stride = None
    if input_size is not None:
        stride = stride_of((pred.shape[2], pred.shape[3]), pair(input_size, "input_size"), encoding)
    sigma_px, per_joint = split_sigma(sigma, encoding, pred.device)
    if interference_keypoints is not None and per_joint is not None and per_joint.ndim > 2:
        raise ValueError(
            "sigma: expected a number, (K,), (K, 2) or (1, 2) with interference joints, "
            f"got {tuple(per_joint.shape)}"
        )
    interference = interference_keypoints, interference_visibility
    if torch.is_grad_enabled() and pred.requires_grad:
        loss: Tensor = _GaussianHeatmapLoss.apply(
            pred,
            keypoints,
            visibility,
            per_joint,
            *interference,
            sigma_px,
            code,
            squared_weight,
            how,
            stride,
            compat_of_code,
            interference_weight,
            taps,
        )
        return loss
    if (
        per_joint is None
        and stride is None
        and compat_of_code == 0
        and interference_keypoints is None
        and taps == 0
    ):
        losses, _ = _forward_op(pred, keypoints, visibility, sigma_px, code, squared_weight, how)
    else:
        losses, _ = _forward_op(
            pred,
            keypoints,
            visibility,
            sigma_px,
            code,
            squared_weight,
            how,
            False,
            per_joint,
            stride,
            compat_of_code,
            *interference,
            interference_weight,
            taps,
        )
    return join_parts(losses, how)
