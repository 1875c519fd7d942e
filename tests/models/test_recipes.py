"""Published settings: they name models of the zoo, and fit what those give."""

import json
from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from python_models.__main__ import build_parser, main, normalise
from python_models.data import COCO_SKELETON, LabelledPeople
from python_models.errors import UserError
from python_models.heads import SPLIT_RATIO
from python_models.model_card import ModelCard, default_card
from python_models.objectives import Objective
from python_models.outputs import stages_of
from python_models.people_objective import people_loss
from python_models.recipes import RECIPES, format_recipes, recipe_settings
from python_models.settings import TrainSettings
from python_models.zoo import model_info


def parsed(*arguments: str) -> TrainSettings:
    parser = build_parser()
    options = parser.instantiate(parser.parse_args(normalise(["train", *arguments])))["train"]
    options.pop("config", None)
    return TrainSettings(**options.as_dict())


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_fits_its_model(name: str):
    settings = parsed("--recipe", name)
    info = model_info(settings.model)
    size = settings.input_size or info.input_size
    if info.input == "image":
        return fits_whole_images(settings, size)
    encoding, head = settings.encoding or info.encoding, settings.head or info.head
    card = ModelCard(settings.model, size, COCO_SKELETON, encoding=encoding, head=head)
    Objective(settings.loss, card)
    with FakeTensorMode():  # shapes alone, on a device that all operators know
        stages = stages_of(card.create()(torch.zeros(2, 3, *size)))
    if head == "simcc":
        assert stages[-1].shape == (2, 17, SPLIT_RATIO * sum(size))
    elif info.output == "heatmaps":
        assert stages[-1].shape[-2:] == (size[0] // info.stride, size[1] // info.stride)
    for values in (settings.loss.stage_kernels, settings.loss.stage_weights, settings.loss.stage_sigmas):
        assert len(values) in (0, len(stages))


def fits_whole_images(settings: TrainSettings, size: tuple[int, int]) -> None:
    """Maps lie on the grid that the zoo says, and there is a loss for them."""
    card = replace(default_card(settings.model), input_size=size)
    joints = card.skeleton.num_joints
    with FakeTensorMode():
        people = LabelledPeople(
            torch.zeros(2, 3, joints, 2), torch.ones(2, 3, joints), boxes=torch.zeros(2, 3, 4)
        )
        maps = card.create()(torch.zeros(2, 3, *size))
        assert maps.heatmaps[-1].shape[-2:] == card.heatmap_size
        assert people_loss(maps, people, card, settings.loss.tag_weight).shape == ()


def test_schedules_in_steps_show_as_many_images_as_the_published_ones():
    for name, steps, batch_size in (
        ("openpose_body_coco_368x368", 600_000, 10),
        ("openpose_body_25_coco_368x368", 584_000, 10),
        ("lightweight_openpose_coco_368x368", 420_000, 80),
    ):
        settings = recipe_settings(name)
        assert settings["batch_size"] == batch_size
        assert settings["epochs"] == pytest.approx(steps * batch_size / 56_599, abs=0.5)
        assert all(0 < drop < settings["epochs"] for drop in settings["drop_epochs"])


def test_options_beside_a_recipe_win():
    settings = parsed(
        "--recipe=pose_resnet50_coco_384x288", "--batch-size", "7", "--augmentation.scale", "0.1"
    )
    assert (settings.model, settings.input_size, settings.sigma_px) == ("pose_resnet50", (384, 288), 3.0)
    assert (settings.batch_size, settings.augmentation.scale, settings.augmentation.rotation_deg) == (
        7,
        0.1,
        80,
    )


def test_epochs_beside_a_recipe_hold_for_all_of_its_phases():
    recipe = ("--recipe", "tompson_cascade_mpii_256x256")
    assert parsed(*recipe).phase_epochs == (60, 30, 30)
    assert (parsed(*recipe, "--epochs", "2").epochs, parsed(*recipe, "--epochs", "2").phase_epochs) == (2, ())
    assert parsed(*recipe, "--epochs=2", "--phase-epochs=[1, 2, 3]").phase_epochs == (1, 2, 3)


def test_a_recipe_can_be_written_to_a_configuration_file():
    assert json.loads(json.dumps(recipe_settings("mspn2_coco_256x192")))["loss"]["hardest_stages"] == [3, 7]


def test_an_unknown_recipe_brings_the_names_that_look_like_it(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(UserError, match="recipe 'pose_resnet50_coco' is not known"):
        recipe_settings("pose_resnet50_coco")
    assert main(["train", "--recipe", "nothing"]) == 2
    assert "recipe 'nothing' is not known" in capsys.readouterr().err


def test_the_table_holds_the_published_figures(capsys: pytest.CaptureFixture[str]):
    assert main(["recipes", "--pattern", "pose_resnet152*"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 4 and "val AP 74.3" in rows[2] and rows[0].startswith("recipe")
    assert len(format_recipes().splitlines()) == len(RECIPES) + 1


def test_the_table_can_be_that_of_a_model():
    rows = format_recipes("rle_resnet152").splitlines()[1:]
    assert [row.split()[:2] for row in rows] == [
        [f"rle_resnet152_coco_{size}", "rle_resnet152"] for size in ("256x192", "384x288")
    ]
