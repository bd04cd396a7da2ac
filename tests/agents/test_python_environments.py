"""Trainings in environments that are given in Python, and what commands make of their runs."""

import json

import pytest
import torch

import mmrl
from mmrl.cli import main
from mmrl.errors import UserError
from mmrl.experiment.run import Run

SMALL = {
    "device": "cpu", "clip_every": 0, "eval_episodes": 0, "verbose": False,
    "model": {"features": 8},
    "ppo": {"num_envs": 2, "n_steps": 8, "batch_size": 16, "n_epochs": 1},
}  # fmt: skip
CELL = """
import gymnasium as gym
import numpy as np

class Dial(gym.Env):
    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}
    observation_space = gym.spaces.Box(0, 1, (3,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, length=2, render_mode=None):
        self.length, self.render_mode = length, render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.ones(3, np.float32), float(action), self.steps >= self.length, False, {}

    def render(self):
        return np.full((8, 8, 3), self.steps, np.uint8)
"""


def dial():
    """A class that exists only in a notebook."""
    scope = {"__name__": "__main__"}
    exec(CELL, scope)
    return scope["Dial"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "dial"
    return mmrl.train(env=dial(), env_args={"length": 3}, steps=16, out=out, **SMALL)


def test_the_run_is_evaluated_where_the_class_is(trained):
    assert trained.config["env"] == "python/Dial"
    assert mmrl.evaluate(trained, episodes=2, controls=False)["mean_length"] == 3
    again = mmrl.evaluate(trained, env=dial(), episodes=2, controls=False)
    assert again["mean_length"] == 3  # the run's arguments
    longer = dial()
    factory = mmrl.evaluate(trained, env=lambda: longer(5), episodes=2, controls=False)
    assert factory["mean_length"] == 5
    assert len(trained.agent.clip(env=longer(4, "rgb_array")).frames) == 5


@pytest.fixture
def elsewhere(trained):
    """The run folder as a process sees it that lacks the class."""
    config = trained.path / "config.yaml"
    text = config.read_text()
    config.write_text(text.replace("python/Dial", "python/Elsewhere"))
    yield trained.path
    config.write_text(text)


@pytest.mark.parametrize("command", ["eval", "clip", "train --resume"])
def test_commands_say_that_the_class_is_needed(elsewhere, command, capsys):
    before = sorted(one.name for one in elsewhere.iterdir())
    status = (elsewhere / "status.json").read_bytes()
    more = ["--steps", "32", "--allow-changes"] if "train" in command else []
    assert main([*command.split(), str(elsewhere), *more]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "'python/Elsewhere' exists only in the Python session" in error
    assert "mmrl.resume(run, env=MyEnv)" in error
    assert sorted(one.name for one in elsewhere.iterdir()) == before
    assert (elsewhere / "status.json").read_bytes() == status


def test_a_training_is_resumed_with_the_class(tmp_path):
    path = tmp_path / "run"
    one, other = dial(), dial()
    mmrl.train(env=lambda: one(3), steps=16, out=path, **SMALL)
    with pytest.raises(UserError, match="env: python/lambda-.* → python/Dial"):
        mmrl.resume(path, env=other, verbose=False)
    with pytest.raises(UserError, match="steps: 16 → 32"):
        mmrl.resume(path, env=lambda: other(3), steps=32)
    with pytest.warns(UserWarning, match="new episodes begin"):
        run = mmrl.resume(
            path, env=lambda: other(3), steps=32, ppo={"n_epochs": 2}, allow_changes=True,
            verbose=False,
        )  # fmt: skip
    assert run.run.newest_checkpoint().name == "step_32"
    assert run.config["ppo"]["n_steps"] == 8
    assert Run.open(path).config["ppo"]["n_epochs"] == 2


def test_one_policy_for_all_agents_by_the_command(tmp_path, capsys):
    small = "--model.features 8 --model.text bag_of_words --ppo.num-envs 6 --ppo.n-steps 8"
    command = f"train --env worlds.walkers:Walkers --steps 48 --eval-episodes 4 {small}"
    more = "--ppo.batch-size 16 --ppo.n-epochs 1 --device cpu --clip-every 0 --controls false"
    assert main([*command.split(), *more.split(), "--out", str(tmp_path / "run")]) == 0
    assert "ann, bob, eve  3 of a batch  one policy for all" in capsys.readouterr().out
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert (result["episodes"], result["success_rate"]) == (4, 0.75)
    assert main(["eval", str(tmp_path / "run"), "--episodes", "2", "--controls", "false"]) == 0
    assert "worlds.walkers:Walkers" in capsys.readouterr().out
    bad = [*command.replace("envs 6", "envs 4").split(), "--out", str(tmp_path / "bad")]
    assert main(bad) == 2
    assert "num_envs=4" in capsys.readouterr().err
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize("workers", [0, 2])
def test_agents_of_a_parallel_environment_resume_exactly(tmp_path, capsys, stop, workers):
    small = "--model.features 8 --model.text bag_of_words --ppo.num-envs 6 --ppo.n-steps 4"
    more = "--ppo.batch-size 8 --ppo.n-epochs 1 --device cpu --clip-every 0 --eval-episodes 0"
    command = ["train", "--env", "worlds.walkers:SavedWalkers", "--steps", "72", *small.split(),
               *more.split(), "--env-workers", str(workers), "--out"]  # fmt: skip
    assert main([*command, str(tmp_path / "whole")]) == 0
    assert "exact resume is off" not in capsys.readouterr().err
    stop(7, KeyboardInterrupt())  # within the second rollout, with agents that wait
    assert main([*command, str(tmp_path / "stopped")]) != 0
    assert main(["train", "--resume", str(tmp_path / "stopped")]) == 0
    whole, stopped = (Run.open(tmp_path / name).read_checkpoint() for name in ("whole", "stopped"))
    assert whole.steps == stopped.steps == 72
    assert all(torch.equal(one, stopped.weights[name]) for name, one in whole.weights.items())
