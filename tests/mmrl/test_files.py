"""Files are whole or not there."""

import contextlib
import json
import os
from pathlib import Path

import pytest

from mmrl.errors import UserError
from mmrl.files import (
    WriteError,
    as_os_error,
    atomic_folder,
    exists,
    is_file,
    is_folder,
    remove_drafts,
    write_atomically,
    write_json,
)


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
    with pytest.raises(UserError, match="a.txt cannot be written: disk is full"):
        write_atomically(file, "new")
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_is_no_json_writes_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"bad": object()})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("mask", "file", "folder"), [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750)])
def test_modes_follow_the_umask(tmp_path, mask, file, folder):
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "a.txt", "x")
        with atomic_folder(tmp_path / "b") as draft:
            (draft / "c").write_text("x")
            (draft / "c").chmod(0o600)  # as safetensors does
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("a.txt", "b", "b/c")]
    assert modes == [file, folder, file]


def test_a_folder_is_replaced_whole(tmp_path):
    folder = tmp_path / "a"
    for content in ("old", "new"):
        with atomic_folder(folder) as draft:
            (draft / content).write_text(content)
    assert os.listdir(folder) == ["new"]
    with contextlib.suppress(ValueError), atomic_folder(folder) as draft:
        (draft / "part").write_text("x")
        raise ValueError
    assert os.listdir(folder) == ["new"]
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_that_cannot_be_replaced_is_back(tmp_path, monkeypatch):
    folder = tmp_path / "a"
    with atomic_folder(folder) as draft:
        (draft / "old").write_text("x")
    replace = os.replace

    def full(source, target):
        if (
            str(target) == str(folder)
            and ".draft-" in str(source)
            and "replaced" not in str(source)
        ):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(WriteError) as caught, atomic_folder(folder) as draft:
        (draft / "new").write_text("x")
    assert caught.value.disk_is_full
    assert os.listdir(folder) == ["old"]


def test_drafts_of_a_killed_process_are_removed(tmp_path):
    (tmp_path / ".draft-abc").mkdir()
    (tmp_path / ".draft-def").write_text("x")
    (tmp_path / "kept").write_text("x")
    remove_drafts(tmp_path)
    assert os.listdir(tmp_path) == ["kept"]


def test_errors_of_safetensors():
    error = as_os_error(RuntimeError("I/O error: No space left on device (os error 28)"))
    assert WriteError(Path("a"), error).disk_is_full
    assert str(as_os_error(RuntimeError("header too large"))) == "header too large"


@pytest.mark.parametrize("name", ["x" * 5_000, "a/" * 5_000, "no\0"])
def test_nothing_has_a_name_that_nothing_can_have(name):
    assert not exists(name)
    assert not is_file(name)
    assert not is_folder(name)


def test_what_is_there(tmp_path):
    file = tmp_path / "file"
    file.touch()
    assert exists(file)
    assert is_file(str(file))
    assert not is_folder(file)
    assert is_folder(tmp_path)
    assert not is_file(tmp_path)
