"""Losses as the training codes of HRNet, mmpose and dsntnn compute them, and vectorised torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.alternatives.gaussian_heatmap import Setting, torch_separable
from benchmarks.cases import Alternative, Inputs, compiled


def with_gradient(loss: Callable[..., Tensor], first: Tensor, *others: Tensor) -> Inputs:
    """The loss and its gradient in the first tensor: a training step's share."""
    value = loss(first, *others)
    return value.detach(), *torch.autograd.grad(value, first)


# heat maps


def render_and_subtract(pred: Tensor, keypoints: Tensor, visibility: Tensor, setting: Setting) -> Tensor:
    """The best eager rendering, then the criterion of Simple Baselines without its loop over joints."""
    target, weights = torch_separable(keypoints, visibility, setting)
    return mse_vectorised(pred, target, weights)


def mse_vectorised(pred: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    weights = weights[..., None, None]
    return 0.5 * functional.mse_loss(pred.float() * weights, target.float() * weights)


def mse_loop(pred: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """JointsMSELoss of HRNet: joint by joint."""
    total = pred.new_zeros(())
    for joint in range(pred.shape[1]):
        weight = weights[:, joint, None]
        of_pred, of_target = pred[:, joint].flatten(1), target[:, joint].flatten(1)
        total = total + 0.5 * functional.mse_loss(of_pred * weight, of_target * weight)
    return total / pred.shape[1]


def ohkm_loop(pred: Tensor, target: Tensor, weights: Tensor, top_k: int) -> Tensor:
    """JointsOHKMMSELoss of HRNet: joint by joint, then sample by sample."""
    losses = []
    for joint in range(pred.shape[1]):
        weight = weights[:, joint, None]
        of_pred, of_target = pred[:, joint].flatten(1), target[:, joint].flatten(1)
        losses.append(
            0.5 * functional.mse_loss(of_pred * weight, of_target * weight, reduction="none").mean(1)
        )
    total = pred.new_zeros(())
    for sample in torch.stack(losses, 1):
        total = total + sample.topk(top_k, sorted=False).values.sum() / top_k
    return total / pred.shape[0]


def ohkm_vectorised(pred: Tensor, target: Tensor, weights: Tensor, top_k: int) -> Tensor:
    weights = weights[..., None, None]
    losses = functional.mse_loss(pred * weights, target * weights, reduction="none").mean((2, 3))
    return 0.5 * losses.topk(top_k, 1, sorted=False).values.mean()


def adaptive_wing_mmpose(pred: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """AdaptiveWingLoss of mmpose with its default parameters."""
    alpha, omega, epsilon, theta = 2.1, 14.0, 1.0, 0.5
    delta = (target - pred).abs()
    power = alpha - target
    ratio = torch.pow(theta / epsilon, power)
    slope = omega * (1 / (1 + ratio)) * power * torch.pow(theta / epsilon, power - 1) / epsilon
    offset = theta * slope - omega * torch.log(1 + ratio)
    curved = omega * torch.log(1 + torch.pow(delta / epsilon, power))
    losses = torch.where(delta < theta, curved, slope * delta - offset)
    return (losses * weights[..., None, None]).mean()


# DSNT, SimCC


def _grid(length: int, like: Tensor) -> Tensor:
    return (2 * torch.arange(length, dtype=like.dtype, device=like.device) + 1) / length - 1


def dsnt_js(probabilities: Tensor, keypoints: Tensor, weights: Tensor) -> Tensor:
    """Euclidean and Jensen-Shannon terms over whole maps, as dsntnn adds them up."""
    height, width = probabilities.shape[2:]
    across, down = _grid(width, probabilities), _grid(height, probabilities)
    size = torch.tensor([width, height], dtype=probabilities.dtype, device=probabilities.device)
    centre = (2 * keypoints + 1) / size - 1
    mean = torch.stack(
        [(probabilities * across).sum((2, 3)), (probabilities * down[:, None]).sum((2, 3))], -1
    )
    distance_x = ((across - centre[..., 0, None]) * (width / 2)).square()[..., None, :]
    distance_y = ((down - centre[..., 1, None]) * (height / 2)).square()[..., None]
    goal = torch.exp(-0.5 * (distance_x + distance_y))
    goal = goal / (goal.sum((2, 3), keepdim=True) + 1e-24)
    middle = (probabilities + goal) / 2

    def divergence(one: Tensor, other: Tensor) -> Tensor:
        return (one * ((one + 1e-24).log() - (other + 1e-24).log())).sum((2, 3))

    losses = (mean - centre).norm(dim=-1) + (divergence(probabilities, middle) + divergence(goal, middle)) / 2
    return (losses * weights).sum() / weights.sum()


def simcc_loop(pred_x: Tensor, pred_y: Tensor, target_x: Tensor, target_y: Tensor, weights: Tensor) -> Tensor:
    """KLDiscretLoss of SimCC: joint by joint."""
    total = pred_x.new_zeros(())
    for joint in range(pred_x.shape[1]):
        for pred, target in ((pred_x, target_x), (pred_y, target_y)):
            scores = functional.log_softmax(pred[:, joint], dim=1)
            losses = functional.kl_div(scores, target[:, joint], reduction="none").mean(1)
            total = total + (losses * weights[:, joint]).mean()
    return total / pred_x.shape[1]


# grouping, similarity


def embedding_loop(tags: Tensor, keypoints: Tensor, visibility: Tensor) -> Tensor:
    """AssociativeEmbeddingLoss of mmpose: image by image, person by person, joint by joint; pull plus push."""
    total = tags.new_zeros(())
    for image, points, seen in zip(tags, keypoints, visibility, strict=True):
        means = []
        pull = tags.new_zeros(())
        for person, person_seen in zip(points, seen, strict=True):
            own = []
            for joint, (x, y) in enumerate(person):
                if person_seen[joint]:
                    own.append(image[joint, int(y + 0.5), int(x + 0.5)])
            if own:
                found = torch.stack(own)
                means.append(found.mean())
                pull = pull + (found - means[-1]).square().mean()
        if means:
            total = total + pull / len(means)
        if len(means) > 1:
            mean = torch.stack(means)
            push = torch.exp(-(mean[:, None] - mean).square()).sum()
            total = total + push / (len(means) * (len(means) - 1))
    return total / len(tags)


def embedding_vectorised(tags: Tensor, keypoints: Tensor, visibility: Tensor) -> Tensor:
    """All people of all images at once, padded ones masked."""
    width = tags.shape[3]
    pixel = (keypoints + 0.5).long()
    index = (pixel[..., 1] * width + pixel[..., 0]).transpose(1, 2)  # (B, K, N)
    own = tags.flatten(2).gather(2, index)
    counts = visibility.transpose(1, 2).to(tags.dtype)
    number = counts.sum(1)  # (B, N)
    present = (number > 0).to(tags.dtype)
    mean = (own * counts).sum(1) / number.clamp(min=1)
    spread = ((own - mean[:, None]).square() * counts).sum(1) / number.clamp(min=1)
    people = present.sum(1)
    pull = spread.sum(1) / people.clamp(min=1)
    pairs = torch.exp(-(mean[:, :, None] - mean[:, None]).square()) * present[:, :, None] * present[:, None]
    push = pairs.sum((1, 2)) / (people * (people - 1)).clamp(min=1) * (people > 1)
    return (pull + push).mean()


def oks_loop(pred: Tensor, target: Tensor, visibility: Tensor, area: Tensor, sigmas: Tensor) -> Tensor:
    """One person at a time, as the COCO evaluation does."""
    total = pred.new_zeros(())
    for one, other, seen, size in zip(pred, target, visibility > 0, area, strict=True):
        squared = (one - other).square().sum(-1)
        similarity = torch.exp(-squared / (2 * (2 * sigmas).square() * (size + 1e-7)))
        total = total + 1 - similarity[seen].mean()
    return total / len(pred)


def training(loss: Callable[..., Tensor], **options: object) -> Callable[..., Inputs]:
    return partial(with_gradient, partial(loss, **options))


def compiled_training(loss: Callable[..., Tensor]) -> Alternative:
    """The loss through torch.compile, which compiles its backward as well."""
    alternative = compiled(loss)
    return replace(alternative, run=training(alternative.run))
