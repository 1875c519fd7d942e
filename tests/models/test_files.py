"""Files appear whole or not at all."""

import json
from pathlib import Path

import pytest

from python_models.files import save_json, write_atomically


def test_nan_becomes_null(tmp_path: Path):
    path = save_json(tmp_path / "figures.json", {"a": [float("nan"), 1.5]})
    assert json.loads(path.read_text()) == {"a": [None, 1.5]}


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = save_json(tmp_path / "deep" / "figures.json", {"a": 1})
    before = path.read_bytes()

    def fail(file):
        file.write(b"half a file")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_atomically(path, fail)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
