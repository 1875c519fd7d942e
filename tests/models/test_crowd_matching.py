"""CrowdPose's way from boxes to people, on maps that are drawn: whose joint is whose, and who is nobody."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import pyposeops
from pyposeops.solvers import CrowdPeople, match_joints
from python_models import crowd_matching
from python_models.crowd_matching import CrowdMatching
from python_models.data import COCO_SKELETON, GeneratedCrowds
from python_models.errors import UserError
from python_models.estimator import PoseEstimator
from python_models.model_card import ModelCard

SIZE = (256, 192)
CPU = torch.device("cpu")


class Drawn(PoseEstimator):
    """An estimator whose heat maps are drawn: in every crop, joints of all people in it, the box's own the highest.

    people: (N, K, 2) in pixels of the image; owners: whose box each of the boxes to come is; faint: joints that
    hardly show.
    """

    faint: tuple[int, ...] = ()

    def __init__(self, people: Tensor, visibility: Tensor, owners: list[int], encoding: str = "msra") -> None:
        card = ModelCard("pose_resnet18", SIZE, COCO_SKELETON, encoding=encoding)
        super().__init__(lambda crops: crops, card, device=CPU)
        self.people, self.visibility, self.owners, self.seen = people, visibility, owners, 0

    def heatmaps(self, crops: Tensor) -> Tensor:
        affines = self.last.affines
        maps = []
        for affine in affines:
            places = pyposeops.transform_keypoints(self.people, affine.expand(len(self.people), 2, 3))
            owner, self.seen = self.owners[self.seen], self.seen + 1
            own = []
            for person in range(len(self.people)):
                drawn = pyposeops.gaussian_heatmap(
                    places[person, None],
                    self.visibility[person, None],
                    (SIZE[0] // 4, SIZE[1] // 4),
                    sigma=2.0,
                    encoding="udp" if self.card.encoding == "udp" else "unbiased",
                    input_size=SIZE,
                ).heatmaps[0]
                drawn[list(self.faint)] *= 0.08
                own.append(drawn if person == owner else 0.6 * drawn)
            maps.append(torch.stack(own).amax(0))
        return torch.stack(maps)

    def source(self, *arguments: object) -> object:
        self.last = super().source(*arguments)
        return self.last


def crowd(crowding: float, index: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Image, joints, visibility and boxes (N, 5) of a generated crowd."""
    dataset = GeneratedCrowds(9, index + 1, crowding)
    own = [record for record in dataset.records if record.image == index]
    boxes = torch.from_numpy(np.stack([record.box_xywh for record in own]))
    return (
        torch.from_numpy(dataset.load_image(own[0])),
        torch.from_numpy(np.stack([record.keypoints for record in own])),
        torch.from_numpy(np.stack([record.visibility for record in own])),
        torch.cat([boxes, torch.ones(len(own), 1)], dim=1),
    )


@pytest.mark.parametrize("encoding", ["msra", "udp"])
def test_drawn_people_come_back_from_their_boxes(encoding: str):
    for index in range(4):
        image, people, visibility, boxes = crowd(0.3, index)
        finder = CrowdMatching(Drawn(people, visibility, list(range(len(people))), encoding), batch_size=3)
        (found,) = finder([image], [boxes])
        assert len(found.keypoints) == len(people)
        error = (found.keypoints - people).norm(dim=-1)
        scale = boxes[:, 3:4] / SIZE[0]  # pixels of the image in one of the crop, at most
        both = (visibility > 0) & (found.scores > 0)
        assert both.float().mean() > 0.9
        # Joints of two people within each other's reach become one node, between them.
        assert (error / scale)[both].median() < 2.0
        torch.testing.assert_close(found.boxes, boxes[:, :4])


def test_a_second_box_around_somebody_gives_nobody_else():
    image, people, visibility, boxes = crowd(0.6, 2)
    owners = [*range(len(people)), 0, 1]
    twice = torch.cat([boxes, boxes[:2] + torch.tensor([3.0, -2.0, 4.0, 3.0, -0.1])])
    (found,) = CrowdMatching(Drawn(people, visibility, owners))([image], [twice])
    assert len(found.keypoints) == len(people)
    distance = (found.keypoints[:, None] - people).norm(dim=-1)
    known = (found.scores[:, None] > 0) & (visibility > 0)
    mean = torch.where(known, distance, 0).sum(-1) / known.sum(-1).clamp_min(1)
    assert mean.argmin(1).sort().values.tolist() == list(range(len(people)))


