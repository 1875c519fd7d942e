"""The operator oks_matrix as PyTorch knows it, with its gradient; what is public is in oks_matrix.py."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pyposeops import _core, reference
from pyposeops._library import register


def _check_offsets(detections: Tensor, detection_offsets: Tensor, truth_offsets: Tensor) -> None:
    if detections.ndim != 3:
        raise ValueError(f"detections: expected (M, K, 2) with offsets, got {tuple(detections.shape)}")
    for name, offsets in (("detection_offsets", detection_offsets), ("truth_offsets", truth_offsets)):
        if offsets.ndim != 1 or offsets.shape[0] < 1:
            raise ValueError(f"{name}: expected (B + 1,), got {tuple(offsets.shape)}")
        if offsets.dtype not in (torch.int32, torch.int64):
            raise TypeError(f"{name}: expected dtype int64, int32, got {offsets.dtype}")
    if detection_offsets.shape != truth_offsets.shape or detection_offsets.device != truth_offsets.device:
        raise ValueError(
            f"truth_offsets: expected the shape and device of detection_offsets {tuple(detection_offsets.shape)} on "
            f"{detection_offsets.device}, got {tuple(truth_offsets.shape)} on {truth_offsets.device}"
        )


def pair_offsets(detection_offsets: Tensor, truth_offsets: Tensor) -> Tensor:
    """Where the pairs of each image begin in a ragged matrix, (B + 1,) int64."""
    pairs = detection_offsets.diff().long() * truth_offsets.diff().long()
    return torch.cat([pairs.new_zeros(1), pairs.cumsum(0)])


def _layout(
    detections: Tensor,
    truths: Tensor,
    detection_offsets: Tensor | None,
    truth_offsets: Tensor | None,
    pairs: int | None,
) -> tuple[Tensor | None, int]:
    """The first detection, truth and pair of each image (3, B + 1), on the people's device, and how many pairs."""
    if detection_offsets is None or truth_offsets is None:
        return None, 0
    _check_offsets(detections, detection_offsets, truth_offsets)
    if detection_offsets.device.type != "cpu":
        starts = torch.stack([detection_offsets, truth_offsets]).long()
        layout = torch.cat([starts, pair_offsets(starts[0], starts[1])[None]])
        return layout, int(layout[2, -1]) if pairs is None else pairs
    layout = torch.empty((3, detection_offsets.shape[0]), dtype=torch.int64)
    total = _core.oks_matrix_layout(
        detection_offsets, truth_offsets, detections.shape[0], truths.shape[0], layout
    )
    if pairs is not None and pairs != total:
        raise ValueError(f"pairs: expected {total}, as the offsets say, got {pairs}")
    return layout.to(detections.device, non_blocking=True), total


def _compute_dtype(detections: Tensor) -> torch.dtype:
    return torch.float64 if detections.dtype == torch.float64 else torch.float32


def _allocate(detections: Tensor, truths: Tensor, pairs: int | None) -> Tensor:
    if pairs is not None:
        return detections.new_empty(pairs, dtype=_compute_dtype(detections))
    if detections.ndim != 4:
        raise ValueError(f"detections: expected (B, D, K, 2), got {tuple(detections.shape)}")
    if truths.ndim != 4:
        raise ValueError(f"truths: expected (B, G, K, 2), got {tuple(truths.shape)}")
    shape = (detections.shape[0], detections.shape[1], truths.shape[1])
    return detections.new_empty(shape, dtype=_compute_dtype(detections))


def _kernel(
    detections: Tensor,
    truths: Tensor,
    sigmas: Tensor,
    areas: Tensor | None,
    visibility: Tensor | None = None,
    boxes: Tensor | None = None,
    detection_areas: Tensor | None = None,
    detection_scores: Tensor | None = None,
    detection_offsets: Tensor | None = None,
    truth_offsets: Tensor | None = None,
    pairs: int | None = None,
    box_factor: float = 1.0,
    score_threshold: float = 0.0,
    box_rule: bool = False,
) -> Tensor:
    layout, total = _layout(detections, truths, detection_offsets, truth_offsets, pairs)
    similarities = _allocate(detections, truths, None if layout is None else total)
    tensors = (detections, truths, sigmas, areas, visibility, boxes, detection_areas, detection_scores)
    _core.oks_matrix(*tensors, layout, box_factor, score_threshold, box_rule, similarities)
    return similarities


