"""Two environments of one kind: name the side that the text names. They end after one step."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

LETTERS = "abcdefghijklmnopqrstuvwxyz "


class Sides(gym.Env[dict[str, Any], np.int64]):
    """Reward 1 for the action whose word the text has; the image is grey.

    Args:
        size: of the image.
        n: how many actions there are, of which the first two are named.
    """

    words = ("left", "right")

    def __init__(self, size: int = 8, n: int = 2, render_mode: str | None = None) -> None:
        self.observation_space = spaces.Dict(
            image=spaces.Box(0, 255, (size, size, 3), np.uint8),
            instruction=spaces.Text(20, charset=LETTERS),
        )
        self.action_space: Any = spaces.Discrete(n)
        self.size, self.side = size, 0

    def image(self) -> Any:
        return np.full((self.size, self.size, 3), 128, np.uint8)

    def look(self) -> dict[str, Any]:
        return {"image": self.image(), "instruction": f"go {self.words[self.side]}"}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed)
        self.side = int(self.np_random.integers(2))
        return self.look(), {}

    def step(self, action: np.int64) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        hit = int(action) == self.side
        return self.look(), float(hit), True, False, {"is_success": hit}

    def expert_action(self) -> int:
        return self.side

    def get_state(self) -> int:
        return self.side

    def set_state(self, state: int) -> None:
        self.side = state


class Heights(Sides):
    """The same with other words, and with longer texts."""

    words = ("up", "down")

    def __init__(self, size: int = 8, n: int = 2, render_mode: str | None = None) -> None:
        super().__init__(size, n)
        entries = self.observation_space.spaces
        self.observation_space = spaces.Dict({**entries, "instruction": spaces.Text(
            30, charset=LETTERS + "!")})  # fmt: skip

    def look(self) -> dict[str, Any]:
        return {"image": self.image(), "instruction": f"climb {self.words[self.side]}!"}


class SizedSides(Sides):
    """The first one with images and actions as those of the grid worlds."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(56, 7)
