"""The grouping loss of associative embedding, without a loop over people."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from pyposeops import _core, reference
from pyposeops._library import accepts_numpy, choice, register
from pyposeops.ops._loss import REDUCTIONS, Reduction, name_of, reduce_losses

EmbeddingCompat = Literal["paper", "mmpose", "higherhrnet"]
_COMPAT = {"paper": 0, "mmpose": 1, "higherhrnet": 2}  # enum class EmbeddingConvention


class AssociativeEmbedding(NamedTuple):
    """What :func:`associative_embedding_loss` returns."""

    pull: Tensor
    """How far the tags of a person's joints lie from their mean."""
    push: Tensor
    """How close the mean tags of different people lie."""


def _allocate(tags: Tensor) -> tuple[Tensor, Tensor]:
    if tags.ndim != 4:
        raise ValueError(f"tags: expected (B, K, H, W), got {tuple(tags.shape)}")
    dtype = torch.float64 if tags.dtype == torch.float64 else torch.float32
    return tags.new_empty(tags.shape[0], dtype=dtype), tags.new_empty(tags.shape[0], dtype=dtype)


def _kernel(tags: Tensor, keypoints: Tensor, visibility: Tensor, convention: int) -> tuple[Tensor, Tensor]:
    pull, push = _allocate(tags)
    _core.associative_embedding_loss(tags, keypoints, visibility, convention, pull, push)
    return pull, push


def _fake(tags: Tensor, keypoints: Tensor, visibility: Tensor, convention: int) -> tuple[Tensor, Tensor]:
    return _allocate(tags)


def _backward_kernel(
    tags: Tensor, keypoints: Tensor, visibility: Tensor, convention: int, grad_pull: Tensor, grad_push: Tensor
) -> Tensor:
    grad_tags = torch.zeros_like(tags)
    _core.associative_embedding_loss_backward(
        tags, keypoints, visibility, convention, grad_pull, grad_push, grad_tags
    )
    return grad_tags


def _backward_fake(
    tags: Tensor, keypoints: Tensor, visibility: Tensor, convention: int, grad_pull: Tensor, grad_push: Tensor
) -> Tensor:
    return torch.zeros_like(tags)


_forward_op = register(
    "associative_embedding_loss(Tensor tags, Tensor keypoints, Tensor visibility, int convention) "
    "-> (Tensor pull, Tensor push)",
    _kernel,
    _fake,
)
_backward_op = register(
    "associative_embedding_loss_backward(Tensor tags, Tensor keypoints, Tensor visibility, int convention, "
    "Tensor grad_pull, Tensor grad_push) -> Tensor",
    _backward_kernel,
    _backward_fake,
)


class _AssociativeEmbeddingLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, tags: Tensor, keypoints: Tensor, visibility: Tensor, convention: int
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(tags, keypoints, visibility)
        ctx.convention = convention
        pull, push = _forward_op(tags, keypoints, visibility, convention)
        return pull, push

    @staticmethod
    def backward(ctx: Any, grad_pull: Tensor, grad_push: Tensor) -> tuple[Tensor | None, ...]:
        tags, keypoints, visibility = ctx.saved_tensors
        if torch.is_grad_enabled():  # create_graph=True
            losses = reference.associative_embedding_loss(
                tags, keypoints, visibility, compat=name_of(_COMPAT, ctx.convention), reduction="none"
            )
            (grad_tags,) = torch.autograd.grad(losses, tags, (grad_pull, grad_push), create_graph=True)
        else:
            grad_tags = _backward_op(tags, keypoints, visibility, ctx.convention, grad_pull, grad_push)
        return grad_tags, None, None, None


@accepts_numpy
def associative_embedding_loss(
    tags: Tensor,
    keypoints: Tensor,
    visibility: Tensor,
    *,
    compat: EmbeddingCompat = "paper",
    reduction: Reduction = "mean",
) -> AssociativeEmbedding:
    """The grouping loss of associative embedding: pulls a person's tags together, pushes people apart.

    With h the tag at a joint, m a person's mean tag, N the people of an image, n and l two of them:

    =========== ============================ =============================================== ==================
    compat      pull                         push                                            pixel of a joint
    =========== ============================ =============================================== ==================
    paper       ``1/N Σ_n Σ_k (h - m_n)²``   ``1/N² Σ_n Σ_l exp(-(m_n - m_l)² / 2)``          nearest
    mmpose      ``1/N Σ_n mean_k(...)``      ``1/(N (N - 1)) Σ_n Σ_l exp(-(m_n - m_l)²)``     trunc(p + 0.5)
    higherhrnet ``1/N Σ_n mean_k(...)``      ``1/(2 N (N - 1)) Σ_{n≠l} exp(-(m_n - m_l)²)``   trunc(p)
    =========== ============================ =============================================== ==================

    The push of fewer than two people is 0 but for ``paper``, where each person is a pair with itself too; both losses
    of an image without people are 0.

    Args:
        tags: (B, K, H, W), one tag map per joint, float32, float16, bfloat16 or float64, any strides.
        keypoints: (B, N, K, 2) for up to N people an image, (x, y) in pixels of the tag maps, centre of the first
            pixel 0.0; any floating dtype, without gradient.
        visibility: (B, N, K), any dtype. Joints below 0.5 (or NaN), off the map or not finite do not count, and
            neither do people without a joint that counts (padding of a ragged list: visibility 0).
        compat: see the table.
        reduction: over the images: "mean" (0 for none), "sum", or "none": (B,).

    Returns:
        pull, push: float32 (float64 for float64 tags).

    A NaN tag at a joint that counts makes both losses of its image NaN.
    The gradient flows to ``tags``; joints of several people on one pixel are added up in a fixed order, without
    atomics. Second derivatives run through the definition, at its speed.

    Raises:
        ValueError: shapes that do not fit, an unknown option, more people an image than fit in shared memory on CUDA
            (about 3700; float64: 1800).
        TypeError: tags or keypoints that are not floating.

    Example:
        >>> tags = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)
        >>> associative_embedding_loss(tags, torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2)).pull
        tensor(2.)

    Source: Newell, Huang, Deng, Associative Embedding, NeurIPS 2017, section 3.2, with sigma = 1; mmpose,
    higherhrnet: the published code of MMPose 1.x and of Cheng et al., HigherHRNet, CVPR 2020.
    """
    convention = choice(compat, _COMPAT, "compat")
    code = choice(reduction, REDUCTIONS, "reduction")
    if torch.is_grad_enabled() and tags.requires_grad:
        pull, push = _AssociativeEmbeddingLoss.apply(tags, keypoints, visibility, convention)
    else:
        pull, push = _forward_op(tags, keypoints, visibility, convention)
    return AssociativeEmbedding(reduce_losses(pull, code), reduce_losses(push, code))
