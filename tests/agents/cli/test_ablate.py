"""``mmrl ablate`` trains what is missing, resumes, and refuses what would not be comparable."""

import csv
import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from mmrl.cli import main
from mmrl.experiment.run import Run, Status
from tests import warm

CONFIG = """\
env: mmrl/GoToObjS4-v0
steps: 128
model: {image_args: {width: 8}, text: bag_of_words, text_args: {width: 8}, features: 8}
ppo: {num_envs: 8, n_steps: 16, batch_size: 64, n_epochs: 1}
clip_every: 0
env_args: {max_steps: 9}
eval_episodes: 4
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    return path


def ablate(config, out, *more):
    return main(["ablate", str(config), "--out", str(out), "--seeds", "1", *more])


def test_train_and_resume(config, tmp_path, capsys):
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmrl.cli.processes.subprocess", warm.subprocess)
        assert ablate(config, out, "--over", "optimizer.name=sgd", "--jobs", "2") == 0
    output = capsys.readouterr().out
    assert "| optimizer.name=sgd | 1 |" in output
    rows = list(csv.DictReader((out / "ablation.csv").open()))
    assert [row["arm"] for row in rows] == ["as configured", "optimizer.name=sgd"]
    finished = out / "as_configured" / "seed-0" / "result.json"
    before = finished.stat().st_mtime_ns
    (out / "optimizer.name=sgd" / "seed-0" / "result.json").unlink()  # as if it was interrupted
    assert ablate(config, out, "--over", "optimizer.name=sgd") == 0
    assert finished.stat().st_mtime_ns == before
    assert (out / "optimizer.name=sgd" / "seed-0" / "result.json").is_file()
    config.write_text(CONFIG.replace("128", "256"))
    assert ablate(config, out, "--over", "optimizer.name=sgd") == 2
    assert "another configuration or budget" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "--over is missing"),
        (["--over", "model.fusion=flim"], "did you mean 'film'"),
        (["--over", "model.fsuion=film"], "model.fusion"),
        (["--over", "x"], "write key=value"),
        (["--over", "seed=1", "--jobs", "0"], "--jobs 0"),
        (["--over", "eval_episodes=0"], "nothing would be compared"),
    ],
)
def test_typing_errors_show_at_once(config, tmp_path, capsys, more, words):
    try:
        status = ablate(config, tmp_path / "out", *more)
    except SystemExit as leaving:
        status = leaving.code
    assert status == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_else(config, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("whole")
    assert ablate(config, tmp_path / "out", "--over", "seed=1") == 2
    assert "is not empty, and not an ablation" in capsys.readouterr().err


def test_a_training_that_fails_is_named(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("mmrl.cli.processes.subprocess", warm.subprocess)
    assert ablate(config, tmp_path / "out", "--over", "ppo.batch_size=60") == 2
    assert "ppo.batch_size=60, seed 0 failed: " in capsys.readouterr().err


def stopped(arguments, reached):
    """The status of a command that gets SIGTERM once something is so."""
    ended, deadline = threading.Event(), time.monotonic() + 300

    def stop():
        while not reached() and time.monotonic() < deadline and not ended.wait(0.05):
            pass
        if not ended.is_set():
            os.kill(os.getpid(), signal.SIGTERM)

    watch = threading.Thread(target=stop)
    watch.start()
    try:
        return main(arguments)
    finally:
        ended.set()
        watch.join()


@pytest.mark.parametrize("command", ["ablate", "tune"])
def test_trainings_end_with_the_command_that_began_them(config, tmp_path, warm, capsys, command):
    out, owners = tmp_path / "out", []
    more = {
        "ablate": ["--over", "optimizer.name=sgd", "--seeds", "1"],
        "tune": ["--over", "ppo.learning_rate=1e-4..1e-3", "--trials", "1"],
    }
    begun = [command, str(config), "--out", str(out), "--steps", "200000", *more[command]]

    def is_saved():
        # a checkpoint is written under another name first, and stands in its place when it is whole
        for path in out.rglob("checkpoints/step_*"):
            owners.append(json.loads((path.parents[1] / "lock.json").read_text())["pid"])
            return True
        return False

    assert stopped(begun, is_saved) == 128 + signal.SIGTERM
    assert "once more stops at once" in capsys.readouterr().err
    (run,) = {path.parents[1] for path in out.rglob("checkpoints/step_*")}
    (owner,) = owners
    assert not Path(f"/proc/{owner}").exists()
    assert not (run / "lock.json").exists()
    ended = Run.open(run)
    assert ended.status is Status.INTERRUPTED
    if command == "ablate":  # and it is resumed where it was
        resumed = f"from step_{ended.read_checkpoint().steps}"
        log = run.parent / "seed-0.log"
        assert stopped(begun, lambda: resumed in log.read_text()) == 128 + signal.SIGTERM
        assert resumed in log.read_text()
