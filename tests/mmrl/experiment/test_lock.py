"""One process at a time trains in a run folder."""

import json
import os
import subprocess
import sys
import time

import pytest

from mmrl.errors import UserError
from mmrl.experiment import lock
from mmrl.experiment.lock import LOCK, STALE_SECONDS, LockedError, RunLock


def owner(folder, **changes):
    """Writes a lock as another process would."""
    read = {**lock._this_process(), **changes}
    (folder / LOCK).write_text(json.dumps(read))


def test_it_is_there_within_the_block(tmp_path):
    with RunLock(tmp_path):
        read = json.loads((tmp_path / LOCK).read_text())
        assert read["pid"] == os.getpid()
        with pytest.raises(LockedError, match=f"trained by process {os.getpid()} on .* since"):
            RunLock(tmp_path).__enter__()
    assert not (tmp_path / LOCK).exists()


def test_another_process_is_refused_and_then_let_in(tmp_path):
    code = (
        "import sys, pathlib; from mmrl.experiment.lock import RunLock\n"
        "with RunLock(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=f"process {process.pid}"):
            RunLock(tmp_path).check()
    finally:
        process.kill()  # leaves a stale lock
        process.wait()
        process.stdin.close()
        process.stdout.close()
    assert (tmp_path / LOCK).exists()
    with RunLock(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()


@pytest.mark.parametrize(
    ("changes", "stale"),
    [
        ({}, False),
        ({"started": "1"}, True),  # its number was given to another process
        ({"pid": 2**22 + 1}, True),
        ({"pid": "x"}, True),
        ({"host": "elsewhere"}, False),
        ({"boot": "before"}, False),
    ],
)
def test_which_locks_are_stale(tmp_path, changes, stale):
    owner(tmp_path, **changes)
    if stale:
        RunLock(tmp_path).check()
    else:
        with pytest.raises(LockedError):
            RunLock(tmp_path).check()


def test_where_processes_cannot_be_looked_up_a_lock_is_stale_after_a_while(tmp_path, monkeypatch):
    owner(tmp_path, started="before")
    RunLock(tmp_path).check()
    monkeypatch.setattr(lock, "_looks_processes_up", lambda: False)  # as on Windows
    with pytest.raises(LockedError):
        RunLock(tmp_path).check()
    old = time.time() - STALE_SECONDS - 1
    os.utime(tmp_path / LOCK, (old, old))
    RunLock(tmp_path).check()


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_an_unreadable_lock_is_stale_after_a_while(tmp_path, content):
    (tmp_path / LOCK).write_text(content)
    with pytest.raises(LockedError, match=f"remove .*{LOCK}"):
        RunLock(tmp_path).check()
    old = time.time() - STALE_SECONDS - 1
    os.utime(tmp_path / LOCK, (old, old))
    RunLock(tmp_path).check()


def test_a_lock_of_another_host_is_kept_alive(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_HEARTBEAT_SECONDS", 0.01)
    with RunLock(tmp_path):
        old = time.time() - STALE_SECONDS - 1
        os.utime(tmp_path / LOCK, (old, old))
        for _ in range(500):
            if (tmp_path / LOCK).stat().st_mtime > old + 1:
                break
            time.sleep(0.01)
        assert (tmp_path / LOCK).stat().st_mtime > old + 1


def test_a_lock_that_was_taken_over_is_left_alone(tmp_path):
    with RunLock(tmp_path):
        owner(tmp_path, host="elsewhere")
    assert json.loads((tmp_path / LOCK).read_text())["host"] == "elsewhere"


def test_a_full_disk_leaves_no_lock(tmp_path, monkeypatch):
    fdopen = os.fdopen

    def full(*arguments, **more):
        fdopen(*arguments, **more).close()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(UserError, match="lock.json cannot be written: No space left"):
        RunLock(tmp_path).__enter__()
    assert not list(tmp_path.iterdir())
