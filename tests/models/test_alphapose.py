"""AlphaPose's chain: several boxes of one person give one, two people stay two."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

import pyposeops
from python_models.alphapose import AlphaPose
from python_models.methods import METHODS, FinderSettings, method_for
from python_models.model_card import ModelCard
from python_models.people import People
from tests.models.tiny import DOTS, TINY_OPTIONS

IMAGE = torch.zeros(100, 200, 3, dtype=torch.uint8)
BODY = torch.tensor([[0.1, 0.1], [0.9, 0.2], [0.3, 0.5], [0.7, 0.5], [0.4, 0.9], [0.6, 0.8]]).repeat(3, 1)
BODY += torch.rand(18, 2, generator=torch.Generator().manual_seed(0)) * 0.1
BOXES = torch.tensor(
    [[10.0, 10, 40, 80, 0.9], [10.5, 9.5, 40, 80.5, 0.7], [120, 10, 40, 80, 0.8], [60, 10, 30, 30, 0.9]]
)
SCORES = torch.tensor([0.6, 0.9, 0.8, 0.1])[:, None].expand(-1, 18)


class InBoxes:
    """Everybody stands in his box as `BODY` says."""

    def __init__(self, **changes: Any) -> None:
        self.scores = changes.get("scores", SCORES)

    def __call__(self, images: Sequence[Tensor], boxes: Sequence[Tensor | None]) -> list[People]:
        people = []
        for given in boxes:
            own = torch.tensor([[0.0, 0, 200, 100, 1]]) if given is None else given
            joints = own[:, None, :2] + BODY * own[:, None, 2:4]
            scores = self.scores[: len(own)]
            people.append(People(joints, scores, scores.mean(1), own[:, :4]))
        return people


@pytest.mark.parametrize("variant", ["relative", "paper", "alphapose"])
def test_boxes_of_one_person_become_one(variant: str):
    (found,) = AlphaPose(InBoxes(), variant=variant)([IMAGE], [BOXES])
    assert found.keypoints.shape == (2, 18, 2)  # the last box shows nobody
    torch.testing.assert_close(found.boxes, BOXES[[2, 1], :4])
    assert found.person_scores[0] > found.person_scores[1]
    joints = BOXES[:, None, :2] + BODY * BOXES[:, None, 2:4]
    mean = (0.6 * joints[0] + 0.9 * joints[1]) / 1.5
    torch.testing.assert_close(found.keypoints, torch.stack([joints[2], mean]))
    torch.testing.assert_close(found.scores[1], torch.full((18,), (0.36 + 0.81) / 1.5))
    torch.testing.assert_close(found.person_scores[0], torch.tensor(0.8 + 0.8 + 1.25 * 0.8))


def test_images_are_looked_at_each_for_itself():
    together = AlphaPose(InBoxes())([IMAGE, IMAGE, IMAGE], [BOXES[:1], BOXES[1:3], BOXES[:0]])
    assert [len(people.keypoints) for people in together] == [1, 2, 0]


def test_without_boxes_the_image_is_one():
    (found,) = AlphaPose(InBoxes())([IMAGE], [None])
    torch.testing.assert_close(found.boxes, torch.tensor([[0.0, 0, 200, 100]]))
    torch.testing.assert_close(found.person_scores, torch.tensor([0.6 + 1 + 1.25 * 0.6]))


def test_it_is_a_method_of_predict_for_every_network_that_sees_crops():
    assert method_for("alphapose", "fastpose_res50") is METHODS["alphapose"]
    assert method_for("auto", "fastpose_res50") is METHODS["topdown"]
    card = ModelCard("pose_resnet18", (32, 32), DOTS, options=TINY_OPTIONS)
    torch.manual_seed(0)
    settings = FinderSettings(device=torch.device("cpu"))
    network = card.create().eval()
    finder = METHODS["alphapose"].build(network, card, settings)
    finder.score_threshold = 0.0
    plain = METHODS["topdown"].build(network, card, settings)
    with torch.no_grad():
        (found,), (before,) = (own([IMAGE], [BOXES[2:3]]) for own in (finder, plain))
    torch.testing.assert_close(found.keypoints, before.keypoints)
    boxes, scores = BOXES[2:3, :4], BOXES[2:3, 4]
    merged = pyposeops.parametric_pose_nms(
        boxes, scores, before.keypoints, before.scores.clamp_min(0), score_threshold=0.0
    )
    torch.testing.assert_close(found.person_scores, merged.scores)
