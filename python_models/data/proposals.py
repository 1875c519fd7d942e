"""Boxes such as a detector would give, drawn around labelled people: RMPE's pose-guided proposals generator.

Source: Fang, Xie, Tai and Lu, "RMPE: Regional Multi-person Pose Estimation", ICCV 2017, section 3.4; numbers of the
published code.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from python_models.data.augment import AugmentationDraw
from python_models.data.torso_pose import torso_poses
from python_models.errors import UserError

NONE, PUBLISHED = "none", "published"
FILE_KIND = "pyposeops proposals"
# Left, top, right and bottom side of a box: where they are beside those of the true box, in units of its width and
# height; mean and standard deviation.
_SIDES = ((-0.0142, 0.1158), (0.0043, 0.0680), (0.0154, 0.1337), (-0.0013, 0.0711))
# Of a number drawn from 0 to 1: above this the box is a random part of the true one, that number wide and high.
_PATCH_FROM = 0.85
# People with more joints are cut to a quarter or a half of the box, each of the eight with this probability.
_CUT_ABOVE_JOINTS, _CUT_PROBABILITY = 13, 0.04
# x, y, width and height in units of the box.
_CUTS = (
    *((x, y, 0.5, 0.5) for y in (0.0, 0.5) for x in (0.0, 0.5)),
    (0.0, 0.0, 0.5, 1.0),
    (0.5, 0.0, 0.5, 1.0),
    (0.0, 0.0, 1.0, 0.5),
    (0.0, 0.5, 1.0, 0.5),
)
_LEAST = 0.1  # of the true box's width and height that a drawn box has at least


class Proposals(ABC):
    """Draws boxes around people."""

    @abstractmethod
    def sides(
        self, boxes: Tensor, keypoints: Tensor, visibility: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Where left, top, right and bottom are beside the true ones, (N, 4), in units of width and height."""

    def apply(
        self,
        draw: AugmentationDraw,
        boxes: Tensor,
        keypoints: Tensor,
        visibility: Tensor,
        generator: torch.Generator,
    ) -> AugmentationDraw:
        """The draw of a batch with boxes such as a detector gives, but for people who are cut to half a body.

        Args:
            draw: of the augmentation.
            boxes: (N, 4) xywh, the true ones; keypoints: (N, K, 2) in image pixels; visibility: (N, K).
            generator: CPU generator; it advances by the same amount for all people.
        """
        offsets = self.sides(boxes, keypoints, visibility, generator)
        found, part = self._parts(moved(boxes, offsets), boxes, visibility, generator)
        return draw._replace(boxes=torch.where(draw.part[:, None], draw.boxes, found), part=draw.part | part)

    def _parts(
        self, found: Tensor, boxes: Tensor, visibility: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Boxes, and whether they show a part of the person on purpose."""
        return found, torch.zeros(len(boxes), dtype=torch.bool)


class PublishedProposals(Proposals):
    """One Gaussian for each side, whatever the pose; and now and then a part of the person, as in the public code.

    Unlike there, boxes may reach over the edge of the image.
    """

    def sides(
        self, boxes: Tensor, keypoints: Tensor, visibility: Tensor, generator: torch.Generator
    ) -> Tensor:
        mean, deviation = torch.tensor(_SIDES).unbind(1)
        return mean + deviation * torch.randn(len(boxes), 4, generator=generator)

    def _parts(
        self, found: Tensor, boxes: Tensor, visibility: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        share, x, y, cut = torch.rand(len(boxes), 4, generator=generator).unbind(1)
        patch = share > _PATCH_FROM
        places = torch.stack([x * (1 - share), y * (1 - share), share, share], dim=1)
        found = torch.where(patch[:, None], within(boxes, places), found)
        which = (cut / _CUT_PROBABILITY).long()
        cuts = torch.tensor(_CUTS)
        use_cut = ((visibility > 0).sum(1) > _CUT_ABOVE_JOINTS) & (which < len(cuts))
        quarters = within(found, cuts[which.clamp_max(len(cuts) - 1)])
        return torch.where(use_cut[:, None], quarters, found), patch | use_cut


class AtomicPose(NamedTuple):
    """People in similar poses, and how a detector's boxes lie around them: a mixture of C Gaussians."""

    pose: Tensor  # (K, 2), see `torso_poses`
    share: float  # of all people
    weights: Tensor  # (C,)
    means: Tensor  # (C, 4)
    factors: Tensor  # (C, 4, 4), lower triangular: the covariances are factors @ factors.T


class LearnedProposals(Proposals):
    """What `python -m python_models proposals` has learned from the boxes of a detector.

    Args:
        atoms: at least one. Whose torso is not labelled is as often of each as its share says.
        joint_names: of their poses.
    """

    def __init__(self, atoms: list[AtomicPose], joint_names: list[str]) -> None:
        self.atoms, self.joint_names = atoms, joint_names

    def sides(
        self, boxes: Tensor, keypoints: Tensor, visibility: Tensor, generator: torch.Generator
    ) -> Tensor:
        count = len(boxes)
        which, mixed = torch.rand(2, count, generator=generator)
        normal = torch.randn(count, 4, generator=generator)
        members = self._atoms(keypoints, visibility, which)
        result = torch.zeros(count, 4)
        for number, atom in enumerate(self.atoms):
            component = torch.bucketize(mixed, atom.weights.cumsum(0), right=True).clamp_max(
                len(atom.weights) - 1
            )
            own = atom.means[component] + (atom.factors[component] @ normal[..., None])[..., 0]
            result = torch.where((members == number)[:, None], own, result)
        return result

    def _atoms(self, keypoints: Tensor, visibility: Tensor, which: Tensor) -> Tensor:
        """The nearest atomic pose of each person by the joints that are labelled, (N,)."""
        shares = torch.tensor([atom.share for atom in self.atoms])
        any_atom = torch.bucketize(which, shares.cumsum(0), right=True).clamp_max(len(self.atoms) - 1)
        poses, known = torso_poses(keypoints, visibility, self.joint_names)
        wanted = torch.stack([atom.pose for atom in self.atoms])
        apart = (poses[:, None] - wanted).square().sum(-1)
        labelled = (visibility > 0)[:, None]
        nearest = torch.where(labelled, apart, 0.0).sum(-1).argmin(1)
        return torch.where(known, nearest, any_atom)


def moved(boxes: Tensor, offsets: Tensor) -> Tensor:
    """Boxes (N, 4) xywh with sides moved by `offsets` (N, 4); at least a tenth as wide and high as they were."""
    extents = boxes[:, 2:]
    low = boxes[:, :2] + offsets[:, :2] * extents
    high = boxes[:, :2] + (1 + offsets[:, 2:]) * extents
    return torch.cat([low, torch.maximum(high - low, _LEAST * extents)], dim=1)


def within(boxes: Tensor, places: Tensor) -> Tensor:
    """Boxes that lie in others (N, 4) xywh as `places` (N, 4) say, in units of these."""
    return torch.cat([boxes[:, :2] + places[:, :2] * boxes[:, 2:], places[:, 2:] * boxes[:, 2:]], dim=1)


def open_proposals(name: str, joint_names: tuple[str, ...]) -> Proposals | None:
    """`none`, `published`, or those of a file.

    Raises: UserError for a file that is not there or was not written for that, or for other joints.
    """
    if name == NONE:
        return None
    if name == PUBLISHED:
        return PublishedProposals()
    try:
        content = json.loads(Path(name).read_text())
        if content["kind"] != FILE_KIND:
            raise ValueError(f"kind {content['kind']!r}")
        learned = LearnedProposals([atom_of(own) for own in content["atoms"]], list(content["joint_names"]))
        _check_atoms(learned)
    except OSError as error:
        raise UserError(
            f"augmentation.proposals: expected none, published or a file, got {name!r} ({error.strerror})"
        ) from error
    except (ValueError, KeyError, TypeError, np.linalg.LinAlgError) as error:
        raise UserError(
            f"augmentation.proposals {name}: not written by the command proposals ({type(error).__name__}: {error})"
        ) from error
    if tuple(learned.joint_names) != joint_names:
        raise UserError(
            f"augmentation.proposals {name}: learned for the joints {', '.join(learned.joint_names)}; the data have "
            f"{', '.join(joint_names)}"
        )
    return learned


def _check_atoms(learned: LearnedProposals) -> None:
    """Raise ValueError where nothing, or no box, could be drawn."""
    if not learned.atoms:
        raise ValueError("no atoms")
    for number, (pose, share, weights, means, factors) in enumerate(learned.atoms):
        if len(pose) != len(learned.joint_names) or not len(weights) == len(means) == len(factors) > 0:
            raise ValueError(f"atom {number}: sizes of its lists differ")
        if not all(own.isfinite().all() for own in (pose, weights, means, factors)):
            raise ValueError(f"atom {number}: not all numbers are finite")
        if not (share > 0 and (weights >= 0).all() and weights.sum() > 0):
            raise ValueError(f"atom {number}: share and weights are to be above 0")


def atom_of(content: dict[str, Any]) -> AtomicPose:
    """As the command writes it."""
    pose, weights, means, covariances = (
        np.asarray(content[name], np.float64).reshape(shape)
        for name, shape in (
            ("pose", (-1, 2)),
            ("weights", -1),
            ("means", (-1, 4)),
            ("covariances", (-1, 4, 4)),
        )
    )
    tensors = (torch.from_numpy(own).float() for own in (weights, means, np.linalg.cholesky(covariances)))
    return AtomicPose(torch.from_numpy(pose).float(), float(content["share"]), *tensors)
