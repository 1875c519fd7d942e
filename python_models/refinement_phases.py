"""How DeepPose's cascade is trained: stage after stage, each on crops displaced as the one before errs.

Source: Toshev and Szegedy, CVPR 2014, section 3.2, equation 8. The displacements are those of a normal distribution
with the mean and variance of the errors of the stage before, for each joint along x and y. Errors are counted in
torso lengths here, so that people of all sizes share one distribution.
"""

from collections.abc import Iterable
from dataclasses import replace

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

import pyposeops
from python_models.cascade import TORSO_RANGE, RefinementCascade, check_torso, joint_affines, torso_lengths
from python_models.data import Batch, OtherPeople
from python_models.errors import UserError
from python_models.model_card import ModelCard
from python_models.phases import Phase, Step, WholeNetwork, epochs_of, phases_of
from python_models.refinement import build_estimator
from python_models.settings import TrainSettings


@phases_of.register
def _(network: RefinementCascade, card: ModelCard, settings: TrainSettings) -> list[Phase]:
    check_torso(card.skeleton.joint_names)
    single = replace(card, stages=1)
    epochs = epochs_of(settings, card.stages)
    first = network.stages[0]
    phases = [Phase("stage 1", epochs[0], first, WholeNetwork(first, single, settings), trained_stages=1)]
    for index, stage in enumerate(network.stages[1:], 1):
        refinement = Refinement(network, index, card, settings)
        name = f"stage {index + 1}"
        phases.append(Phase(name, epochs[index], stage, refinement, index + 1, refinement.prepare))
    return phases


class Refinement:
    """The step of a later stage.

    Args:
        network: The whole cascade.
        index: Of the stage, from 1 on.
        card: Of the cascade.
        settings: `loss`, `crops_per_person` and `stages_start` count here.
    """

    def __init__(
        self, network: RefinementCascade, index: int, card: ModelCard, settings: TrainSettings
    ) -> None:
        self.network, self.index, self.card = network, index, card
        self.regress = WholeNetwork(network.stages[index], replace(card, stages=1), settings)
        self.starts_from_before = settings.stages_start == "before"
        self.crops_per_person = min(
            settings.crops_per_person or card.skeleton.num_joints, card.skeleton.num_joints
        )

    def __call__(self, part: nn.Module, batch: Batch, generator: torch.Generator) -> Step:
        """The loss is the mean over crops, of which each has one joint."""
        step = self.regress(part, self.closer_batch(batch, generator))
        return step._replace(loss=step.loss * self.card.skeleton.num_joints)

    def closer_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Crops around displaced joints, `crops_per_person` of each person, with that joint alone labelled.

        A person's joints are drawn without repetition, labelled ones first; a crop around a joint without label,
        or of a person whose torso is not labelled, has no label and does not count.
        """
        joints, displacements = self._draws(batch, generator)
        people = torch.arange(len(joints), device=joints.device).repeat_interleave(joints.shape[1])
        joints = joints.flatten()
        torsos = self._torsos(batch)[people]
        centres = batch.keypoints[people, joints] + displacements.flatten(0, 1) * torsos[:, None]
        size, convention = self.card.input_size, self.card.convention
        affines = joint_affines(centres, self.card.stage_torsos * torsos, size, convention)
        others = None
        if batch.others is not None:
            others = OtherPeople(*(of_all[people] for of_all in batch.others)).moved(affines)
        own = nn.functional.one_hot(joints, self.card.skeleton.num_joints) * torsos.isfinite()[:, None]
        return Batch(
            batch.source.closer(affines, people),
            pyposeops.transform_keypoints(batch.keypoints[people], affines),
            batch.visibility[people] * own,
            pyposeops.compose_affine(batch.affines[people], affines),
            batch.indices[people.cpu()],
            others=others,
        )

    def _draws(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Joints (N, C) and their displacements (N, C, 2) in torso lengths."""
        device = batch.keypoints.device
        order = torch.rand(batch.visibility.shape, generator=generator).to(device)
        joints = (order + (batch.visibility > 0)).topk(self.crops_per_person, dim=1).indices
        normal = torch.randn(*joints.shape, 2, generator=generator).to(device)
        before = self.index - 1
        mean, std = self.network.residual_mean[before], self.network.residual_std[before]
        return joints, mean[joints] + std[joints] * normal

    def _torsos(self, batch: Batch) -> Tensor:
        """(N,), within the range that stages work in; NaN where it is not labelled or has no length."""
        lengths = torso_lengths(batch.keypoints, self.card.skeleton.joint_names, batch.visibility > 0)
        least, most = (share * max(self.card.input_size) for share in TORSO_RANGE)
        return torch.where(lengths > 0, lengths.clamp(least, most), torch.nan)

    def prepare(self, batches: Iterable[Batch], fabric: Fabric) -> None:
        """Measure the stage before, and where asked for start from what it has learned."""
        self.measure(batches, fabric)
        if self.starts_from_before:
            before, own = self.network.stages[self.index - 1 : self.index + 1]
            own.load_state_dict(before.state_dict())

    def measure(self, batches: Iterable[Batch], fabric: Fabric) -> None:
        """Note mean and deviation of the errors of the stage before."""
        card = replace(self.card, trained_stages=self.index)
        estimator = build_estimator(self.network, card, device=fabric.device)
        sums = torch.zeros(5, self.card.skeleton.num_joints, dtype=torch.float64, device=fabric.device)
        for batch in batches:
            with fabric.autocast():
                found = estimator.from_crops(batch.crops, None, batch.source).keypoints
            errors = (found - batch.keypoints) / self._torsos(batch)[:, None, None]
            counted = (batch.visibility > 0) & errors.isfinite().all(-1)
            x, y = torch.where(counted[..., None], errors, 0.0).double().unbind(-1)
            sums += torch.stack([counted.double(), x, y, x.square(), y.square()]).sum(1)
        sums = fabric.all_reduce(sums, reduce_op="sum")
        if not sums[0].any():
            raise UserError(
                "stages: expected people with a labelled shoulder and opposite hip, which give the size of the crops "
                "of later stages, got none"
            )
        mean, square = (sums[1:] / sums[0].clamp_min(1)).T.unflatten(1, (2, 2)).unbind(1)
        self.network.residual_mean[self.index - 1] = mean
        self.network.residual_std[self.index - 1] = (square - mean.square()).clamp_min(0).sqrt()
