"""Environments that raise, or are written for the old Gym."""

import gymnasium as gym
from room import Room, register


def fails(text):
    """A method that raises."""

    def raising(self, *args, **kwargs):
        raise RuntimeError(text)

    return raising


def hundred(self, *, seed=None, options=None):
    """Refuse seeds that are no number of a scene."""
    if seed is not None and seed > 99:
        raise IndexError("there are 100 scenes")
    return Room.reset(self, seed=seed)


register("Made", __init__=fails("no simulator found"))
register("Reset", reset=fails("cannot load the scene"))
register("Old", reset=lambda self: Room.reset(self)[0])
register("Older", reset=lambda self, seed=None, options=None: Room.reset(self, seed=seed)[0])
register("Closing", close=fails("closed before"))
register("Hundred", reset=hundred)
gym.register("Missing-v0", "not_installed:Room")
