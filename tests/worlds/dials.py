"""A dial: its observations are nested and named otherwise, and its actions have other bounds."""

from typing import Any

import gymnasium as gym
import numpy as np


class Dial(gym.Env[Any, Any]):
    """A number is shown, under another name; turn the dial, of other bounds, to where it is."""

    observation_space = gym.spaces.Dict(
        seen=gym.spaces.Dict(number=gym.spaces.Box(-5, 5, (1,), np.float64)),
        task=gym.spaces.Text(9, charset="dial tothe"),
    )
    action_space = gym.spaces.Box(-10, 10, (1,), np.float32)

    def __init__(self, render_mode=None):
        pass

    def look(self):
        self.number = self.np_random.uniform(-5, 5, 1)
        return {"seen": {"number": self.number}, "task": "dial"}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self.look(), {}

    def step(self, action):
        self.steps += 1
        error = abs(float(action[0]) - float(self.number[0]))
        return self.look(), -error, self.steps == 3, False, {"success": error < 1}

    def expert_action(self):
        return self.number.astype(np.float32)


gym.register("dials/Dial-v0", "worlds.dials:Dial")
