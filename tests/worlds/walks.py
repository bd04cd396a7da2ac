"""A walk along a line: the sentence names the end to reach, and nothing on the way is rewarded.

Its observations have other names than ours, and nobody acts well in it but who reads the sentence.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

PLACES = 5


class Walk(gym.Env[Any, Any]):
    """Walk to the left or right end; either ends the episode, the one that is named with reward 1.

    Episodes are truncated after 12 steps.
    """

    observation_space = spaces.Dict(
        place=spaces.Box(0, 1, (PLACES,), np.float32),
        task=spaces.Text(9, charset="abcdefghijklmnopqrstuvwxyz "),
    )
    action_space = spaces.Discrete(2)

    def __init__(self, render_mode: str | None = None) -> None:
        pass

    def look(self) -> dict[str, Any]:
        return {"place": np.eye(PLACES, dtype=np.float32)[self.at], "task": f"go {self.end}"}

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.at, self.steps = PLACES // 2, 0
        self.end = ("left", "right")[self.np_random.integers(2)]
        return self.look(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.at += 1 if int(action) else -1
        self.steps += 1
        over = self.at in (0, PLACES - 1)
        reached = over and (self.at > 0) == (self.end == "right")
        truncated = self.steps == 12 and not over
        return self.look(), float(reached), over, truncated, {"success": reached}


gym.register("walks/Walk-v0", "worlds.walks:Walk")
