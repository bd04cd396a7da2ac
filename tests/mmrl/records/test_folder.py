"""The folder of a run's records stays within its size, and loses what is missed least."""

import os
import pickle
import threading
import warnings

import numpy as np
import pytest

from mmrl.errors import UserError
from mmrl.records import EpisodeRecord, RecordFolder, read_summary
from mmrl.records import folder as folder_module


def episode(step, success=True, source="training", size=100, seed=0):
    rng = np.random.default_rng(seed + step)
    frames = rng.integers(0, 256, (2, size, size, 3), dtype=np.uint8)  # does not compress
    return EpisodeRecord(
        source, "Kitchen-v0", {"image": frames}, ["wait"] * 2, [1.0], np.zeros(1),
        checkpoint=step, success=success,
    )  # fmt: skip


def kept(path):
    return [read_summary(one) for one in sorted(path.glob("*.episode"))]


def writers():
    """The threads that write records, of all folders."""
    return {one for one in threading.enumerate() if one.name == "records"}


def size_of(path):
    return sum(one.stat().st_size for one in path.glob("*"))


def test_a_thread_writes_and_closing_waits_for_it(tmp_path):
    before = writers()
    with RecordFolder(tmp_path / "episodes") as folder:
        for step in range(5):
            folder.add(episode(step))
        assert writers() - before
    assert [one.checkpoint for one in kept(tmp_path / "episodes")] == list(range(5))
    assert not writers() - before


def test_names_go_on_where_the_folder_was(tmp_path):
    for step in (100, 200):
        with RecordFolder(tmp_path) as folder:
            folder.add(episode(step))
    names = sorted(one.name for one in tmp_path.iterdir())
    assert names == [
        "0000000100-training-000001.episode", "0000000200-training-000002.episode"
    ]  # fmt: skip


def test_old_records_are_thinned_failures_and_the_newest_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_module, "_NEWEST", 5)
    folder = RecordFolder(tmp_path, megabytes=2, wait=True)
    for step in range(60):
        folder.add(episode(step * 100, success=step % 10 != 3))
        assert size_of(tmp_path) <= 2e6
    left = kept(tmp_path)
    steps = [one.checkpoint for one in left]
    assert steps[-5:] == [5500, 5600, 5700, 5800, 5900]
    failures = [one.checkpoint for one in left if one.success is False]
    assert failures == [300, 1300, 2300, 3300, 4300, 5300]
    others = [step for step in steps if step not in failures]
    assert others[0] < 2500  # something of the beginning
    gaps = np.diff(others)
    assert gaps[0] > gaps[-1]  # wider apart, the older


def test_only_failures(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_module, "_NEWEST", 2)
    folder = RecordFolder(tmp_path, megabytes=1, wait=True)
    for step in range(40):
        folder.add(episode(step, success=False))
    assert size_of(tmp_path) <= 1e6
    assert kept(tmp_path)[-1].checkpoint == 39


def test_records_that_will_be_written_again_are_removed(tmp_path):
    with RecordFolder(tmp_path) as folder:
        for step in (100, 200, 300):
            folder.add(episode(step))
        folder.add(episode(300, source="evaluation"))
    with RecordFolder(tmp_path, purge_step=200) as folder:
        folder.add(episode(250))
    assert [(one.checkpoint, one.source) for one in kept(tmp_path)] == [
        (100, "training"), (200, "training"), (250, "training"), (300, "evaluation"),
    ]  # fmt: skip


def test_damaged_and_other_files_are_left_alone(tmp_path):
    (tmp_path / "0000000001-training-000007.episode").write_bytes(b"no record")
    (tmp_path / "notes.txt").write_text("mine")
    folder = RecordFolder(tmp_path, wait=True)
    folder.add(episode(5))
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "0000000001-training-000007.episode", "0000000005-training-000008.episode", "notes.txt",
    ]  # fmt: skip


def test_a_disk_that_cannot_be_written_is_warned_of_once(tmp_path):
    (tmp_path / "episodes").write_text("a file is in the way")
    folder = RecordFolder(tmp_path / "episodes")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        folder.add(episode(1))
        folder.add(episode(2))
        folder.close()
    assert len(caught) == 1
    assert "was not recorded" in str(caught[0].message)
    with pytest.raises(OSError, match="episodes"):
        RecordFolder(tmp_path / "episodes", wait=True).add(episode(1))


def test_what_cannot_be(tmp_path):
    for megabytes in (0, -1, 0.5, float("nan")):
        with pytest.raises(UserError, match="MB for episode records: must be at least 1"):
            RecordFolder(tmp_path, megabytes=megabytes)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(RecordFolder(tmp_path))
    assert os.listdir(tmp_path) == []
