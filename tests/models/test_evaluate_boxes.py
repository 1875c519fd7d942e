"""COCO's figures of people who were found in the boxes of a detector, and the methods that find them."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor

from python_models.data import COCO_SKELETON, GeneratedCrowds, ImagePeople
from python_models.errors import UserError
from python_models.estimator import PoseEstimator, Poses
from python_models.evaluate import evaluate
from python_models.methods import TopDown
from python_models.model_card import ModelCard
from python_models.people import People, WithoutRepeats
from python_models.people_scores import FoundPeople, find_dataset, score_people

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def crowds() -> ImagePeople:
    return ImagePeople(GeneratedCrowds(3, 3, 0.2))


class Knowing:
    """Finds in each box whoever is labelled with it, a few pixels away where the box's score is low."""

    def __init__(self, crowds: ImagePeople) -> None:
        self.records = crowds.dataset.records

    def __call__(self, images: Sequence[Tensor], boxes: Sequence[Tensor | None]) -> list[People]:
        return [self._people(own) for own in boxes]

    def _people(self, boxes: Tensor) -> People:
        rows = []
        for box in boxes:
            distance = [(torch.from_numpy(own.box_xywh) - box[:4]).abs().sum() for own in self.records]
            nearest = self.records[int(torch.stack(distance).argmin())]
            rows.append(torch.from_numpy(nearest.keypoints) + (1 - box[4]))
        points = torch.stack(rows) if rows else torch.zeros(0, 17, 2)
        return People(points, torch.ones(points.shape[:2]), boxes[:, 4].clone(), boxes[:, :4])


def labelled_boxes(crowds: ImagePeople, score: float = 1.0) -> dict[int, Tensor]:
    found: dict[int, list[Tensor]] = {}
    for record in crowds.dataset.records:
        box = torch.cat([torch.from_numpy(record.box_xywh), torch.tensor([score])])
        found.setdefault(record.image_id, []).append(box)
    return {image_id: torch.stack(own) for image_id, own in found.items()}


def figures(crowds: ImagePeople, boxes: dict[int, Tensor], similarity: float | None = None) -> FoundPeople:
    finder = Knowing(crowds)
    chosen = finder if similarity is None else WithoutRepeats(finder, COCO_SKELETON.sigmas, similarity)
    fabric = Fabric(accelerator="cpu", devices=1)
    return find_dataset(chosen, COCO_SKELETON, crowds, fabric, batch_size=2, workers=0, boxes=boxes)


def test_whoever_is_found_in_his_own_box_counts_fully(crowds: ImagePeople):
    found = figures(crowds, labelled_boxes(crowds))
    assert len(found.results) == len(crowds.dataset.records)
    assert score_people(crowds, found)["AP"] == pytest.approx(1.0)


def test_images_without_boxes_have_nobody(crowds: ImagePeople):
    boxes = labelled_boxes(crowds)
    missing = len(boxes.pop(crowds.records[0].image_id))
    found = figures(crowds, boxes)
    assert found.image_ids == [record.image_id for record in crowds.records]
    share = 1 - missing / len(crowds.dataset.records)
    assert score_people(crowds, found)["AR"] == pytest.approx(share)


def test_people_found_twice_cost_precision_unless_they_are_dropped(crowds: ImagePeople):
    sure, unsure = labelled_boxes(crowds, 1.0), labelled_boxes(crowds, 0.9)
    # Somebody's repetition comes before somebody else.
    first = crowds.records[0].image_id
    boxes = {**unsure, first: torch.cat([sure[first], sure[first] - torch.tensor([0, 0, 0, 0, 0.05])])}
    assert score_people(crowds, figures(crowds, boxes))["AP"] < 0.95
    kept = figures(crowds, boxes, similarity=0.9)
    assert len(kept.results) == len(crowds.dataset.records)
    assert score_people(crowds, kept)["AP"] == pytest.approx(1.0)


class Sure(PoseEstimator):
    """Finds joints with given scores."""

    def __init__(self, scores: Tensor) -> None:
        super().__init__(lambda crops: crops, ModelCard("pose_resnet18", (64, 48), COCO_SKELETON), device=CPU)
        self.wanted = scores

    def from_images(self, images: Sequence[Tensor], boxes: Tensor, image_index: Tensor) -> Poses:
        return Poses(torch.zeros(len(boxes), 17, 2), self.wanted.expand(len(boxes), 17))


def test_the_score_of_a_person_is_that_of_certain_joints_times_that_of_the_box():
    image, boxes = (
        torch.zeros(9, 9, 3, dtype=torch.uint8),
        torch.tensor([[0, 0, 9, 9, 1.0], [0, 0, 9, 9, 0.5]]),
    )
    scores = torch.tensor([0.1] * 9 + [0.4] * 4 + [0.8] * 4)
    (people,) = TopDown(Sure(scores), 1)([image], [boxes])
    torch.testing.assert_close(people.person_scores, torch.tensor([0.6, 0.3]))
    torch.testing.assert_close(people.scores, scores.expand(2, 17))
    (people,) = TopDown(Sure(torch.full((17,), 0.2)), 1)([image], [boxes])
    assert people.person_scores.tolist() == [0, 0]


@pytest.fixture
def weights(tmp_path: Path) -> str:
    options = {"width": 4, "blocks": [1, 1, 1, 1], "deconv_channels": [8, 8, 8]}
    card = ModelCard("pose_resnet18", (64, 48), COCO_SKELETON, options=options)
    torch.manual_seed(0)
    path = tmp_path / "person.pt"
    torch.save({"model": card.create().state_dict(), "card": card.to_dict()}, path)
    return str(path)


@pytest.mark.parametrize("method", ["auto", "topdown", "crowdpose"])
def test_the_command_takes_boxes_and_a_method(
    method: str, weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    data = GeneratedCrowds(1, 2, 0.3)
    entries = [
        {"image_id": own.image_id, "category_id": 1, "bbox": own.box_xywh.tolist(), "score": 0.9}
        for own in data.records
    ]
    boxes, out = tmp_path / "boxes.json", tmp_path / "metrics.json"
    boxes.write_text(json.dumps(entries))
    common = {
        "weights": weights,
        "data": "crowds:0.3",
        "generated_count": 2,
        "workers": 0,
        "accelerator": "cpu",
    }
    scores = evaluate(**common, boxes=str(boxes), method=method, out=str(out))
    assert scores["images"] == 2 and 0 <= scores["AP"] <= 1
    assert json.loads(out.read_text())["boxes"] == str(boxes)
    assert "2 images; OKS: AP" in capsys.readouterr().out


def test_boxes_and_methods_that_do_not_go_together_are_refused(weights: str, tmp_path: Path):
    common = {"weights": weights, "data": "crowds", "generated_count": 1, "workers": 0}
    with pytest.raises(UserError, match="method: this one finds people in the boxes of a detector"):
        evaluate(**common, method="crowdpose")
    with pytest.raises(UserError, match=r"nms: expected a number from 0 to 1, got 1\.5"):
        evaluate(**common, nms=1.5)
    with pytest.raises(UserError, match="no such file"):
        evaluate(**common, boxes=str(tmp_path / "absent.json"))
    with pytest.raises(UserError, match="method openpose: does not work with model pose_resnet18"):
        evaluate(**common, method="openpose")
