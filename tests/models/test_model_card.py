"""A checkpoint rebuilds its model; foreign weights need a name."""

from pathlib import Path

import pytest
import torch

from python_models.__main__ import main
from python_models.errors import UserError
from python_models.files import save_checkpoint
from python_models.model_card import ModelCard, default_card, load_model
from tests.models.tiny import DOTS, TINY_OPTIONS


def test_a_checkpoint_of_ours_knows_its_model(tmp_path: Path):
    card = ModelCard("pose_resnet18", (64, 32), DOTS, encoding="udp", sigma_px=1.5, options=TINY_OPTIONS)
    network = card.create()
    save_checkpoint(tmp_path / "w.pt", {"card": card.to_dict(), "state_dict": network.state_dict()})
    loaded, loaded_card = load_model(tmp_path / "w.pt")
    assert loaded_card == card and card.heatmap_size == (16, 8)
    assert not loaded.training
    assert torch.equal(loaded.final_layer.weight, network.final_layer.weight)


def test_a_card_of_another_version_is_told_in_a_sentence(tmp_path: Path):
    card = ModelCard("pose_resnet18", (64, 32), DOTS)
    for content in (card.to_dict() | {"depth_map": True}, {"model": "pose_resnet18"}):
        save_checkpoint(tmp_path / "w.pt", {"card": content, "state_dict": {}})
        with pytest.raises(UserError, match="its card is not one of this version"):
            load_model(tmp_path / "w.pt")


def test_foreign_weights_need_the_name_of_their_model(tmp_path: Path):
    torch.save(default_card("pose_resnet18").create().state_dict(), tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"does not name its model; pass it with --model"):
        load_model(tmp_path / "w.pth")
    _, card = load_model(tmp_path / "w.pth", model="pose_resnet18")
    assert card == default_card("pose_resnet18")


def test_options_that_the_architecture_does_not_have_are_named():
    with pytest.raises(UserError, match=r"options .*'depht': 3.* do not fit"):
        ModelCard("pose_resnet18", (64, 32), DOTS, options={"depht": 3}).create()


def test_models_are_refused_by_name_where_they_do_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    weights, out = str(tmp_path / "w.pth"), str(tmp_path / "out")
    torch.save(default_card("pose_ae_hourglass4").create().state_dict(), weights)
    assert (
        main(["export", "--weights", weights, "--model", "pose_ae_hourglass4", "--out", f"{out}.onnx"]) == 2
    )
    told = "model pose_ae_hourglass4: finds several people in a whole image; expected a model for one"
    assert told in capsys.readouterr().err
    told = "model prn: sorts the joints that were found in a box; expected a model that sees images"
    with pytest.raises(UserError, match=told):
        default_card("prn")
    assert main(["train", "--model", "prn", "--out", out]) == 2
    assert told in capsys.readouterr().err
