"""The ways from images to people that `predict` offers."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from python_models import methods
from python_models.__main__ import main
from python_models.data import OPENPOSE_18_SKELETON, OPENPOSE_HAND_SKELETON
from python_models.errors import UserError
from python_models.maps import PartAffinityMaps
from python_models.methods import METHODS, FinderSettings, TopDown, method_for
from python_models.model_card import ModelCard
from python_models.people import People
from python_models.predict import predict
from python_models.zoo import list_models, model_info
from tests.models.test_bottom_up import SIZE, TWO, drawn_fields
from tests.models.tiny import DOTS, TINY_OPTIONS

CPU = torch.device("cpu")


class Painted(nn.Module):
    """Stands for a network of fields: the maps of the people of `TWO`, whatever it is shown."""

    def forward(self, images: Tensor) -> PartAffinityMaps:
        fields = drawn_fields(TWO)
        return PartAffinityMaps(*([stage.expand(len(images), -1, -1, -1)] for (stage,) in fields))


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    card = ModelCard("openpose_body_coco", SIZE, OPENPOSE_18_SKELETON, encoding="cmu")
    monkeypatch.setattr("python_models.predict.load_model", lambda path, model: (Painted(), card))
    return "unread.pt"


def photo(path: Path, height: int = 256, width: int = 384) -> str:
    cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))
    return str(path)


def test_every_network_that_sees_images_or_crops_has_a_method():
    for name in list_models():
        if model_info(name).input == "joints":
            continue
        assert method_for("auto", name).needs_boxes == (model_info(name).input == "crop")


def test_crowdpose_looks_once():
    card = ModelCard("pose_resnet18", (32, 32), DOTS, options=TINY_OPTIONS)
    settings = FinderSettings(device=CPU, scales=(1.0, 1.2))
    with pytest.raises(UserError, match="scales: the method crowdpose looks once"):
        METHODS["crowdpose"].build(card.create().eval(), card, settings)


def test_methods_take_their_own_networks_only():
    assert method_for("auto", "higherhrnet_w32") is METHODS["ae"]
    assert method_for("topdown", "pose_resnet18") is METHODS["topdown"]
    with pytest.raises(UserError, match="pose_resnet18; topdown or alphapose or crowdpose does"):
        method_for("openpose", "pose_resnet18")
    with pytest.raises(UserError, match="method openpose: does not work with model higherhrnet_w32; ae does"):
        method_for("openpose", "higherhrnet_w32")
    with pytest.raises(
        UserError, match="method topdown: does not work with model openpose_body_coco; openpose does"
    ):
        method_for("topdown", "openpose_body_coco")
    with pytest.raises(UserError, match=r"expected auto, topdown, alphapose, crowdpose, .*, got 'posenet'"):
        method_for("posenet", "pose_resnet18")


def test_people_of_whole_images_are_written_and_drawn(weights: str, tmp_path: Path):
    images = [photo(tmp_path / "7.png"), photo(tmp_path / "8.png", 512, 768)]
    out = tmp_path / "found"
    results = predict(weights=weights, images=images, out=str(out), accelerator="cpu", method="openpose")
    assert json.loads((out / "predictions.json").read_text()) == results
    assert [result["image_id"] for result in results] == [7, 7, 8, 8]
    assert [result["file_name"] for result in results] == ["7.png", "7.png", "8.png", "8.png"]
    for result, zoom in zip(results, (1, 1, 2, 2), strict=True):
        triples = np.array(result["keypoints"]).reshape(18, 3)
        wanted = (TWO.numpy() + 0.5) * zoom - 0.5
        assert np.linalg.norm(wanted - triples[:, :2], axis=-1).max(1).min() < 1.5 * zoom
        corner, extent = triples[:, :2].min(0), np.ptp(triples[:, :2], axis=0)
        np.testing.assert_allclose(result["bbox"], [*corner, *extent], atol=0.01)
        assert 0.5 < result["score"] < 2
    drawn = cv2.imread(str(out / "8_8.jpg"))
    assert {path.name for path in out.iterdir()} == {"predictions.json", "7_7.jpg", "8_8.jpg"}
    assert (np.abs(drawn.astype(int) - 90).max(-1) > 60).sum() > 2000


def test_drawings_have_one_colour_per_person_or_one_per_side(weights: str, tmp_path: Path):
    image = photo(tmp_path / "a.png", 512, 768)

    def colours(kind: str) -> np.ndarray:
        predict(weights=weights, images=[image], out=str(tmp_path / kind), accelerator="cpu", colours=kind)
        drawn = cv2.imread(str(tmp_path / kind / "a_1.jpg"))[..., ::-1].astype(int)
        people = (
            ((TWO[:, 2:4].mean(1) + 0.5) * 2 - 0.5).round().int().tolist()
        )  # the middle of a right upper arm
        return np.array([drawn[y, x] for x, y in people])

    by_side, by_person = colours("side"), colours("person")
    assert np.abs(by_side[0] - by_side[1]).max() < 40
    assert np.abs(by_person[0] - by_person[1]).max() > 60
    np.testing.assert_array_equal(colours("auto"), by_person)


def test_boxes_are_refused_where_none_are_needed(weights: str, tmp_path: Path):
    image = photo(tmp_path / "a.png")
    for more in ({"boxes": "b.json"}, {"detector": "fasterrcnn_resnet50_fpn"}):
        with pytest.raises(UserError, match="boxes, detector: this method finds people in whole images"):
            predict(weights=weights, images=[image], out=str(tmp_path / "out"), accelerator="cpu", **more)
    assert not (tmp_path / "out").exists()


def test_the_command_tells_of_a_method_that_does_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], weights: str
):
    arguments = ["predict", "--weights", weights, "--images", photo(tmp_path / "a.png"), "--method", "ae"]
    assert main(arguments) == 2
    assert "method ae: does not work with model openpose_body_coco; openpose does" in capsys.readouterr().err


def test_top_down_finds_a_person_in_every_box_in_chunks():
    card = ModelCard("pose_resnet18", (32, 32), DOTS, options=TINY_OPTIONS)
    torch.manual_seed(0)
    finder = METHODS["topdown"].build(card.create().eval(), card, FinderSettings(CPU, batch_size=2))
    assert isinstance(finder, TopDown)
    images = [torch.randint(256, (40, 50, 3), dtype=torch.uint8) for _ in range(4)]
    boxes = [torch.rand(count, 5) * 20 + 5 for count in (3, 0, 2)]
    with torch.no_grad():
        together = finder(images, [*boxes, None])
        apart = [finder([image], [own])[0] for image, own in zip(images, [*boxes, None], strict=True)]
    assert [len(people.keypoints) for people in together] == [3, 0, 2, 1]
    for one, other in zip(together, apart, strict=True):
        torch.testing.assert_close(one.keypoints, other.keypoints, atol=1e-3, rtol=0)
        torch.testing.assert_close(one.boxes, other.boxes)
    assert torch.equal(together[3].boxes, torch.tensor([[0.0, 0.0, 50.0, 40.0]]))


def test_people_without_boxes_are_framed_by_their_joints():
    keypoints = torch.tensor([[[3.0, 4.0], [9.0, 2.0], [0.0, 0.0]], [[0.0, 0.0]] * 3])
    people = People(keypoints, torch.tensor([[0.5, 0.1, 0.0], [0.0] * 3]), torch.zeros(2))
    assert people.frames().tolist() == [[3.0, 2.0, 6.0, 2.0], [0.0] * 4]


def test_methods_are_named_in_the_type_of_the_option():
    assert set(methods.MethodName.__args__) == {"auto", *METHODS}


def test_hands_and_faces_are_looked_at_where_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    body = ModelCard("openpose_body_coco", SIZE, OPENPOSE_18_SKELETON, encoding="cmu")
    hand = ModelCard("pose_resnet18", (32, 32), OPENPOSE_HAND_SKELETON, options=TINY_OPTIONS)

    def load(weights: str, model: str | None) -> tuple[nn.Module, ModelCard]:
        return (Painted(), body) if weights == "body.pt" else (hand.create().eval(), hand)

    monkeypatch.setattr("python_models.predict.load_model", load)
    monkeypatch.setattr("python_models.methods.load_model", load)
    image = photo(tmp_path / "a.png", 512, 768)
    options = {"weights": "body.pt", "images": [image], "out": str(tmp_path / "out"), "accelerator": "cpu"}
    plain, whole = predict(**options), predict(**options, hand="hand.pt", part_padding=1.25)
    assert [len(result["keypoints"]) for result in whole] == [3 * (18 + 2 * 21)] * 2
    for result, other in zip(whole, plain, strict=True):
        assert result["keypoints"][: 3 * 18] == other["keypoints"]
        hands = np.array(result["keypoints"][3 * 18 :]).reshape(2, 21, 3)
        wrists = np.array(result["keypoints"]).reshape(-1, 3)[[7, 4], :2]
        assert (
            np.abs(hands[..., :2] - wrists[:, None]).max() < 150
        )  # around the wrists of the person, not at 0
    with pytest.raises(UserError, match="part_padding: expected"):
        predict(**options, hand="hand.pt", part_padding=0.0)
