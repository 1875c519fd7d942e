"""Running DeepPose's cascade: joints of the first stage, then of each later one, from closer and closer.

Source: Toshev and Szegedy, CVPR 2014, section 3.2, equations 5 to 7.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

import pyposeops
from python_models.cascade import TORSO_RANGE, RefinementCascade, joint_affines, torso_lengths
from python_models.data.crop_source import CropSource
from python_models.errors import UserError
from python_models.estimator import PoseEstimator, Poses
from python_models.model_card import ModelCard


class RefiningEstimator(PoseEstimator):
    """A `PoseEstimator` for a cascade; it takes the same arguments.

    A stage's answer for a joint is read from the crop around that joint, and from the mirrored one with `flip_test`.
    """

    def __init__(self, network: RefinementCascade, card: ModelCard, **options: Any) -> None:
        super().__init__(network, card, **options)
        single = replace(card, stages=1, trained_stages=None)
        own = {name: value for name, value in options.items() if name != "scales"}
        self.regressors = [
            PoseEstimator(stage, single, **own) for stage in network.stages[: card.trained_stages]
        ]

    def from_crops(self, crops: Tensor, affines: Tensor | None, source: CropSource | None = None) -> Poses:
        return self.stage_poses(crops, affines, source)[-1]

    def stage_poses(
        self, crops: Tensor, affines: Tensor | None, source: CropSource | None = None
    ) -> list[Poses]:
        if source is None and len(self.regressors) > 1:
            raise UserError(f"{self.card.model}: its stages look at the image again; crops alone do not do")
        found = [self.regressors[0].from_crops(crops, None)]
        for regressor in self.regressors[1:]:
            found.append(self._closer(regressor, found[-1], source))
        if affines is None:
            return found
        inverse = pyposeops.invert_affine(affines.to(crops.device))
        return [Poses(pyposeops.transform_keypoints(joints, inverse), scores) for joints, scores in found]

    def stage_count(self) -> int:
        return len(self.regressors)

    def _closer(self, regressor: PoseEstimator, before: Poses, source: CropSource) -> Poses:
        """What a stage makes of the joints of the one before, both in pixels of the people's crops."""
        least, most = (share * max(self.card.input_size) for share in TORSO_RANGE)
        torsos = torso_lengths(before.keypoints, self.card.skeleton.joint_names).clamp(least, most)
        sides, people = self.card.stage_torsos * torsos, torch.arange(len(torsos), device=torsos.device)
        found = []
        for joint, centres in enumerate(before.keypoints.unbind(1)):
            affines = joint_affines(centres, sides, self.card.input_size, self.card.convention)
            poses = regressor.from_crops(source.closer(affines, people), affines)
            found.append((poses.keypoints[:, joint], poses.scores[:, joint]))
        return Poses(*(torch.stack(values, dim=1) for values in zip(*found, strict=True)))


def build_estimator(network: nn.Module, card: ModelCard, **options: Any) -> PoseEstimator:
    """The estimator for a network: see `PoseEstimator` for the options."""
    if isinstance(network, RefinementCascade):
        return RefiningEstimator(network, card, **options)
    return PoseEstimator(network, card, **options)