def _fake(
    detections: Tensor,
    truths: Tensor,
    sigmas: Tensor,
    areas: Tensor | None,
    visibility: Tensor | None = None,
    boxes: Tensor | None = None,
    detection_areas: Tensor | None = None,
    detection_scores: Tensor | None = None,
    detection_offsets: Tensor | None = None,
    truth_offsets: Tensor | None = None,
    pairs: int | None = None,
    box_factor: float = 1.0,
    score_threshold: float = 0.0,
    box_rule: bool = False,
) -> Tensor:
    if detection_offsets is not None and pairs is None:
        pairs = torch.library.get_ctx().new_dynamic_size()  # type: ignore[assignment]
    return _allocate(detections, truths, pairs)


def _backward_kernel(
    grad: Tensor,
    detections: Tensor,
    truths: Tensor,
    sigmas: Tensor,
    areas: Tensor | None,
    visibility: Tensor | None = None,
    boxes: Tensor | None = None,
    detection_areas: Tensor | None = None,
    detection_scores: Tensor | None = None,
    detection_offsets: Tensor | None = None,
    truth_offsets: Tensor | None = None,
    box_factor: float = 1.0,
    score_threshold: float = 0.0,
    box_rule: bool = False,
) -> Tensor:
    pairs = None if detection_offsets is None else grad.shape[0]
    layout, _ = _layout(detections, truths, detection_offsets, truth_offsets, pairs)
    gradient = detections.new_empty(detections.shape)
    tensors = (detections, truths, sigmas, areas, visibility, boxes, detection_areas, detection_scores)
    options = (layout, box_factor, score_threshold, box_rule)
    _core.oks_matrix_backward(*tensors, *options, grad.contiguous(), gradient)
    return gradient


def _backward_fake(grad: Tensor, detections: Tensor, *_tensors: Any, **_options: Any) -> Tensor:
    return detections.new_empty(detections.shape)


_ARGUMENTS = (
    "Tensor detections, Tensor truths, Tensor sigmas, Tensor? areas, Tensor? visibility=None, Tensor? boxes=None, "
    "Tensor? detection_areas=None, Tensor? detection_scores=None, Tensor? detection_offsets=None, "
    "Tensor? truth_offsets=None, "
)
_OPTIONS = "float box_factor=1.0, float score_threshold=0.0, bool box_rule=False) -> Tensor"
_forward_op = register(f"oks_matrix({_ARGUMENTS}SymInt? pairs=None, {_OPTIONS}", _kernel, _fake)
_backward_op = register(
    f"oks_matrix_backward(Tensor grad, {_ARGUMENTS}{_OPTIONS}", _backward_kernel, _backward_fake
)
_TENSORS = 10  # of the arguments
_DEFAULTS = (*[None] * (_TENSORS + 1), 1.0, 0.0, False)


class _OksMatrix(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:
        ctx.save_for_backward(*arguments[:_TENSORS])
        ctx.options = arguments[_TENSORS + 1 :]
        similarities: Tensor = _forward_op(*arguments)
        return similarities

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        tensors, (box_factor, score_threshold, box_rule) = ctx.saved_tensors, ctx.options
        if not torch.is_grad_enabled():
            gradient = _backward_op(grad, *tensors, *ctx.options)
        else:  # create_graph=True
            detections, truths, sigmas, areas, visibility, boxes, others, scores, *offsets = tensors
            similarities = reference.oks_matrix(
                detections,
                truths,
                sigmas=sigmas,
                areas=areas,
                visibility=visibility,
                boxes=boxes,
                box_factor=box_factor,
                detection_areas=others,
                detection_scores=scores,
                score_threshold=score_threshold,
                unlabelled="box" if box_rule else "zero",
                detection_offsets=offsets[0],
                truth_offsets=offsets[1],
            )
            (gradient,) = torch.autograd.grad(similarities, detections, grad, create_graph=True)
        return gradient, *[None] * (_TENSORS + 3)


def differentiable_oks(*arguments: Any) -> Tensor:
    """The operator, with a gradient in its first argument, the detections, where one is wanted."""
    if torch.is_grad_enabled() and arguments[0].requires_grad:
        return _OksMatrix.apply(*arguments, *_DEFAULTS[len(arguments) :])  # type: ignore[no-any-return]
    return _forward_op(*arguments)  # type: ignore[no-any-return]
