"""Flip testing: the maps of an image averaged with those of its mirror image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from pyposeops import _core
from pyposeops._library import accepts_numpy, choice, register
from pyposeops.reference.flip_merge import KINDS

Kind = Literal["heatmap", "udp_combined", "offset"]
_KINDS = {kind: code for code, kind in enumerate(KINDS)}  # channels_of_kind in flip_merge_bind.cpp


def _kernel(
    heatmaps: Tensor, flipped: Tensor, flip_pairs: Sequence[int], shift: bool = False, kind: int = 0
) -> Tensor:
    merged = torch.empty_like(heatmaps)
    _core.flip_merge(heatmaps, flipped, flip_pairs, shift, kind, merged)
    return merged


def _fake(
    heatmaps: Tensor, flipped: Tensor, flip_pairs: Sequence[int], shift: bool = False, kind: int = 0
) -> Tensor:
    return torch.empty_like(heatmaps)


def _out_kernel(
    heatmaps: Tensor,
    flipped: Tensor,
    out: Tensor,
    flip_pairs: Sequence[int],
    shift: bool = False,
    kind: int = 0,
) -> None:
    _core.flip_merge(heatmaps, flipped, flip_pairs, shift, kind, out)


def _in_place_kernel(
    heatmaps: Tensor, flipped: Tensor, flip_pairs: Sequence[int], shift: bool = False, kind: int = 0
) -> None:
    _core.flip_merge(heatmaps, flipped, flip_pairs, shift, kind, heatmaps)


def _nothing(*_arguments: Any) -> None:
    """What an operator that returns nothing looks like when traced."""


_OPTIONS = "int[] flip_pairs, bool shift=False, int kind=0"
_op = register(f"flip_merge(Tensor heatmaps, Tensor flipped, {_OPTIONS}) -> Tensor", _kernel, _fake)
_out_op = register(
    f"flip_merge_out(Tensor heatmaps, Tensor flipped, Tensor(a!) out, {_OPTIONS}) -> ()",
    _out_kernel,
    _nothing,
)
_in_place_op = register(
    f"flip_merge_(Tensor(a!) heatmaps, Tensor flipped, {_OPTIONS}) -> ()", _in_place_kernel, _nothing
)


class _FlipMerge(torch.autograd.Function):
    """Linear, so that the backward pass, in PyTorch's own operations, is differentiable in turn."""

    @staticmethod
    def forward(
        ctx: Any, heatmaps: Tensor, flipped: Tensor, flip_pairs: list[int], shift: bool, kind: Kind
    ) -> Tensor:
        ctx.flip_pairs, ctx.shift, ctx.kind = flip_pairs, shift, kind
        merged: Tensor = _op(heatmaps, flipped, flip_pairs, shift, _KINDS[kind])
        return merged

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        half = 0.5 * grad
        to_flipped = None
        if ctx.needs_input_grad[1]:
            to_flipped = _transposed_flip(half, ctx.flip_pairs, ctx.shift, ctx.kind)
        return half, to_flipped, None, None, None


