"""Run folders and datasets that an earlier version wrote are evaluated, captioned and resumed."""

import json
import shutil
from pathlib import Path

import pytest

from mmrl.cli import main

OLD = Path(__file__).parent / "data" / "first_layout"


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A copy of the folder, as the working directory: the runs name their data relative to it."""
    shutil.copytree(OLD, tmp_path / "old")
    monkeypatch.chdir(tmp_path / "old")
    return tmp_path / "old"


@pytest.mark.parametrize("run", ["ppo", "qrdqn"])
def test_agents_play_as_they_did(old, run):
    before = json.loads((old / run / "result.json").read_text())
    assert main(["eval", run, "--episodes", "16", "--json", "now.json"]) == 0
    now = json.loads((old / "now.json").read_text())
    for key in ("success_rate", "success_rate_95", "mean_length", "mean_return", "seeds"):
        assert now[key] == before[key], key


@pytest.mark.parametrize("run", ["ppo", "qrdqn"])
def test_trainings_are_resumed(old, run):
    more = ["--steps", "640", "--allow_changes", "true", "--eval_episodes", "0"]
    assert main(["train", "--resume", run, *more]) == 0
    assert (old / run / "checkpoints" / "step_640").is_dir()
    assert json.loads((old / run / "status.json").read_text())["status"] == "finished"


def test_captions_are_generated(old, capsys):
    assert main(["caption", "captioner", "--data", "dataset", "--episodes", "12"]) == 0
    assert "of 12" in capsys.readouterr().out


def test_datasets_are_read_and_learnt_from(old, capsys):
    assert main(["collect", "show", "./dataset"]) == 0
    assert "mmrl/ActionObjDoor-v0" in capsys.readouterr().out
    fit = ["--data", "./dataset", "--steps", "1", "--test_share", "0.2", "--width", "8"]
    assert main(["fit", "captioner", *fit, "--out", "again"]) == 0
