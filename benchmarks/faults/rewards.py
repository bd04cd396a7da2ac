"""Rewards and infos that are no number, or no truth value."""

import numpy as np
from room import Room, register


def answers(name, reward=1.0, **info):
    """An environment whose steps give this reward and info."""

    def step(self, action):
        observation, _, over, cut, _ = Room.step(self, action)
        return observation, reward, over, cut, dict(info)

    register(name, step=step)


def broken(self, action):
    """A reward that is not a number in the third step."""
    observation, _, *rest = Room.step(self, action)
    return observation, float("nan") if self.t == 3 else 1.0, *rest


answers("Boxed", is_success=np.array([True]))
answers("Pair", np.array([1.0, 2.0]))
answers("Unset", is_success=None)
answers("Quoted", is_success="False")
register("NotANumber", step=broken)
