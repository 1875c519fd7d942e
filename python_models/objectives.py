"""What training minimises: squared error of heat maps, distance of joints, or both, on every supervised stage.

Targets are rendered inside of the loss (`pyposeops.gaussian_heatmap_loss`), at the size of each output, so stages
of other resolutions or with Gaussians of other widths cost nothing extra.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

import pyposeops
from python_models.data import Batch, labelled_inside
from python_models.errors import UserError
from python_models.heads import SIGMA_BINS, SPLIT_RATIO, simcc_rows
from python_models.model_card import ModelCard
from python_models.outputs import expected_joints
from python_models.rle import RealNVP, residual_log_likelihood_loss
from python_models.zoo import model_info


@dataclass(frozen=True)
class LossSettings:
    """What is minimised; stages are counted as the network gives them, the last one being the prediction.

    Args:
        kind: heatmaps, the squared error of heat maps; joints, the distance of regressed joints; both; auto, what
            belongs to the network and its head (with head=simcc, the divergence of its rows).
        distance: of joints: l1, l2 (squared), or smooth_l1.
        heatmap_weight: factor of the heat maps' loss where kind is both.
        stage_weights: factor of each stage's loss; none: 1 each.
        stage_sigmas: sigma of each stage's Gaussian in its heat-map pixels; none: the model's for all.
        stage_kernels: side of each stage's Gaussian in pixels, with the encoding megvii.
        hardest_joints: only so many joints with the largest loss count in a person; 0 for all.
        hardest_stages: to which stages that applies; negative numbers count from the last.
        tag_weight: factor of the loss of tags, for associative embedding.
        interference_weight: of other people's joints in the crop, whose Gaussians are added to the targets times this
            (the joint-candidate loss of CrowdPose, with 0.5). 0: targets show the one person's joints alone.
    """

    kind: Literal["auto", "heatmaps", "joints", "both"] = "auto"
    distance: Literal["l1", "l2", "smooth_l1"] = "l1"
    heatmap_weight: float = 1.0
    stage_weights: tuple[float, ...] = ()
    stage_sigmas: tuple[float, ...] = ()
    stage_kernels: tuple[int, ...] = ()
    hardest_joints: int = 0
    hardest_stages: tuple[int, ...] = (-1,)
    tag_weight: float = 1e-3
    interference_weight: float = 0.0

    def __post_init__(self) -> None:
        for name in ("stage_weights", "stage_sigmas", "stage_kernels", "hardest_stages"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # lists come from files
        if self.hardest_joints < 0:
            raise UserError(f"hardest_joints: expected 0 or more, got {self.hardest_joints}")
        if not 0 <= self.tag_weight < float("inf"):
            raise UserError(f"tag_weight: expected 0 or more, got {self.tag_weight}")
        if not 0 <= self.interference_weight <= 1:
            raise UserError(f"interference_weight: expected 0 to 1, got {self.interference_weight}")
        if any(not sigma > 0 for sigma in self.stage_sigmas):
            raise UserError(f"stage_sigmas: expected numbers above 0, got {self.stage_sigmas}")


class Objective:
    """The loss of a batch.

    Args:
        settings: what is minimised.
        card: what the network's outputs are.
        flow: the density of residuals of a network that has one (`python_models.rle`); the distance of its joints is
            then their likelihood.

    Raises: UserError where the network does not give what the settings want.
    """

    def __init__(self, settings: LossSettings, card: ModelCard, flow: RealNVP | None = None) -> None:
        kind, info = settings.kind, model_info(card.model)
        regresses = info.output != "heatmaps" or card.head == "integral"
        self.on_rows = card.head == "simcc"
        if self.on_rows and kind != "auto":
            raise UserError(f"loss.kind {kind}: head=simcc has a loss of its own; use auto")
        if kind == "auto":
            kind = "joints" if regresses else "heatmaps"
        if kind != "joints" and info.output != "heatmaps":
            raise UserError(f"loss.kind {kind}: {card.model} gives {info.output}, not heat maps; use joints")
        if kind != "heatmaps" and not regresses:
            raise UserError(f"loss.kind {kind}: needs head=integral where the model gives heat maps")
        if card.encoding == "megvii" and kind != "joints" and not settings.stage_kernels:
            raise UserError("loss.stage_kernels: the encoding megvii needs the side of each stage's Gaussian")
        if settings.interference_weight and (kind != "heatmaps" or self.on_rows):
            raise UserError(
                f"loss.interference_weight: {card.model} with head {card.head} gives one place for each joint; "
                "expected heat maps, which may have several peaks"
            )
        self.settings, self.card, self.flow = settings, card, flow
        self.on_heatmaps, self.on_joints = kind != "joints", kind != "heatmaps"
        self.background = info.background

    def __call__(self, stages: Sequence[Tensor], batch: Batch) -> Tensor:
        """A scalar: the sum over the stages."""
        for name in ("stage_weights", "stage_sigmas", "stage_kernels"):
            given = getattr(self.settings, name)
            if given and len(given) != len(stages):
                raise UserError(
                    f"loss.{name}: {self.card.model} has {len(stages)} stages, got {len(given)} values"
                )
        hardest = self._mined_stages(len(stages))
        weights = self.settings.stage_weights or (1.0,) * len(stages)
        losses = [
            weight * self._stage(output, index, batch, mined=index in hardest)
            for index, (weight, output) in enumerate(zip(weights, stages, strict=True))
        ]
        return torch.stack(losses).sum()

    def _mined_stages(self, count: int) -> set[int]:
        """Which of `count` stages learn from their hardest joints alone."""
        settings = self.settings
        if settings.hardest_joints and any(not -count <= index < count for index in settings.hardest_stages):
            raise UserError(
                f"loss.hardest_stages: {self.card.model} has {count} stages, got {list(settings.hardest_stages)}"
            )
        return {index % count for index in settings.hardest_stages} if settings.hardest_joints else set()

    def _stage(self, output: Tensor, index: int, batch: Batch, *, mined: bool) -> Tensor:
        top_k = self.settings.hardest_joints if mined else 0
        if self.on_rows:
            return _of_hardest(self._row_losses(output, batch), top_k)
        losses = []
        if self.on_heatmaps:
            factor = self.settings.heatmap_weight if self.on_joints else 1.0
            losses.append(factor * _of_hardest(self._heatmap_losses(output, index, batch), top_k))
        if self.on_joints:
            losses.append(_of_hardest(self._joint_losses(output, batch), top_k))
        return torch.stack(losses).sum()

    def _heatmap_losses(self, output: Tensor, index: int, batch: Batch) -> Tensor:
        """(B, K), or (B, K + 1) with a background."""
        labelled = (batch.visibility > 0).to(batch.keypoints.dtype)
        target = {**self._target(index), **self._interference(batch)}
        if not self.background:
            return pyposeops.gaussian_heatmap_loss(
                output, batch.keypoints, labelled, input_size=self.card.input_size, reduction="none", **target
            )
        size = output.shape[-2:]
        maps, weights = pyposeops.gaussian_heatmap(
            batch.keypoints, labelled, size, input_size=self.card.input_size, background=True, **target
        )
        if weights.shape[1] < maps.shape[1]:  # everywhere that no joint is counts
            weights = torch.cat([weights, weights.new_ones(len(weights), 1)], dim=1)
        return pyposeops.joints_mse_loss(output, maps.to(output.dtype), weights, reduction="none")

    def _target(self, index: int) -> dict[str, Any]:
        """What says how a stage's Gaussians look."""
        settings, encoding = self.settings, self.card.encoding
        if encoding == "megvii":
            return {"encoding": encoding, "kernel_size": settings.stage_kernels[index]}
        sigma = settings.stage_sigmas[index] if settings.stage_sigmas else self.card.sigma_px
        return {"encoding": encoding, "sigma": sigma}

    def _interference(self, batch: Batch) -> dict[str, Any]:
        """What the targets show of other people."""
        weight = self.settings.interference_weight
        if not weight:
            return {}
        if batch.others is None:
            raise UserError("loss.interference_weight: needs batches that tell who else is in the crops")
        return {
            "interference_keypoints": batch.others.keypoints,
            "interference_visibility": labelled_inside(*batch.others, self.card.input_size),
            "interference_weight": weight,
        }

    def _row_losses(self, output: Tensor, batch: Batch) -> Tensor:
        """(B, K): divergence of SimCC's distributions along x and y; 0 without a label."""
        labels = pyposeops.simcc_label(
            batch.keypoints,
            (batch.visibility > 0).to(batch.keypoints.dtype),
            self.card.input_size,
            split_ratio=SPLIT_RATIO,
            sigma=SIGMA_BINS,
        )
        rows = simcc_rows(output, self.card.input_size[1])
        return pyposeops.simcc_loss(*rows, labels.x, labels.y, labels.weights, reduction="none")

    def _joint_losses(self, output: Tensor, batch: Batch) -> Tensor:
        """(B, K): distance in units of the crop's width and height, the mean of both axes; 0 without a label.

        With a flow: the negative log-likelihood in these units.
        """
        height, width = self.card.input_size
        unit = batch.keypoints.new_tensor((width, height))
        # A joint without a label may be NaN, and NaN times 0 is no 0.
        labelled = (batch.visibility > 0)[..., None]
        wanted = torch.where(labelled, batch.keypoints / unit, 0.0)
        if self.flow is not None:
            return torch.where(labelled[..., 0], residual_log_likelihood_loss(output, wanted, self.flow), 0.0)
        found = expected_joints(output, self.card).coords / unit
        distance = {
            "l1": functional.l1_loss,
            "l2": functional.mse_loss,
            "smooth_l1": functional.smooth_l1_loss,
        }
        losses = distance[self.settings.distance](found, wanted, reduction="none")
        return torch.where(labelled, losses, 0.0).mean(dim=-1)


def _of_hardest(losses: Tensor, top_k: int) -> Tensor:
    """Mean of (B, K) losses, or of those of each person's hardest joints."""
    if top_k == 0:
        return losses.mean()
    return pyposeops.hardest_joints(losses, top_k=min(top_k, losses.shape[1]))
