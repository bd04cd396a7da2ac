"""A simulator for the tests: an arm with a camera, joints and a task, which can fail in many ways.

It imports Gymnasium and NumPy alone, as a package of somebody else would, and registers
``arms/Arm-v0``, whose observations and actions are adapted.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium import spaces

COLORS: Final = ("red", "green", "blue")
ENDS: Final = {
    "raise": lambda: 1 / 0,
    "exit": lambda: os._exit(3),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
}


class Arm(gym.Env[dict[str, Any], Any]):
    """Episodes of random length; what is seen follows from seed and actions.

    Observation: ``camera`` uint8 [3, 16, 16], ``joints`` float64 [4] and ``task``. Actions: Box [2]
    from 0 to 10. With ``fails`` it fails in the second step of the episode seeded with ``seed``, or
    prints, warns or has a lock in its infos at each reset, or cannot be made where torch is not
    loaded.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 4}
    observation_space = spaces.Dict(
        camera=spaces.Box(0, 255, (3, 16, 16), np.uint8),
        joints=spaces.Box(-np.inf, np.inf, (4,), np.float64),
        task=spaces.Text(40, charset="abcdefghijklmnopqrstuvwxyz 0123456789"),
    )
    action_space = spaces.Box(0, 10, (2,), np.float64)

    def __init__(
        self, fails: str | None = None, seed: int = -1, render_mode: str | None = None
    ) -> None:
        if fails == "torch" and "torch" not in sys.modules:
            raise OSError("no simulator here")
        self._fails, self._seed, self.render_mode = fails, seed, render_mode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed)
        if self._fails == "print":
            print("a simulator prints")
        if self._fails == "warn":
            warnings.warn("a simulator warns", stacklevel=1)
        info = {"lock": threading.Lock()} if self._fails == "lock" else {}
        self._is_marked = seed is not None and seed == self._seed
        self.steps, self.length = 0, int(self.np_random.integers(2, 6))
        self.joints = self.np_random.normal(size=4)
        self.color = COLORS[self.np_random.integers(3)]
        return self._look(), {**info, "length": self.length}

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        self.steps += 1
        if self._is_marked and self.steps == 2:
            ENDS[self._fails or "raise"]()
        self.joints[:2] += action
        over = self.steps == self.length
        info: dict[str, Any] = {"joints": self.joints.copy(), "achieved": (self.color,)}
        if over:
            info["success"] = bool(self.joints[0] > 5)
        return self._look(), float(self.joints.sum()), over, False, info

    def _look(self) -> dict[str, Any]:
        shade = int(abs(self.joints).sum() * 10) % 256
        return {
            "camera": np.full((3, 16, 16), shade, np.uint8),
            "joints": self.joints.copy(),
            "task": f"reach {self.color} in {self.length}",
        }

    def render(self) -> Any:
        return np.full((16, 16, 3), self.steps, np.uint8)

    def expert_action(self) -> Any:
        return np.full(2, self.steps, np.float64)

    def is_equivalent(self, sentence: str) -> bool:
        return self.color in sentence

    def loaded(self) -> bool:
        """Whether torch is loaded where this environment is."""
        return "torch" in sys.modules

    def get_state(self) -> dict[str, Any]:
        return {
            "joints": self.joints.copy(), "color": self.color, "at": [self.steps, self.length]
        }  # fmt: skip

    def set_state(self, state: dict[str, Any]) -> None:
        self.joints, self.color = state["joints"].copy(), state["color"]
        self.steps, self.length = state["at"]


gym.register("arms/Arm-v0", "worlds.arms:Arm", max_episode_steps=50)