def test_joints_that_nobody_is_given_are_where_the_box_responds_most():
    image, people, visibility, boxes = crowd(0.3, 1)
    drawn = Drawn(people, visibility, list(range(len(people))))
    drawn.faint = (5, 16)
    (found,) = CrowdMatching(drawn)([image], [boxes])
    assert not found.scores[:, [5, 16]].any() and (found.scores[:, [6, 11]] > 0).all()
    error = (found.keypoints - people).norm(dim=-1)[:, [5, 16]] / (boxes[:, 3:4] / SIZE[0])
    assert error[visibility[:, [5, 16]] > 0].median() < 2.0


def test_boxes_that_share_somebody_out_find_him_once():
    image, people, visibility, boxes = crowd(0.9, 1)
    thrice = torch.cat(
        [boxes, *(boxes + torch.tensor([shift, 2.0, 0.0, 0.0, -0.01]) for shift in (-3.0, 3.0))]
    )
    owners = list(range(len(people))) * 3
    (found,) = CrowdMatching(Drawn(people, visibility, owners))([image], [thrice])
    assert len(found.keypoints) == len(people)


def test_peaks_are_refined_by_their_neighbours_alone():
    _, people, visibility, _ = crowd(0.0, 0)
    assert CrowdMatching(Drawn(people, visibility, [])).refine == "quarter"
    assert CrowdMatching(Drawn(people, visibility, [], "udp")).refine == "parabola"


@pytest.mark.parametrize(("encoding", "pixel"), [("msra", 4.0), ("udp", 191 / 47)])
def test_a_pixel_of_the_maps_is_known_in_pixels_of_the_image(
    encoding: str, pixel: float, monkeypatch: pytest.MonkeyPatch
):
    image, people, visibility, _ = crowd(0.0, 0)
    boxes = torch.tensor([[10.0, 10.0, 30.0, 120.0, 1.0], [10.0, 10.0, 90.0, 60.0, 1.0]])
    given: dict[str, Any] = {}

    def noted(*found: Any, **options: Any) -> CrowdPeople:
        given.update(options)
        return match_joints(*found, **options)

    monkeypatch.setattr(crowd_matching, "match_joints", noted)
    CrowdMatching(Drawn(people, visibility, [0, 0], encoding))([image], [boxes])
    widths = torch.tensor([1.25 * 120 * 0.75, 1.25 * 90])  # the side that is longer for the crop decides
    last = 1.0 if encoding == "udp" else 0.0
    torch.testing.assert_close(given["pixels"], pixel * widths / (SIZE[1] - last))


def test_boxes_without_a_score_lose_to_those_with_one():
    image, people, visibility, boxes = crowd(0.0, 0)
    same = torch.cat([boxes[:1], boxes[:1] * torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0])])
    (both,) = CrowdMatching(Drawn(people, visibility, [0, 0]))([image], [same])
    assert len(both.keypoints) == 1
    (alone,) = CrowdMatching(Drawn(people, visibility, [0]))([image], [same[1:]])
    assert len(alone.keypoints) == 1 and alone.person_scores[0] < both.person_scores[0]
    torch.testing.assert_close(alone.scores, both.scores)


def test_images_without_boxes_are_looked_at_whole_and_those_with_none_have_nobody():
    image, people, visibility, boxes = crowd(0.0, 0)
    finder = CrowdMatching(Drawn(people, visibility, [0]))
    whole, nobody = finder([image, image], [None, boxes[:0]])
    assert whole.boxes.tolist() == [[0.0, 0.0, image.shape[1], image.shape[0]]]
    assert nobody.keypoints.shape == (0, 17, 2) and nobody.boxes.shape == (0, 4)


def test_networks_without_heat_maps_are_refused():
    card = ModelCard("deeppose_resnet18", SIZE, COCO_SKELETON)
    with pytest.raises(UserError, match="model deeppose_resnet18: crowds are matched by peaks of heat maps"):
        CrowdMatching(PoseEstimator(lambda crops: crops, card, device=CPU))
