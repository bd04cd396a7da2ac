"""States of environments that are no plain data, or that come back changed."""

import numpy as np
from room import register


def fails(self):
    """A state that cannot be had."""
    raise RuntimeError("no state while the simulator runs")


def keep(self, state):
    """Take no notice."""


def show(self, state):
    """Print what comes back."""
    print("came back:", state)


register("Visited", get_state=lambda self: {"visited": {1, 2}}, set_state=keep)
register("Other", get_state=lambda self, name: {}, set_state=keep)
register("Failing", get_state=fails, set_state=keep)
register(
    "Same",
    get_state=lambda self: {"at": (3, 1), "a/b": np.zeros(2), "a": {"b": np.ones(2)}},
    set_state=show,
)
