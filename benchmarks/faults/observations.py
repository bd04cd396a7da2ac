"""Observations that are not what their space declares, or are declared in another layout."""

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from room import Room, register

from mmrl.wrappers.adapt.adapter import ContractAdapter


def observes(name, image=None, space=None, **members):
    """An environment with other images, or another space."""
    if image is not None:
        members["image"] = lambda self: image
    if space is not None:
        members["observation_space"] = spaces.Dict(
            image=space, instruction=Room.observation_space["instruction"]
        )
    made = register(name, **members)
    gym.register(f"{name}Wrapped-v0", lambda **kwargs: ContractAdapter(made(**kwargs)))


def zeros(*shape, dtype=np.uint8):
    """An image of zeros."""
    return np.zeros(shape, dtype)


observes("Floats", zeros(24, 24, 3, dtype=np.float32))
observes("Ints", zeros(24, 24, 3, dtype=np.int64))
observes("Larger", zeros(32, 32, 3))
observes("Extra", observe=lambda self: {**Room.observe(self), "debug": 1})
observes("Masks", zeros(24, 24, 3), spaces.Box(0, 1, (24, 24, 3), np.uint8))
observes("First", zeros(3, 24, 24), spaces.Box(0, 255, (3, 24, 24), np.uint8))
observes("Gray", zeros(24, 24, 1), spaces.Box(0, 255, (24, 24, 1), np.uint8))
observes("Unit", zeros(24, 24, 3, dtype=np.float32), spaces.Box(0, 1, (24, 24, 3), np.float32))
observes("Null", words=lambda self: None)
observes("Lines", words=lambda self: ["open", "the door"])
observes("Empty", words=lambda self: "" if self.t == 2 else Room.words(self))
