"""Simulators for benchmarks, whose steps take time; registered as ``slow/<kind>-v0``."""

from __future__ import annotations

import time
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium import spaces

SECONDS: Final = 0.02  # of a step
KINDS: Final = ("sleep", "busy", "free")


class Simulator(gym.Env[dict[str, Any], Any]):
    """An environment whose steps take time, and nothing else; episodes of 50 steps.

    Args:
        kind: sleep, busy or free.
    """

    observation_space = spaces.Dict(
        image=spaces.Box(0, 255, (84, 84, 3), np.uint8),
        joints=spaces.Box(-np.inf, np.inf, (16,), np.float32),
        instruction=spaces.Text(20),
    )
    action_space = spaces.Discrete(4)

    def __init__(self, kind: str) -> None:
        self._kind, self._steps = kind, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed)
        self._steps = 0
        return self._observation(), {}

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """One step."""
        if self._kind == "sleep":
            time.sleep(SECONDS)
        until = time.process_time() + SECONDS
        while self._kind == "busy" and time.process_time() < until:
            pass
        self._steps += 1
        return self._observation(), 0.0, self._steps == 50, False, {}

    def _observation(self) -> dict[str, Any]:
        return {
            "image": np.full((84, 84, 3), self._steps, np.uint8),
            "joints": np.zeros(16, np.float32),
            "instruction": "wait",
        }


for _kind in KINDS:
    gym.register(
        f"slow/{_kind}-v0",
        f"{__name__}:Simulator",
        kwargs={"kind": _kind},
        disable_env_checker=True,
    )
