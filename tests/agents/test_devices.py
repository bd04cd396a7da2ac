"""Trainings on every kind of device of this machine: resumed there, and played on a CPU."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import mmrl
from mmrl.experiment.run import Run

MODEL = {"image_args": {"width": 8}, "text": "bag_of_words", "features": 8, "precision": "bf16"}
ON_POLICY = {"num_envs": 4, "n_steps": 16, "batch_size": 32, "n_epochs": 1}
OFF_POLICY = {"num_envs": 4, "buffer_size": 64, "batch_size": 16, "learning_starts": 16}
MEMORY = {"memory": "gru", "auxiliary": "reward_prediction"}


class Point(gym.Env):
    """A number is asked for in words, beside a picture, and answered by a number."""

    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (16, 16, 3), np.uint8), task=spaces.Text(20)
    )
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.right = int(self.np_random.integers(2))
        return self.look(), {}

    def look(self):
        return {"image": np.zeros((16, 16, 3), np.uint8), "task": ("left", "right")[self.right]}

    def step(self, action):
        success = bool((action[0] > 0) == self.right)
        return self.look(), float(success), True, False, {"success": success}


@pytest.mark.parametrize(
    ("env", "agent", "hyper"),
    [
        ("mmrl/GoToObjS4-v0", "ppo", {**ON_POLICY, **MEMORY}),
        ("mmrl/GoToObjS4-v0", "dqn", OFF_POLICY),
        (Point, "sac", OFF_POLICY),
    ],
)
@pytest.mark.filterwarnings("ignore:.*has no state that can be saved")
def test_a_training(env, agent, hyper, device, tmp_path):
    options = {
        "agent": agent, "env": env, "device": device, "model": MODEL, agent: hyper, "seed": 3,
        "clip_every": 64, "eval_episodes": 4, "verbose": False,
    }  # fmt: skip
    mmrl.train(steps=64, out=tmp_path / "parts", **options)
    mmrl.resume(tmp_path / "parts", steps=128, env=env, verbose=False, allow_changes=True)
    run = Run.open(tmp_path / "parts")
    assert run.newest_checkpoint().name == "step_128"
    made = mmrl.make_env(env)
    observation, _ = made.reset(seed=5)
    for where in ("cpu", device):
        action = mmrl.load_agent(run, where).predict(observation)
        assert made.action_space.contains(action)
