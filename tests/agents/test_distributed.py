"""``mmrl train --workers``: the same training under Ray, whatever happens to a worker."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmrl.cli import main
from mmrl.experiment.run import Run

pytest.importorskip("ray")

FRAGILE = '''
"""A room whose environment of seed 8 kills its process, or raises, as a file says, once."""

import os
import pathlib
import signal

import gymnasium as gym
import mmrl_envs


class Fragile(gym.Wrapper):
    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self.seed = seed
        return super().reset(seed=seed, options=options)

    def step(self, action):
        self.steps = getattr(self, "steps", 0) + 1
        order = pathlib.Path(__file__).with_name("order")
        if self.seed == 8 and self.steps == 70 and order.exists():
            what = order.read_text()
            order.unlink()
            if what == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ZeroDivisionError("the camera is off")
        return super().step(action)

    def get_state(self):
        return {"room": self.env.get_wrapper_attr("get_state")(), "seed": self.seed}

    def set_state(self, state):
        self.env.get_wrapper_attr("set_state")(state["room"])
        self.seed, self.steps = state["seed"], 0


gym.register("Fragile-v0", lambda **how: Fragile(gym.make("mmrl/GoToObjS4-v0", **how)))
'''
TINY = {
    "steps": 1536, "seed": 3, "device": "cpu", "clip_every": 0, "checkpoint_every": 256,
    "eval_episodes": 4,
    "optimizer": {"name": "sgd"},  # Adam makes whole steps of gradients that are but rounding
    "model": {
        "image_args": {"width": 8}, "text": "bag_of_words", "text_args": {}, "features": 8,
    },
    "ppo": {"num_envs": 8, "n_steps": 16, "batch_size": 64, "n_epochs": 1, "learning_rate": 0.01},
}  # fmt: skip


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with an environment of one's own and a configuration, where commands are called."""
    (tmp_path / "fragile.py").write_text(FRAGILE)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({"env": "fragile:Fragile-v0", **TINY}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def steps_shown(run):
    accumulator = EventAccumulator(str(run.path), {"scalars": 0})
    accumulator.Reload()
    return [event.step for event in accumulator.Scalars("rollout/success_rate")]


def train(out, *more):
    return main(["train", "--config", "tiny.yaml", "--out", out, *more])


def test_a_worker_that_is_killed(place, capsys):
    """All go on from the last checkpoint, and end as one process without any accident."""
    assert train("alone") == 0
    (place / "order").write_text("die")
    assert train("team", "--workers", "2") == 0
    assert not (place / "order").exists()
    captured = capsys.readouterr()
    assert "a worker was lost" in captured.err
    assert "all go on from step_512" in captured.err
    alone, team = Run.open("alone"), Run.open("team")
    expected, got = alone.read_checkpoint(), team.read_checkpoint()
    assert got.steps == expected.steps == 1536
    for name, right in expected.weights.items():
        torch.testing.assert_close(got.weights[name], right, rtol=1e-3, atol=1e-4)
    one, other = (json.loads((run.path / "result.json").read_text()) for run in (alone, team))
    assert one["success_rate"] == other["success_rate"]
    assert not (team.path / "ray").exists()
    assert steps_shown(team) == steps_shown(alone)  # each once


def test_an_environment_that_raises_in_a_worker(place, capsys):
    (place / "order").write_text("raise")
    assert train("team", "--workers", "2") == 2
    said = capsys.readouterr().err
    assert "ZeroDivisionError: the camera is off" in said
    assert "seeded with 8" in said
    assert "goes on from the last checkpoint" in said
    assert "the camera is off" in (place / "team/environment_error.txt").read_text()
    assert Run.open("team").newest_checkpoint().name == "step_512"


def test_an_interrupt(place):
    """The first Ctrl-C ends the training after an update, and all is saved."""
    command = [sys.executable, "-m", "mmrl", "train", "--config", "tiny.yaml", "--out", "team"]
    process = subprocess.Popen(
        [*command, "--workers", "2", "--steps", "1000000"],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(place)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # were it ignored here
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while not list(place.glob("team/checkpoints/step_*")) and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "stopping after this update" in said
    newest = Run.open(place / "team").newest_checkpoint()
    assert f"{newest.name} was saved" in out
    assert "mmrl train --resume" in out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--workers", "3"], "--workers 3 must divide ppo.num_envs=8"),
        (["--workers", "-1"], "--workers -1: must be at least 0"),
        (["--workers", "2", "--agent", "dqn"], "agent 'dqn' learns in one process"),
        (["--workers", "2", "--profile", "true"], "profile in one process"),
        (["--address", "here:1"], "say how many --workers"),
        (["--workers", "2", "--address", "127.0.0.1:1"], "no Ray cluster answers"),
        (["--workers", "2", "--ppo.batch_size", "60"], "ppo.batch_size=60 must divide"),
    ],
)
def test_what_cannot_be_is_refused(place, capsys, more, said):
    assert train("team", *more) == 2
    assert said in capsys.readouterr().err
    assert not (place / "team").exists()


def test_ray_is_an_extra(place, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert train("team", "--workers", "2") == 2
    assert "pip install 'multimodal-rl[ray]'" in capsys.readouterr().err


def test_a_dry_run_prints_the_plan(place, capsys):
    assert train("team", "--workers", "4", "--dry_run", "true") == 0
    plan = capsys.readouterr().out
    assert "8 in all, 2 each" in plan
    assert "2 an update" in plan
    assert not (place / "team").exists()
    assert train("team", "--agent", "dqn", "--dry_run", "true") == 2
