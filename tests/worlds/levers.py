"""Levers: the sentence names one of two, the image shows on which side it is, and an expert knows.

``levers/Lever-v0`` has discrete actions, ``levers/Slider-v0`` a continuous one. Both need the image
and the sentence: a policy that reads neither is right in half of the episodes. An episode has
``length`` levers, one after the other; the first wrong one ends it.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

COLORS = ("red", "blue")


class Lever(gym.Env[Any, Any]):
    """Pull the lever that the sentence names; its colour fills one half of the image.

    Args:
        length: steps of an episode.
        skill: the share of episodes whose levers the expert pulls right.
        fixed: whether all levers of an episode are on the same side.
    """

    observation_space: gym.Space[Any] = spaces.Dict(
        image=spaces.Box(0, 255, (16, 16, 3), np.uint8),
        instruction=spaces.Text(8, charset="abcdelru "),
    )
    action_space: gym.Space[Any] = spaces.Discrete(2)

    def __init__(
        self,
        render_mode: str | None = None,
        length: int = 2,
        skill: float = 1.0,
        fixed: bool = False,
    ) -> None:
        self.length, self.skill, self.fixed = length, skill, fixed

    def look(self) -> dict[str, Any]:
        if not (self.fixed and self.steps):
            self.side = int(self.np_random.integers(2))
        image = np.zeros((16, 16, 3), np.uint8)
        halves = image[:, :8], image[:, 8:]
        halves[self.side][..., 0 if self.word == "red" else 2] = 255
        halves[1 - self.side][..., 2 if self.word == "red" else 0] = 255
        return {"image": image, "instruction": self.word}

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.word, self.steps = COLORS[self.np_random.integers(2)], 0
        self.is_skilled = bool(self.np_random.random() < self.skill)
        return self.look(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        right = self.is_right(action)
        over = not right or self.steps == self.length
        return self.look(), float(right), over, False, {"is_success": right and over}

    def is_right(self, action: Any) -> bool:
        return int(action) == self.side

    def expert_action(self) -> Any:
        return self.side if self.is_skilled else 1 - self.side


class Slider(Lever):
    """The same with a slider, which is moved to the left or to the right end."""

    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def is_right(self, action: Any) -> bool:
        return bool(abs(action[0] - (2 * self.side - 1)) < 0.5)

    def expert_action(self) -> Any:
        return np.array([2 * super().expert_action() - 1], np.float32)


gym.register("levers/Lever-v0", "worlds.levers:Lever")
gym.register("levers/Slider-v0", "worlds.levers:Slider")
