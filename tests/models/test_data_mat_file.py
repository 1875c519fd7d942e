"""MATLAB files: what cannot be read, and the bar while reading."""

import random

import numpy as np
import pytest
from scipy.io import savemat

from python_models.data import AnnotationError, Mpii, mat_file
from python_models.data.mat_file import MatFile, entries
from tests.models.published_files import mpii_point, mpii_rect, structs, write_mpii_release


@pytest.mark.parametrize("compressed", [True, False])
def test_bar_ends_at_the_size_of_the_file(tmp_path, monkeypatch, compressed):
    """Whatever is read once is counted once, headers apart, which are looked at before and again."""
    path, bars = tmp_path / "a.mat", []
    savemat(path, {"a": np.random.default_rng(0).random((300, 300))}, do_compression=compressed)
    shown = mat_file.progress_bar
    monkeypatch.setattr(
        mat_file, "progress_bar", lambda *args, **rest: bars.append(shown(*args, **rest)) or bars[0]
    )
    MatFile(path)
    assert bars[0].n == pytest.approx(path.stat().st_size, rel=0.01)


def test_quick_files_show_no_bar(tmp_path, monkeypatch, capfd):
    savemat(tmp_path / "a.mat", {"a": 1.0})
    MatFile(tmp_path / "a.mat")
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(mat_file, "_SECONDS_BEFORE_BAR", 0.0)
    MatFile(tmp_path / "a.mat")
    assert "reading a.mat" in capfd.readouterr().err


def test_version_73_is_told(tmp_path):
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(400)
    (tmp_path / "new.mat").write_bytes(header)
    with pytest.raises(
        AnnotationError, match=r"new\.mat: a MATLAB file of version 7\.3, which cannot be read"
    ):
        MatFile(tmp_path / "new.mat")


def test_structs_of_any_number_become_a_list(tmp_path):
    for count in range(4):
        savemat(tmp_path / "a.mat", {"a": structs([{"b": float(index)} for index in range(count)])})
        found = entries(MatFile(tmp_path / "a.mat", squeeze=True).variable("a"))
        assert [entry.b for entry in found] == list(range(count))


def test_damaged_files_are_told_or_read(tmp_path):
    """Cut off anywhere, or with any byte changed: an error in words, or a data set, never another error."""
    people = [mpii_rect([mpii_point(joint, 5 + joint, 9) for joint in range(16)])]
    path = write_mpii_release(tmp_path, [("1.jpg", 1, people)]) / "mpii_human_pose_v1_u12_1.mat"
    whole, draw = path.read_bytes(), random.Random(0)
    for _ in range(150):
        damaged = bytearray(whole[: draw.randrange(len(whole))] if draw.random() < 0.3 else whole)
        for _ in range(draw.randrange(1, 4)):
            if damaged:
                damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged)
        try:
            Mpii(tmp_path, split="train")
        except AnnotationError as error:
            assert str(tmp_path) in str(error)
