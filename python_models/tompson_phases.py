"""How Tompson et al.'s cascade is trained: the coarse network; the fine one with the coarse one fixed; both together.

Source: Tompson et al., CVPR 2015, section 4. The fine network learns at windows around the labels, displaced at
random; both together at the windows that the coarse network chooses, as they will be used.
"""

import torch
from torch import Tensor, nn

import pyposeops
from python_models.data import Batch
from python_models.errors import UserError
from python_models.model_card import ModelCard
from python_models.objectives import LossSettings
from python_models.outputs import crop_joints
from python_models.phases import Phase, Step, accuracy_of, epochs_of, phases_of
from python_models.settings import TrainSettings
from python_models.tompson_cascade import (
    NOISE,
    CascadeMaps,
    TompsonCascade,
    cascade_losses,
    coarse_loss,
    fine_loss,
    paste_windows,
)


@phases_of.register
def _(network: TompsonCascade, card: ModelCard, settings: TrainSettings) -> list[Phase]:
    if settings.loss != LossSettings():
        raise UserError(f"loss: {card.model} has losses of its own, one in each phase")
    epochs, steps = epochs_of(settings, 3), TompsonSteps(network, card)
    return [
        Phase("coarse", epochs[0], network.coarse, steps.coarse, trained_stages=1),
        Phase("fine", epochs[1], network.fine, steps.fine),
        Phase("both", epochs[2], BothNetworks(network), steps.both),
    ]


class BothNetworks(nn.Module):
    """The cascade, giving the fine network's windows as they are."""

    def __init__(self, network: TompsonCascade) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> CascadeMaps:
        return self.network.maps(image)


class TompsonSteps:
    """The step of each phase."""

    def __init__(self, network: TompsonCascade, card: ModelCard) -> None:
        self.network, self.card, self.size = network, card, card.input_size
        self.target = {"sigma": card.sigma_px, "encoding": card.encoding}

    def coarse(self, part: nn.Module, batch: Batch, generator: torch.Generator) -> Step:
        """E1."""
        maps = part(batch.crops)
        loss = coarse_loss(maps, batch.keypoints, batch.visibility, input_size=self.size, **self.target)
        return Step(loss, lambda: accuracy_of(crop_joints(maps.detach(), self.card).coords, batch, self.card))

    def fine(self, part: nn.Module, batch: Batch, generator: torch.Generator) -> Step:
        """E2 at displaced labels; gradients end at the features."""
        centres = noisy_centres(batch.keypoints, NOISE * self.network.window_px, generator)
        with torch.no_grad():
            features = self.network.coarse.first_features(batch.crops)
            windows = pyposeops.crop_features(features, centres, self.network.window_px)
        maps = part(windows)
        loss = fine_loss(maps, centres, batch.keypoints, batch.visibility, **self.target)
        return Step(loss, lambda: accuracy_of(self._joints(maps, centres), batch, self.card))

    def both(self, part: nn.Module, batch: Batch, generator: torch.Generator) -> Step:
        """E1 + 0.1 E2."""
        maps = part(batch.crops)
        losses = cascade_losses(maps, batch.keypoints, batch.visibility, input_size=self.size, **self.target)
        return Step(
            losses.joint, lambda: accuracy_of(self._joints(maps.fine, maps.centres), batch, self.card)
        )

    def _joints(self, windows: Tensor, centres: Tensor) -> Tensor:
        """(N, K, 2) in crop pixels: maxima of the windows."""
        origins = pyposeops.crop_origins(centres, self.network.window_px)
        return crop_joints(paste_windows(windows.detach(), origins, self.size), self.card).coords


def noisy_centres(keypoints: Tensor, sigma_px: float, generator: torch.Generator) -> Tensor:
    """Where windows are cut while the fine network learns: the joints, displaced as a coarse network might.

    Args:
        keypoints: (N, K, 2) in crop pixels. NaN stays NaN.
        sigma_px: Standard deviation along x and along y.
        generator: On the CPU.
    """
    return keypoints + sigma_px * torch.randn(keypoints.shape, generator=generator).to(keypoints)
