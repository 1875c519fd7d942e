"""What is found in one image, whatever finds it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


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


def whole_image(image: Tensor) -> Tensor:
    """The box of an image (H, W, 3) with the score 1, (1, 5)."""
    return torch.tensor([[0.0, 0.0, image.shape[1], image.shape[0], 1.0]])


# Images uint8 RGB (H, W, 3) and, for each, boxes (N, 5) of x, y, width, height and score; None: the whole image.
Finder = Callable[[Sequence[Tensor], Sequence[Tensor | None]], list[People]]
