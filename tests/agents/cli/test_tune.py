"""``mmrl tune``: trials in processes of their own, in a study that can be taken up again."""

import sqlite3

import pytest
import yaml

from mmrl.cli import main
from mmrl.experiment.run import Run

pytest.importorskip("optuna")
CONFIG = {
    "env": "mmrl/GoToObjS4-v0", "env_args": {"max_steps": 9}, "steps": 128, "clip_every": 0,
    "checkpoint_every": 0, "device": "cpu", "eval_episodes": 4,
    "model": {"image_args": {"width": 8}, "text": "bag_of_words", "features": 8},
    "ppo": {"num_envs": 8, "n_steps": 16, "batch_size": 64, "n_epochs": 1},
}  # fmt: skip


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(CONFIG))
    return str(file)


def test_search_and_resume(config, tmp_path, capsys, warm):
    out = tmp_path / "search"
    over = ["--over", "ppo.learning_rate=1e-3..1e-2:log", "--over", "model.fusion=film,concat"]
    common = ["tune", config, "--out", str(out), "--episodes", "8", *over]
    assert main([*common, "--trials", "2", "--jobs", "2"]) == 0
    output = capsys.readouterr().out
    assert "| 0 |" in output
    assert "| 1 |" in output
    assert main([*common, "--trials", "3"]) == 0
    assert "| 2 |" in capsys.readouterr().out
    runs = sorted(out.glob("trial-????"))
    assert len(runs) == 3
    best = yaml.safe_load((out / "best.yaml").read_text())
    chosen = [Run.open(run).config for run in runs]
    keys = ("model", "ppo", "env")
    assert any(all(best[key] == one[key] for key in keys) for one in chosen)
    assert "out" not in best
    assert "eval_episodes" not in best
    assert (out / "tune.png").stat().st_size > 5000
    with sqlite3.connect(out / "study.db") as study:
        assert study.execute("select count(*) from trials").fetchone() == (3,)
    assert main([*common, "--trials", "3"]) == 0  # nothing is left to do
    assert len(list(out.glob("trial-????"))) == 3
    best_run = ["train", "--config", str(out / "best.yaml"), "--out", str(tmp_path / "best")]
    assert main([*best_run, "--eval_episodes", "4"]) == 0
    (tmp_path / "other.yaml").write_text(yaml.safe_dump({**CONFIG, "steps": 256}))
    other = ["tune", str(tmp_path / "other.yaml"), "--out", str(out), "--trials", "1", *over]
    assert main(other) == 2
    assert "holds a search of another configuration" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--trials", "0"], "--trials 0: must be at least 1"),
        (["--trials", "2", "--over", "ppo.gamma=0.9"], "two values or more"),
        (["--trials", "2", "--over", "ppo.gama=0.9..0.99"], "did you mean 'ppo.gamma'"),
        (["--trials", "2", "--over", "model.fusion=film,flim"], "did you mean 'film'"),
    ],
)
def test_what_cannot_be(config, tmp_path, capsys, arguments, words):
    try:
        status = main(["tune", config, "--out", str(tmp_path / "search"), *arguments])
    except SystemExit as leaving:
        status = leaving.code
    assert status == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "search").exists()


def test_a_trial_that_fails_says_why(config, tmp_path, capsys, monkeypatch):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no luck today\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    arguments = ["--trials", "1", "--over", "ppo.gamma=0.9..0.99", "--out", str(tmp_path / "s")]
    assert main(["tune", config, *arguments]) == 2
    assert "trial 0 failed: no luck today" in capsys.readouterr().err


def test_a_study_with_a_number_of_another_type(config, tmp_path, capsys):
    """SQLite keeps any type in any column, and Optuna compares the numbers of trials."""
    out = tmp_path / "search"
    optuna = pytest.importorskip("optuna")
    request = ["tune", config, "--out", str(out), "--over", "ppo.learning_rate=1e-3..1e-2:log"]
    out.mkdir()
    settings = {"config": (tmp_path / "config.yaml").read_text(), "steps": None}
    (out / "search.yaml").write_text(yaml.safe_dump(settings))
    study = optuna.create_study(
        study_name="mmrl", storage=f"sqlite:///{out / 'study.db'}", direction="maximize"
    )
    study.ask()
    with sqlite3.connect(out / "study.db") as database:
        database.execute("update trials set number = x'ff'")
    assert main([*request, "--trials", "2"]) == 2
    error = capsys.readouterr().err
    assert "study.db: is damaged, or no study: TypeError: a trial has no number" in error
    assert error.count("\n") == 1
