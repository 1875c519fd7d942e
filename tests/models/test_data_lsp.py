"""Leeds Sports Pose and its extension: both layouts of joints.mat, and what their flags mean."""

import numpy as np
import pytest
from scipy.io import savemat

from python_models.data import LSP_SKELETON, AnnotationError, CocoKeypoints, LeedsSports, LeedsSportsExtended
from python_models.errors import UserError
from python_models.sources import open_evaluation_data, open_training_data, open_validation_data
from python_models.train import train
from tests.models.published_files import sports_joints, write_lsp, write_lspet
from tests.models.tiny import tiny_settings


@pytest.fixture
def few(monkeypatch):
    """LSP with three people to train on."""
    monkeypatch.setattr(LeedsSports, "train_count", 3)


def test_lsp_flags_occluded_joints_whose_places_are_known(tmp_path, few):
    joints = sports_joints(5)
    people = LeedsSports(write_lsp(tmp_path, joints), split="train")
    assert [record.image_id for record in people.records] == [1, 2, 3]
    for record, expected in zip(people.records, joints, strict=False):
        np.testing.assert_allclose(record.keypoints, expected[:, :2] - 1.0, atol=1e-5)
        np.testing.assert_array_equal(record.visibility, np.where(expected[:, 2] == 1, 1, 2))
    assert people.records[2].image == str(tmp_path / "images" / "im0003.jpg")
    assert people[0].image.shape == (60, 50, 3)
    assert people.skeleton is LSP_SKELETON


def test_lspet_flags_visible_joints_and_places_no_others(tmp_path):
    joints = sports_joints(4)
    people = LeedsSportsExtended(write_lspet(tmp_path, joints), split="train")
    assert len(people) == 4
    for record, expected in zip(people.records, joints, strict=True):
        seen = expected[:, 2] == 1
        np.testing.assert_allclose(record.keypoints[seen], expected[seen, :2] - 1.0, atol=1e-5)
        assert (record.keypoints[~seen] == 0).all()
        np.testing.assert_array_equal(record.visibility, np.where(seen, 2, 0))
    assert people.records[3].image == str(tmp_path / "images" / "im00004.jpg")


def test_lsp_trains_on_the_first_thousand_and_is_scored_on_the_last(tmp_path):
    write_lsp(tmp_path, sports_joints(1003))
    assert [record.image_id for record in LeedsSports(tmp_path, split="val").records] == [1001, 1002, 1003]
    assert len(LeedsSports(tmp_path, split="train")) == 1000


def test_box_is_that_of_the_joints_widened_by_a_tenth_of_the_longer_side(tmp_path):
    joints = np.ones((1, 14, 3))
    joints[0, 0, :2], joints[0, 1, :2] = (11, 21), (31, 61)
    joints[0, 2:, 2] = 0
    (record,) = LeedsSportsExtended(write_lspet(tmp_path, joints), split="train").records
    np.testing.assert_allclose(record.box_xywh, [6, 16, 28, 48])
    assert record.area == pytest.approx(0.53 * 28 * 48)


def test_people_without_joints_are_left_out_and_counted(tmp_path):
    joints = sports_joints(3)
    joints[1, :, 2] = 0
    joints[2, :, 2] = [1] + 13 * [0]
    people = LeedsSportsExtended(write_lspet(tmp_path, joints), split="train")
    assert [record.image_id for record in people.records] == [1]
    assert people.left_out == {"without a labelled joint": 1, "with an empty box": 1}


def test_a_single_person_is_read_although_matlab_drops_the_last_axis(tmp_path):
    joints = sports_joints(1)
    write_lsp(tmp_path, joints)
    savemat(tmp_path / "joints.mat", {"joints": joints[0].T})
    assert len(LeedsSports(tmp_path, split="train")) == 1


def test_names_on_the_command_line_open_the_published_splits(tmp_path, few):
    lsp = f"lsp:{write_lsp(tmp_path / 'lsp', sports_joints(5))}"
    lspet = f"lspet:{write_lspet(tmp_path / 'lspet', sports_joints(4))}"
    assert len(open_training_data(lsp, images=None, count=0)) == 3
    assert len(open_validation_data(lsp, None, images=None, count=0)) == 2
    assert len(open_evaluation_data(lsp, images=None, count=0)) == 2
    assert len(open_training_data(lspet, images=None, count=0)) == 4
    assert open_validation_data(lspet, None, images=None, count=0) is None
    assert len(open_validation_data(lspet, lsp, images=None, count=0)) == 2
    assert len(open_evaluation_data(lspet, images=None, count=0)) == 4


