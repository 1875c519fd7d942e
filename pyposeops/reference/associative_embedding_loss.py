"""Definition of associative_embedding_loss in plain PyTorch, image by image and person by person."""

from __future__ import annotations

import torch
from torch import Tensor


def associative_embedding_loss(
    tags: Tensor,
    keypoints: Tensor,
    visibility: Tensor,
    *,
    compat: str = "paper",
    reduction: str = "mean",
) -> tuple[Tensor, Tensor]:
    """Pull and push as ``pyposeops.associative_embedding_loss`` documents them."""
    tags = tags.to(torch.float64 if tags.dtype == torch.float64 else torch.float32)
    images = [_image(*image, compat) for image in zip(tags, keypoints, visibility, strict=True)]
    pull, push = (
        (torch.stack(losses) for losses in zip(*images, strict=True)) if images else (tags.new_zeros(0),) * 2
    )
    if reduction == "none":
        return pull, push
    count = max(len(images), 1) if reduction == "mean" else 1
    return pull.sum() / count, push.sum() / count


def _image(tags: Tensor, keypoints: Tensor, visibility: Tensor, compat: str) -> tuple[Tensor, Tensor]:
    """The losses of tags (K, H, W) for keypoints (N, K, 2) and visibility (N, K)."""
    zero = tags.sum() * 0
    people = [
        own
        for own in map(_tags_of, [tags] * len(keypoints), keypoints, visibility, [compat] * len(keypoints))
        if own.numel()
    ]
    count = len(people)
    if count == 0:
        return zero, zero
    mean = torch.stack([own.mean() for own in people])
    squares = [(own - own.mean()).square() for own in people]
    pull = torch.stack([s.sum() if compat == "paper" else s.mean() for s in squares]).mean()
    pairs = (mean[:, None] - mean).square()
    if compat == "paper":
        return pull, torch.exp(-pairs / 2).mean()
    if count == 1:
        return pull, zero
    total = torch.exp(-pairs).sum()
    if compat == "mmpose":
        return pull, total / (count * (count - 1))
    return pull, (total - count) / (2 * count * (count - 1))


def _tags_of(tags: Tensor, keypoints: Tensor, visibility: Tensor, compat: str) -> Tensor:
    """The tags at the joints of one person that count."""
    keypoints = keypoints.to(torch.float64)
    pixel = {
        "paper": (keypoints + 0.5).floor(),
        "mmpose": (keypoints + 0.5).trunc(),
        "higherhrnet": keypoints.trunc(),
    }[compat]
    x, y = pixel.unbind(-1)
    counts = (visibility >= 0.5) & (x >= 0) & (x < tags.shape[2]) & (y >= 0) & (y < tags.shape[1])
    joint = torch.arange(len(tags), device=tags.device)
    return tags[joint[counts], y[counts].long(), x[counts].long()]
