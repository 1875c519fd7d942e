"""What a command line's `--data` opens, where people are generated."""

import pytest

from python_models.data import GeneratedCrowds, GeneratedPeople
from python_models.errors import UserError
from python_models.generate import generate
from python_models.sources import open_evaluation_data, open_training_data, open_validation_data


@pytest.mark.parametrize(("data", "crowding"), [("crowds", 0.3), ("crowds:0", 0.0), ("crowds:0.75", 0.75)])
def test_crowds_are_named_with_their_crowding(data: str, crowding: float):
    train = open_training_data(data, images=None, count=3)
    val = open_validation_data(data, None, images=None, count=2)
    assert isinstance(train, GeneratedCrowds) and isinstance(val, GeneratedCrowds)
    assert train.crowding == val.crowding == crowding
    assert len({record.image for record in train.records}) == 3
    assert not {record.keypoints.tobytes() for record in train.records} & {
        record.keypoints.tobytes() for record in val.records
    }


def test_single_people_stay_what_they_were():
    assert isinstance(open_evaluation_data("generated", images=None, count=2), GeneratedPeople)


@pytest.mark.parametrize("data", ["crowds:x", "crowds:1.5", "crowds:-1", "crowds:nan"])
def test_a_wrong_crowding_is_told(data: str):
    with pytest.raises(UserError, match="expected crowds, or crowds:X with X from 0 to 1"):
        open_training_data(data, images=None, count=3)


def test_crowds_are_written_as_coco_files(tmp_path):
    generate(out=str(tmp_path), data="crowds:0.5", train_count=2, val_count=1)
    wanted = open_training_data("crowds:0.5", images=None, count=2)
    found = open_training_data(str(tmp_path), images=None, count=0)
    assert [record.image_id for record in found.records] == [record.image_id for record in wanted.records]
    with pytest.raises(UserError, match="got 'coco:there'"):
        generate(out=str(tmp_path), data="coco:there")