def test_training_on_lsp_and_resuming_it(tmp_path, monkeypatch):
    monkeypatch.setattr(LeedsSports, "train_count", 8)
    data = f"lsp:{write_lsp(tmp_path / 'lsp', sports_joints(12))}"
    run = str(tmp_path / "run")
    assert len(train(tiny_settings(run, data=data, epochs=1)).history) == 1
    resumed = train(tiny_settings(run, data=data, epochs=2, resume=run))
    assert len(resumed.history) == 2
    for epoch in resumed.history:
        assert np.isfinite(epoch["train_loss"])
        assert 0 <= epoch["PCK@0.5"] <= 1  # of the four people of the other split


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"points": np.zeros(3)}, r"joints\.mat: variable 'joints' is missing; it holds points"),
        ({"joints": np.zeros((3, 13, 5))}, r"variable 'joints': expected numbers of shape \(3, 14, N\) or"),
        ({"joints": np.full((3, 14, 5), 2.0)}, "image 1: every third value must be 0 or 1"),
        ({"joints": np.full((3, 14, 5), np.nan)}, "image 1: holds a value that is not finite"),
        ({"joints": np.zeros((3, 14, 5))}, r"no labelled person among them \(3 with an empty box\)"),
    ],
)
def test_faults_of_the_file_are_told(tmp_path, few, variables, sentence):
    write_lsp(tmp_path, sports_joints(5))
    savemat(tmp_path / "joints.mat", variables)
    with pytest.raises(AnnotationError, match=sentence):
        LeedsSports(tmp_path, split="train")


def test_faults_of_the_folder_are_told(tmp_path, few):
    with pytest.raises(AnnotationError, match="nowhere: no such file or folder"):
        LeedsSports(tmp_path / "nowhere", split="train")
    with pytest.raises(AnnotationError, match=r"holds no joints\.mat"):
        LeedsSports(tmp_path, split="train")
    (tmp_path / "joints.mat").write_bytes(b"nothing of MATLAB's")
    with pytest.raises(AnnotationError, match="images: no such folder of images"):
        LeedsSports(tmp_path, split="train")  # before the file is read
    (tmp_path / "images").mkdir()
    with pytest.raises(AnnotationError, match=r"joints\.mat: not a readable MATLAB file"):
        LeedsSports(tmp_path, split="train")
    write_lsp(tmp_path, sports_joints(5))
    (tmp_path / "images" / "im0002.jpg").unlink()
    with pytest.raises(AnnotationError, match=r"images: no such file .*im0002\.jpg"):
        LeedsSports(tmp_path, split="train")


def test_faults_of_the_name_are_told(tmp_path):
    with pytest.raises(UserError, match=r"data set 'lps' is not known; did you mean .*lsp"):
        open_training_data(f"lps:{tmp_path}", images=None, count=0)
    with pytest.raises(UserError, match="no such file or folder 'nowhere'"):
        open_training_data("lsp:nowhere", images=None, count=0)
    with pytest.raises(AnnotationError, match=r"C:\\data: no such file or folder"):
        open_training_data(r"C:\data", images=None, count=0)


def test_real_people_survive_the_layout_of_the_files(tmp_path, pose_data):
    """Joints of the sample at hand, written as joints.mat and read back."""
    real = CocoKeypoints(pose_data / "lspet" / "train")
    flags = np.stack([record.visibility > 0 for record in real.records[:20]])
    places = np.stack([record.keypoints for record in real.records[:20]]).astype(np.float64)
    joints = np.concatenate([places + 1, flags[:, :, None]], axis=2)
    people = LeedsSportsExtended(write_lspet(tmp_path, joints), split="train")
    assert real.skeleton.joint_names == people.skeleton.joint_names
    assert real.skeleton.flip_pairs == people.skeleton.flip_pairs
    for record, expected in zip(people.records, real.records, strict=False):
        np.testing.assert_allclose(record.keypoints, expected.keypoints, atol=1e-4)
        np.testing.assert_array_equal(record.visibility, expected.visibility)
