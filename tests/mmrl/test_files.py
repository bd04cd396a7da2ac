"""Files are whole or not there."""

import json
import os

import pytest

from mmrl.files import write_atomically, write_json


def test_json_round_trip(tmp_path):
    value = {"rate": 0.5, "names": ["a", "ü"], "none": None}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == value
    assert text.endswith("}\n")


def test_failure_leaves_the_old_file_and_no_draft(tmp_path, monkeypatch):
    file = tmp_path / "a.txt"
    write_atomically(file, "old")

    def fail(*_):
        raise OSError("disk is full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk is full"):
        write_atomically(file, "new")
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_is_no_json_writes_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"bad": object()})
    assert os.listdir(tmp_path) == []


def test_others_may_read(tmp_path):
    write_atomically(tmp_path / "a.txt", "x")
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o644
