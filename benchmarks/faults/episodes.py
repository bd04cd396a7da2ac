"""Episodes that never end, instructions that change, and images that are drawn into one buffer."""

import numpy as np
from room import register


def screen(self):
    """The same array each time."""
    if "screen" not in vars(self):
        self.screen = np.zeros((24, 24, 3), np.uint8)
    self.screen[:] = 10 + self.t
    return self.screen


register("Endless", length=10**12)
register("Mind", words=lambda self: "go left" if self.t < 2 else "no go right")
register("Screen", image=screen)
