"""The smallest environment of the contract; the other modules change one thing in it."""

import string

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Room(gym.Env):
    """Four steps; the instruction and the image depend on whether a door is open."""

    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (24, 24, 3), np.uint8),
        instruction=spaces.Text(80, charset=string.printable),
    )
    action_space = spaces.Discrete(2)
    length = 4

    def words(self):
        """The instruction."""
        return "shut the door" if self.open else "open the door"

    def image(self):
        """The image."""
        return np.full((24, 24, 3), 255 * self.open, np.uint8)

    def observe(self):
        """The observation."""
        return {"image": self.image(), "instruction": self.words()}

    def reset(self, *, seed=None, options=None):
        """Begin an episode."""
        super().reset(seed=seed)
        self.open, self.t = bool(self.np_random.integers(2)), 0
        return self.observe(), {}

    def step(self, action):
        """Reward for any action but the first."""
        self.t += 1
        return self.observe(), float(np.ravel(action)[0] > 0), self.t >= self.length, False, {}


def register(name, bases=(Room,), **members):
    """Register an environment that differs in some members."""
    made = type(name, bases, members)
    gym.register(f"{name}-v0", made)
    return made


gym.register("Room-v0", Room)
