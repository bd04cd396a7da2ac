"""An off-policy training that was stopped in the middle of a rollout is resumed exactly: the
checkpoint has the replay buffer, the target network and the relabeller of its counters.
"""

import json
import shutil
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from mmrl.experiment.run import Run
from mmrl_agents.algorithms.dqn import DQNAgent, DQNConfig
from mmrl_agents.algorithms.qrdqn import QRDQNAgent, QRDQNConfig
from mmrl_agents.algorithms.sac import SACAgent, SACConfig
from mmrl_agents.algorithms.td3 import TD3Agent, TD3Config
from mmrl_agents.hindsight.captioner import LearnedCaptioner
from mmrl_agents.loop.callbacks import CheckpointCallback

LAMP = "test/Lamp-v0"
STEPS, STOPPED_AT = 160, 30  # 96 steps at the beginning of a rollout, 24 more since
SIZES = {
    "num_envs": 4, "learning_starts": 16, "batch_size": 8, "train_freq": 8, "gradient_steps": 2,
}  # fmt: skip
AGENTS = {
    "dqn": (DQNAgent, DQNConfig, {"target_update_interval": 8}),
    "qrdqn": (QRDQNAgent, QRDQNConfig, {"target_update_interval": 8, "n_quantiles": 5}),
    "hindsight": (DQNAgent, DQNConfig, {"target_update_interval": 8, "hindsight": "oracle"}),
    "captioner": (DQNAgent, DQNConfig, {"target_update_interval": 8, "hindsight": "learned"}),
    "sac": (SACAgent, SACConfig, {}),
    "td3": (TD3Agent, TD3Config, {}),
}


class Killed(BaseException):
    """What no code catches."""


class Lamp(gym.Env):
    """Ends after three steps; it was a success if the last action was the one asked for."""

    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (16, 16, 3), np.uint8),
        instruction=spaces.Text(10, charset="abcdefghijklmnopqrstuvwxyz "),
    )

    def __init__(self, render_mode=None, continuous=False, achieved=False):
        self.action_space = (
            spaces.Box(-1, 1, (1,), np.float32) if continuous else spaces.Discrete(2)
        )
        self.achieved = achieved

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.word, self.count, self.light = int(self.np_random.integers(2)), 0, 0
        return self._look(), {}

    def step(self, action):
        number = int(np.asarray(action).flat[0] > 0)
        self.count, self.light = self.count + 1, 100 * number + int(self.np_random.integers(50))
        over, right = self.count == 3, number == self.word
        achieved = {"achieved": (("off", "on")[number],)} if self.achieved and over else {}
        info = {"is_success": right} if over else {}
        return self._look(), float(right and over), over, False, info | achieved

    def _look(self):
        image = np.full((16, 16, 3), self.light, np.uint8)
        return {"image": image, "instruction": ("off", "on")[self.word]}

    def get_state(self):
        random = self.np_random.bit_generator.state
        return {"now": [self.word, self.count, self.light], "random": random}

    def set_state(self, state):
        self.word, self.count, self.light = state["now"]
        self.np_random.bit_generator.state = state["random"]


@pytest.fixture
def lamp(monkeypatch):
    """The id of an environment that is not ours; and a captioner that soon trains."""
    if LAMP not in gym.registry:
        gym.register(LAMP, Lamp)
    for name, number in (("first", 4), ("first_steps", 2), ("steps", 1)):
        monkeypatch.setattr(LearnedCaptioner, name, number)
    return LAMP


def files(run, name):
    """What is in a checkpoint, but the manifest and the clock."""
    folder = run.checkpoints / name
    state = json.loads((folder / "state.json").read_text())
    for episode in state["recent"]["episodes"]:
        del episode["t"]
    bytes_of = {one: (folder / one).read_bytes() for one in ("weights.safetensors", "state.npz")}
    return {**bytes_of, "state.json": state}


def settings(lamp, name, buffer_size):
    """An agent, its hyperparameters, and the rest of a configuration."""
    agent, config, more = AGENTS[name]
    hyper = config(**SIZES, buffer_size=buffer_size, **more)
    return agent, hyper, {
        "env": lamp, "env_args": {"continuous": name in ("sac", "td3")}, "steps": STEPS,
        "checkpoint_every": 64, "agent": name if name in ("qrdqn", "sac", "td3") else "dqn",
    }  # fmt: skip


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize("buffer_size", [1_000, 40])
def test_stopped_in_the_middle_of_a_rollout(
    make_run, lamp, tmp_path, stop, curves, name, buffer_size
):
    """With room for all transitions, and with old ones being overwritten."""
    agent, hyper, rest = settings(lamp, name, buffer_size)
    config, whole = make_run(tmp_path / "whole", **rest)
    agent.train(config, hyper, whole)

    _, run = make_run(tmp_path / "stopped", **rest)
    config = replace(config, out=str(run.path))
    stop(STOPPED_AT, Killed())
    with pytest.raises(Killed):
        agent.train(config, hyper, run)
    assert run.newest_checkpoint().name == "step_96"
    killed = Run.open(shutil.copytree(run.path, tmp_path / "killed"))
    shutil.rmtree(killed.checkpoints / "step_96")  # it had no time to write it
    for one, begun in ((run, "step_96"), (killed, "step_64")):
        assert one.newest_checkpoint().name == begun
        agent.train(replace(config, out=str(one.path)), hyper, one, resume=True)
        assert files(one, f"step_{STEPS}") == files(whole, f"step_{STEPS}")
        assert repr(curves(one)) == repr(curves(whole))  # with what is not a number


def test_the_checkpoint_is_that_of_the_beginning(make_run, lamp, tmp_path, stop):
    """A stop in the rollout at whose beginning a checkpoint was due writes the very same one."""
    agent, hyper, rest = settings(lamp, "hindsight", 40)
    rest["checkpoint_every"] = 96
    config, run = make_run(tmp_path / "run", **rest)
    first = []

    def saving(self, save=CheckpointCallback.save):
        save(self)
        if self.steps == 96:
            first.append(files(run, "step_96"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CheckpointCallback, "save", saving)
        stop(STOPPED_AT, Killed())
        with pytest.raises(Killed):
            agent.train(config, hyper, run)
    scheduled, late = first
    assert scheduled == late


def test_a_stop_that_was_asked_for(make_run, lamp, tmp_path, monkeypatch):
    """Ctrl-C in a rollout ends it; it is saved as it was at its beginning."""
    agent, hyper, rest = settings(lamp, "dqn", 40)
    config, whole = make_run(tmp_path / "whole", **rest)
    agent.train(config, hyper, whole)
    config, run = make_run(tmp_path / "run", **rest)
    with monkeypatch.context() as patch:

        def stepping(self, on_step=CheckpointCallback._on_step):
            self.stop_asked = self.stop_asked or self.model.num_timesteps == 116
            return on_step(self)

        patch.setattr(CheckpointCallback, "_on_step", stepping)
        with pytest.raises(KeyboardInterrupt):
            agent.train(config, hyper, run)
    assert run.newest_checkpoint().name == "step_96"
    agent.train(config, hyper, run, resume=True)
    assert files(run, f"step_{STEPS}") == files(whole, f"step_{STEPS}")
