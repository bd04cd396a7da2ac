"""Actions that are not one number from 0 on."""

import numpy as np
from gymnasium import spaces
from room import Room, register


def checked(self, action):
    """Refuse an action that the space does not hold."""
    if action not in self.action_space:
        raise ValueError(f"{action!r} is not in {self.action_space}")
    return Room.step(self, action)


register("Arm", action_space=spaces.Box(-1, 1, (2,), np.float32))
register("Buttons", action_space=spaces.MultiDiscrete([2, 3]))
register("Switches", action_space=spaces.MultiBinary(3))
register("Start", action_space=spaces.Discrete(3, start=1), step=checked)
register("Starts", action_space=spaces.MultiDiscrete([2, 3], start=[1, -1]), step=checked)