def _transposed_flip(grad: Tensor, flip_pairs: list[int], shift: bool, kind: Kind) -> Tensor:
    """The gradient of the maps of the mirrored image, given that of these maps brought back into place."""
    per_joint, negated = KINDS[kind]
    if shift and grad.shape[-1] > 1:  # two columns were made from the first, none from the last
        both = grad[..., :1] + grad[..., 1:2]
        grad = torch.cat((both, grad[..., 2:], torch.zeros_like(both)), dim=-1)
    parts = grad.unflatten(1, (grad.shape[1] // per_joint, per_joint))
    order = list(range(parts.shape[1]))
    for left, right in zip(flip_pairs[::2], flip_pairs[1::2], strict=True):
        order[left], order[right] = right, left
    parts = parts[:, order].flip(-1)
    if negated is not None:
        parts = torch.stack(
            [-part if index == negated else part for index, part in enumerate(parts.unbind(2))], dim=2
        )
    grad = parts.flatten(1, 2)
    return grad


def flat_pairs(flip_pairs: Sequence[Sequence[int]]) -> list[int]:
    """((1, 2), (3, 4)) as [1, 2, 3, 4], which is how the operators take pairs."""
    if isinstance(flip_pairs, Tensor):
        flip_pairs = flip_pairs.tolist()
    try:
        return [joint for left, right in flip_pairs for joint in (left, right)]
    except (TypeError, ValueError):
        raise ValueError(f"flip_pairs: expected pairs of joints, got {flip_pairs}") from None


@accepts_numpy
def flip_merge(
    heatmaps: Tensor,
    flipped: Tensor,
    flip_pairs: Sequence[Sequence[int]],
    *,
    shift: bool = False,
    kind: Kind = "heatmap",
    out: Tensor | None = None,
) -> Tensor:
    """Average the maps of an image with those of its mirror image: the flip test.

    ``flipped`` is brought back first: left joints trade places with right ones, columns are mirrored, and with
    ``shift`` the map moves one pixel to the right, where column 0 keeps its values. The result is the mean of the
    two, each read once.

    A crop whose centre lies on a pixel's corner (the msra convention of :func:`affine_from_box`) is mirrored about
    another line than its heatmap, which leaves the two maps (s - 1) / s heatmap pixels apart at stride s: there the
    shift brings them together. In the udp convention the lines are the same, and no shift is wanted.

    Args:
        heatmaps: (B, C, H, W), float32, float64, float16 or bfloat16; NCHW, channels_last or any strides.
        flipped: the network's output for the mirrored images as it came; shape and dtype of ``heatmaps``.
        flip_pairs: (left, right) joints, 0-based, each joint in one pair at most, at most 512 joints. Joints in no
            pair stay where they are.
        shift: moves the mirrored map by one pixel.
        kind: what the C channels are. "heatmap": one per joint. "udp_combined": disc, x offset, y offset per joint.
            "offset": x and y offset per joint. Offsets along x change their sign.
        out: tensor like ``heatmaps`` to write into, any strides; may be ``heatmaps`` itself, must not overlap
            ``flipped`` or a part of ``heatmaps``. Not with inputs that require a gradient.

    Returns:
        (B, C, H, W), dtype and memory layout of ``heatmaps``; ``out`` itself where given. Half precision is
        averaged in float32 and rounded once. NaN in either map is NaN in the mean.

    Raises:
        ValueError: shapes, devices and channel counts that do not fit, pairs that are none, a joint in two of
            them or out of range, an unknown kind, ``out`` with inputs that require a gradient.
        TypeError: heatmaps that are not floating, flipped or out of another dtype.

    Differentiable in both maps, any number of times.

    Example:
        >>> left, right = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 3.0]])
        >>> heatmaps = torch.stack((left, right))[None]
        >>> flip_merge(heatmaps, heatmaps, [(0, 1)])[0, 0]
        tensor([[2., 0., 0.]])

    Source: Newell et al., Stacked Hourglass Networks, ECCV 2016, section 4. shift: Xiao et al., Simple Baselines,
    ECCV 2018 (published code). udp_combined: Huang et al., The Devil is in the Details, CVPR 2020 (published code).
    """
    code = choice(kind, _KINDS, "kind")
    pairs = flat_pairs(flip_pairs)
    differentiate = torch.is_grad_enabled() and (heatmaps.requires_grad or flipped.requires_grad)
    if out is None:
        if differentiate:
            merged: Tensor = _FlipMerge.apply(heatmaps, flipped, pairs, shift, kind)
            return merged
        merged = (
            _op(heatmaps, flipped, pairs, shift, code) if shift or code else _op(heatmaps, flipped, pairs)
        )
        return merged
    if differentiate:
        raise ValueError("out: expected None where heatmaps or flipped require a gradient, got a tensor")
    if out is heatmaps:
        _in_place_op(heatmaps, flipped, pairs, shift, code)
    else:
        _out_op(heatmaps, flipped, out, pairs, shift, code)
    return out
