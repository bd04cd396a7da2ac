"""Two buttons and an instruction: the environment of docs/tutorial.md."""

import string

import gymnasium as gym
import numpy as np
from gymnasium import spaces

COLORS = {
    "red": (220, 50, 47),
    "green": (60, 160, 60),
    "blue": (38, 90, 210),
    "yellow": (230, 190, 40),
}


class Buttons(gym.Env):
    """Two buttons on a panel; the instruction says which of them to press."""

    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (32, 64, 3), np.uint8),
        instruction=spaces.Text(40, charset=string.printable),
    )
    action_space = spaces.Discrete(2)
    metadata = {"render_modes": [], "actions": ["press left", "press right"]}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.buttons = [str(one) for one in self.np_random.choice(list(COLORS), 2, replace=False)]
        self.wanted = self.buttons[self.np_random.integers(2)]
        return self.observe(), {}

    def observe(self):
        image = np.full((32, 64, 3), 40, np.uint8)
        for left, color in zip((8, 40), self.buttons, strict=True):
            image[8:24, left : left + 16] = COLORS[color]
        return {"image": image, "instruction": f"press the {self.wanted} button"}

    def step(self, action):
        success = self.buttons[action] == self.wanted
        return self.observe(), float(success), True, False, {"is_success": success}


gym.register("Buttons-v0", Buttons)
