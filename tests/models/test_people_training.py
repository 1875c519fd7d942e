"""Networks of whole images: trained until they find people, stopped and resumed to the same bits, scored."""

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from python_models.data import (
    COCO_SKELETON,
    OPENPOSE_18_SKELETON,
    Augmentation,
    GeneratedCrowds,
    ImagePeople,
    LabelledPeople,
    PersonRecord,
)
from python_models.errors import UserError
from python_models.evaluate import evaluate
from python_models.maps import CompositeFields
from python_models.model_card import default_card, load_model
from python_models.objectives import LossSettings
from python_models.people_objective import people_loss, seen_joints
from python_models.people_scores import FoundPeople, score_people
from python_models.sources import as_seen
from python_models.train import TrainResult, card_of, train_on
from python_models.training_state import BEST, LAST
from tests.models.test_bottom_up import SIZE, TWO, drawn_fields, openpose_card
from tests.models.test_training import assert_same_run
from tests.models.tiny_crowds import OPTIONS, TwoPeople, crowd_settings

# What a few seconds suffice for; `final_std` sets the tags apart from the start.
LEARNING: dict[str, dict[str, Any]] = {
    "lightweight_openpose": {"epochs": 25, "lr": 4e-3, "sigma_px": 0.7, "optimizer": "adamw"},
    "pose_ae_hourglass4": {
        "epochs": 50,
        "lr": 2e-3,
        "final_std": 0.1,
        "optimizer": "adamw",
        "loss": LossSettings(tag_weight=0.1),
    },
}


class Stopping(TwoPeople):
    """Sends this process a signal when the image with a given count of loads is read."""

    def __init__(self, count: int, at_load: int) -> None:
        super().__init__(count)
        self.loads, self.at_load = 0, at_load

    def load_image(self, record: PersonRecord) -> NDArray[np.uint8]:
        self.loads += 1
        if self.loads == self.at_load:
            signal.raise_signal(signal.SIGINT)
        return super().load_image(record)


@pytest.mark.parametrize("model", LEARNING)
def test_people_are_found_after_training(tmp_path: Path, model: str):
    torch.manual_seed(0)
    settings = crowd_settings(tmp_path, model, **LEARNING[model])
    result = train_on(settings, TwoPeople(24), TwoPeople(6, seed=1))
    # A network that finds nobody, or gives joints to the wrong person, has next to nothing.
    assert max(row["AP"] for row in result.history) > 0.3
    assert result.history[-1]["train_accuracy"] > 0.8
    _, card = load_model(tmp_path / BEST)
    assert card.model == model


@pytest.fixture(scope="module", params=OPTIONS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    folder = tmp_path_factory.mktemp("whole")
    settings = crowd_settings(folder, request.param, augmentation=Augmentation())
    return train_on(settings, TwoPeople(12), TwoPeople(4, seed=1))


@pytest.mark.parametrize("at_load", [5, 17])
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, whole: TrainResult, at_load: int):
    model = json.loads((whole.folder / "settings.json").read_text())["model"]
    settings = crowd_settings(tmp_path, model, augmentation=Augmentation())
    assert train_on(settings, Stopping(12, at_load), TwoPeople(4, seed=1)).stopped
    resumed = train_on(replace(settings, resume=str(tmp_path)), TwoPeople(12), TwoPeople(4, seed=1))
    assert_same_run(resumed, whole)


def test_the_command_scores_what_was_trained_on_crowds(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    settings = crowd_settings(tmp_path, "lightweight_openpose", epochs=1, input_size=(64, 64))
    train_on(settings, GeneratedCrowds(1, 4), None)
    _, card = load_model(tmp_path / LAST)
    assert card.skeleton == OPENPOSE_18_SKELETON  # COCO's joints, and the neck
    out = tmp_path / "metrics.json"
    scores = evaluate(
        weights=str(tmp_path / LAST),
        data="crowds:0",
        generated_count=3,
        workers=0,
        out=str(out),
        accelerator="cpu",
    )
    assert scores["images"] == 3 and 0 <= scores["AP"] <= 1
    assert json.loads(out.read_text())["data"] == "crowds:0"
    assert "3 images; OKS: AP" in capsys.readouterr().out


def perfect_results(dataset: ImagePeople) -> list[dict[str, Any]]:
    return [
        {
            "image_id": record.image_id,
            "category_id": 1,
            "keypoints": [value for x, y in record.keypoints.tolist() for value in (x, y, 1.0)],
            "score": 1.0,
        }
        for record in dataset.dataset.records
    ]


def test_true_people_score_one_and_nobody_zero():
    dataset = ImagePeople(GeneratedCrowds(2, 5, 0.2), OPENPOSE_18_SKELETON)
    ids = [record.image_id for record in dataset.records]
    assert score_people(dataset, FoundPeople(perfect_results(dataset), ids))["AP"] == pytest.approx(1.0)
    assert score_people(dataset, FoundPeople([], ids))["AP"] == 0.0
    half = [result for result in perfect_results(dataset) if result["image_id"] != ids[0]]
    assert score_people(dataset, FoundPeople(half, ids[1:]))["AP"] == pytest.approx(
        1.0
    )  # unread images do not count
    assert score_people(dataset, FoundPeople(half, ids))["AP"] < 0.95


def test_data_are_seen_as_the_network_sees_them():
    crowds = GeneratedCrowds(2, 3)
    assert as_seen(crowds, "pose_resnet18") is crowds
    assert as_seen(crowds, "openpose_body_coco").skeleton == OPENPOSE_18_SKELETON
    assert as_seen(crowds, "higherhrnet_w32").skeleton == COCO_SKELETON
    chain = as_seen(TwoPeople(1), "openpose_body_25")
    network = card_of(crowd_settings("", "lightweight_openpose"), chain).create()
    assert [maps[-1].shape[1] for maps in network(torch.zeros(1, 3, 64, 96))] == [4, 4]  # 3 joints, 2 limbs


def test_seen_joints_are_those_above_one_half_in_their_place():
    maps, card = drawn_fields(TWO), openpose_card()
    people = torch.cat([TWO, TWO[:1]])[None]
    visibility = torch.ones(1, 3, 18)
    visibility[0, 2] = 0
    assert seen_joints(maps, LabelledPeople(people, visibility), card) == 1
    maps.heatmaps[0][:, :9] = 0
    assert seen_joints(maps, LabelledPeople(people, visibility), card) == 0.5
    assert seen_joints(maps, LabelledPeople(people, 0 * visibility), card) == 0
    assert card.input_size == SIZE


def test_what_is_not_trained_is_told_at_the_first_step(tmp_path: Path):
    nothing = CompositeFields([], [])
    with pytest.raises(UserError, match="model pifpaf_resnet50: there is no loss for its maps here"):
        people_loss(nothing, None, default_card("pifpaf_resnet50"), 1.0)
    settings = crowd_settings(tmp_path, "pose_ae_hourglass4", loss=LossSettings(hardest_joints=2))
    with pytest.raises(UserError, match="loss: pose_ae_hourglass4 has a loss of its own"):
        train_on(settings, TwoPeople(4), None)
    with pytest.raises(UserError, match="tag_weight: expected 0 or more, got -1"):
        LossSettings(tag_weight=-1)
