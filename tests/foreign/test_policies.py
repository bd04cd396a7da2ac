"""Policies in a foreign world: plain training, and hindsight by the oracle or a captioner."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmrl.cli import main
from mmrl_agents.hindsight.captioner import LearnedCaptioner

TINY = [
    "--device", "cpu", "--eval_episodes", "4", "--clip_every", "0", "--checkpoint_every", "0",
    "--model.text", "bag_of_words", "--model.fusion", "concat", "--model.image_args", "{width: 8}",
]  # fmt: skip
DQN = [
    "--agent", "dqn", "--dqn.num_envs", "4", "--dqn.buffer_size", "500", "--dqn.learning_starts",
    "32", "--dqn.train_freq", "8", "--dqn.gradient_steps", "1", "--dqn.batch_size", "8",
]  # fmt: skip


def train(out: Path, name: str, *options: str) -> int:
    command = ["train", "--env", f"shapes/{name}-v0", "--out", str(out), *TINY]
    return main([*command, *options])


@pytest.mark.parametrize("name", ["Touch", "Plain", "Silent"])
def test_ppo(tmp_path: Path, name: str) -> None:
    size = ["--ppo.num_envs", "4", "--ppo.n_steps", "16", "--ppo.batch_size", "32"]
    assert train(tmp_path / "run", name, "--steps", "128", "--ppo.n_epochs", "1", *size) == 0
    assert (tmp_path / "run" / "result.json").is_file()


@pytest.mark.parametrize("name", ["Touch", "Plain"])
def test_hindsight_by_the_oracle(tmp_path: Path, name: str) -> None:
    options = ["--steps", "400", "--dqn.hindsight", "oracle", "--env_args", "{strict: true}"]
    assert train(tmp_path / "run", name, *DQN, *options) == 0
    events = EventAccumulator(str(tmp_path / "run"), {"scalars": 0}).Reload()
    relabelled, accuracy = (
        [one.value for one in events.Scalars(f"hindsight/{tag}")]
        for tag in ("relabelled", "accuracy")
    )
    assert 0 < relabelled[-1] <= 1
    assert set(accuracy) == {1.0}


@pytest.mark.parametrize("name", ["Touch", "Silent"])
def test_hindsight_by_a_captioner(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for attribute, value in (("first", 8), ("first_steps", 3), ("steps", 2)):
        monkeypatch.setattr(LearnedCaptioner, attribute, value)
    monkeypatch.setattr("mmrl_agents.hindsight.captioner._BATCH", 8)
    options = ["--steps", "400", "--dqn.hindsight", "learned"]
    assert train(tmp_path / "run", name, *DQN, *options) == 0
    events = EventAccumulator(str(tmp_path / "run"), {"scalars": 0}).Reload()
    assert events.Scalars("hindsight/captioner_examples")[-1].value >= 8
    assert math.isfinite(events.Scalars("hindsight/captioner_loss")[-1].value)


def test_no_oracle_without_what_was_achieved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path / "run", "Silent", *DQN, "--dqn.hindsight", "oracle") == 2
    error = capsys.readouterr().err
    assert "shapes/Silent-v0" in error
    assert "infos['achieved']" in error
    assert "Traceback" not in error
