"""What is found in one image, whatever finds it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

import pyposeops


class People(NamedTuple):
    """The N people of one image; float32, on the CPU."""

    keypoints: Tensor  # (N, K, 2), (x, y) in image pixels, centre of the first pixel 0.0
    scores: Tensor  # (N, K), 0 for a joint that the person lacks
    person_scores: Tensor  # (N,)
    boxes: Tensor | None = None  # (N, 4) xywh that they were looked for in; None: none were needed

    @classmethod
    def nobody(cls, joints: int) -> "People":
        """An image without people."""
        return cls(torch.zeros(0, joints, 2), torch.zeros(0, joints), torch.zeros(0))

    def frames(self) -> Tensor:
        """The boxes, or else those around the joints that people have, (N, 4) xywh; zeros for no joints."""
        if self.boxes is not None:
            return self.boxes
        has = (self.scores > 0)[..., None]
        low = torch.where(has, self.keypoints, torch.inf).amin(1)
        high = torch.where(has, self.keypoints, -torch.inf).amax(1)
        return torch.where(has.any(1), torch.cat([low, high - low], dim=1), 0.0)


def without_repeats(people: People, sigmas: Sequence[float], similarity: float) -> People:
    """Those of an image to whom no better one is more similar than `similarity`, by object keypoint similarity.

    Greedily, the best first; the area of a person is that of the box.
    """
    areas = people.frames()[:, 2:].prod(1)
    keep = pyposeops.oks_nms(
        people.keypoints, people.person_scores, areas, sigmas=sigmas, threshold=similarity
    ).keep
    return People(*(None if column is None else column[keep] for column in people))


def whole_image(image: Tensor) -> Tensor:
    """The box of an image (H, W, 3) with the score 1, (1, 5)."""
    return torch.tensor([[0.0, 0.0, image.shape[1], image.shape[0], 1.0]])


# Images uint8 RGB (H, W, 3) and, for each, boxes (N, 5) of x, y, width, height and score; None: the whole image.
Finder = Callable[[Sequence[Tensor], Sequence[Tensor | None]], list[People]]


class WithoutRepeats:
    """A finder's people without those who repeat a better one, see `without_repeats`; a `Finder` itself."""

    def __init__(self, finder: Finder, sigmas: Sequence[float], similarity: float) -> None:
        self.finder, self.sigmas, self.similarity = finder, sigmas, similarity

    def __call__(self, images: Sequence[Tensor], boxes: Sequence[Tensor | None]) -> list[People]:
        found = self.finder(images, boxes)
        return [without_repeats(people, self.sigmas, self.similarity) for people in found]
