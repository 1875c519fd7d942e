"""The list of models."""

import pytest

from python_models import create_model, list_models, model_info
from python_models.errors import UserError


def test_models_are_listed_in_the_order_a_person_counts():
    names = [f"pose_resnet{depth}" for depth in (18, 34, 50, 101, 152)]
    assert [name for name in list_models() if name.startswith("pose_resnet")] == names


def test_a_pattern_selects():
    assert list_models("pose_resnet1*") == ["pose_resnet18", "pose_resnet101", "pose_resnet152"]


def test_an_unknown_name_brings_the_names_that_look_like_it():
    with pytest.raises(UserError, match=r"model 'pose_resnt50' is not known; did you mean pose_resnet50"):
        create_model("pose_resnt50")


def test_a_model_knows_its_input():
    assert model_info("pose_resnet50").input_size == (256, 192)
