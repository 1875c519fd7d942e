"""AlphaPose's way from boxes to people: one pose in each box, then the pose NMS that merges those of one person.

Source: Fang, Xie, Tai and Lu, "RMPE: Regional Multi-person Pose Estimation", ICCV 2017, section 3.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

import pyposeops
from pyposeops.ops.parametric_pose_nms import PoseNmsVariant
from python_models.people import Finder, People


class AlphaPose:
    """People in noisy boxes, each once; a `python_models.people.Finder`.

    Where boxes are missing the whole image is one. A person's score is the mean of his joints' plus 1.25 times their
    largest plus that of his box, as published. Who is found in several boxes is merged, and has the box of the one
    with the best joints.

    Args:
        finder: Finds one person in each box.
        variant: Of the pose NMS: "relative", distances in units of the box; "paper", as printed; or "alphapose", the
            public PyTorch code's rule.
        score_threshold: People whose best joint is below it are dropped.
    """

    def __init__(
        self, finder: Finder, *, variant: PoseNmsVariant = "relative", score_threshold: float = 0.3
    ) -> None:
        self.finder, self.variant, self.score_threshold = finder, variant, score_threshold

    def __call__(self, images: Sequence[Tensor], boxes: Sequence[Tensor | None]) -> list[People]:
        found = self.finder(images, boxes)
        return [self._merged(own, given) for own, given in zip(found, boxes, strict=True)]

    def _merged(self, people: People, given: Tensor | None) -> People:
        """The people of one image, the best first; `given` are the boxes with their scores."""
        frames = people.frames()
        box_scores = torch.ones(len(frames)) if given is None else given[:, 4]
        merged = pyposeops.parametric_pose_nms(
            frames,
            box_scores,
            people.keypoints,
            people.scores.clamp_min(0),
            variant=self.variant,
            score_threshold=self.score_threshold,
        )
        rows = merged.order[merged.keep[merged.order]]
        rows = rows[merged.scores[rows].argsort(descending=True, stable=True)]
        return People(merged.keypoints[rows], merged.keypoint_scores[rows], merged.scores[rows], frames[rows])
