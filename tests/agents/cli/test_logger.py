"""``--logger``: the numbers of a training as a table, also of one that is resumed."""

import csv
import json
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmrl.cli import main

TINY = [
    "--env", "Nod-v0", "--clip_every", "0", "--record_mb", "0", "--device", "cpu",
    "--eval_episodes", "2", "--controls", "false", "--model.features", "8",
    "--ppo.num_envs", "2", "--ppo.n_steps", "8", "--ppo.batch_size", "16", "--ppo.n_epochs", "1",
]  # fmt: skip


class Nod(gym.Env):
    """Three steps; a state of two numbers."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.full(2, action, np.float32), float(action), self.steps == 3, False, {}

    def get_state(self):
        return self.steps

    def set_state(self, state):
        self.steps = state


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A working directory, and the environment by its id."""
    gym.register("Nod-v0", Nod)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    gym.registry.pop("Nod-v0", None)


def rows(run):
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_curves_configuration_and_result(place):
    assert main(["train", *TINY, "--steps", "64", "--out", "run", "--logger", "csv,jsonl"]) == 0
    table = rows(place / "run")
    events = EventAccumulator(str(place / "run"), size_guidance={"scalars": 0}).Reload()
    for tag in ("train/loss", "rollout/ep_rew_mean", "eval/mean_return"):
        curve = [(event.step, event.value) for event in events.Scalars(tag)]
        assert [
            (int(row["step"]), pytest.approx(float(row[tag]), rel=1e-5))
            for row in table
            if row[tag]
        ] == curve
    lines = (place / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [int(row["step"]) for row in table]
    assert json.loads(lines[-1]).keys() >= {"eval/mean_return", "eval/mean_length"}


def test_a_resumed_training_has_each_row_once(place):
    command = ["train", *TINY, "--out", "run", "--logger", "csv", "--checkpoint_every", "32"]
    assert main([*command, "--steps", "32", "--eval_episodes", "0"]) == 0
    file = place / "run" / "metrics.csv"
    file.write_text(file.read_text() + file.read_text().splitlines()[-1].replace("32", "48", 1))
    resumed = ["train", "--resume", "run", "--steps", "64", "--allow-changes"]
    assert main(resumed) == 0
    assert [row["step"] for row in rows(place / "run")] == ["16", "32", "48", "64"]


def test_a_missing_package_is_named_before_the_training(place, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setattr("mmrl.loggers.find_spec", lambda name: None)
    assert main(["train", *TINY, "--steps", "64", "--out", "run", "--logger", "wandb"]) == 2
    assert "pip install wandb" in capsys.readouterr().err
    assert not (place / "run").exists()
