"""A tiny world for the tests: two lamps, and an instruction that names a button; and a training."""

from __future__ import annotations

from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium import spaces

SMALL: Final[dict[str, Any]] = {
    "device": "cpu", "clip_every": 0, "eval_episodes": 4, "record_mb": 0, "verbose": False,
    "model": {"image_args": {"width": 8}, "text_args": {"width": 8, "layers": 1, "heads": 2},
              "features": 8},
    "ppo": {"num_envs": 4, "n_steps": 8, "batch_size": 16, "n_epochs": 1,
            "auxiliary": "reward_prediction"},
}  # fmt: skip
"""Options of a training of a second, which has weights that acting does not need."""


class Lamps(gym.Env):
    """One of two lamps is lit; the instruction names the action that is rewarded."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}
    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (24, 24, 3), np.uint8),
        instruction=spaces.Text(20, charset="abcdefghijklmnopqrstuvwxyz "),
    )
    action_space = spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.wanted = 0, int(self.np_random.integers(2))
        return self._look(), {}

    def step(self, action):
        self.steps += 1
        hit = int(action) == self.wanted
        return self._look(), float(hit), hit, self.steps == 4 and not hit, {"is_success": hit}

    def render(self):
        return self._look()["image"]

    def _look(self):
        image = np.zeros((24, 24, 3), np.uint8)
        image[:, 12 * self.wanted :][:, :12] = 200
        return {"image": image, "instruction": ("press left", "press right")[self.wanted]}
