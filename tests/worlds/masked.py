"""A corridor for the tests, in which some actions are not possible, and raise.

It imports Gymnasium and NumPy alone, as a package of somebody else would, and registers, by what
says which actions are possible:

- ``masked/Info-v0``: ``info["action_mask"]``,
- ``masked/Method-v0``: a method ``action_masks()``,
- ``masked/Entry-v0``: an entry ``legal_moves`` of the observation,
- ``masked/Levers-v0``: an info, for two levers, MultiDiscrete [2, 3], which start at 1,
- ``masked/Parts-v0``: nested infos, for a Dict of the corridor's moves and a speed,
- ``masked/Contract-v0``: an info, beside an image and an instruction.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium import spaces

CELLS: Final = 4
LEFT, RIGHT, PRESS = range(3)


class ImpossibleError(Exception):
    """An action that is not possible."""


class Corridor(gym.Env[Any, Any]):
    """Walk to the right end, and press there: a reward of 1, and the end.

    Observation: where one is, one-hot float32 [4]. Actions: 0 left, but for the left end, 1 right,
    but for the right end, 2 press at the right end. Truncated after ``limit`` steps.

    Args:
        source: what has the mask: info, method or entry.
        broken: from the third step on, what is wrong with the mask: short, none, or absent.
    """

    action_space: Any = spaces.Discrete(3)

    def __init__(
        self, source: str = "info", limit: int = 12, broken: str = "", render_mode: Any = None
    ) -> None:
        self._source, self._limit, self._broken, self.render_mode = source, limit, broken, None
        place = spaces.Box(0, 1, (CELLS,), np.float32)
        self.observation_space: Any = place
        if source == "entry":
            moves = spaces.MultiBinary(3)
            self.observation_space = spaces.Dict(observation=place, legal_moves=moves)
        if source == "method":
            self.action_masks = self._mask

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin anywhere but at the right end."""
        super().reset(seed=seed)
        self._cell, self._steps = int(self.np_random.integers(CELLS - 1)), 0
        return self._look(), self._info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Move or press."""
        self._check(action)
        self._steps += 1
        self._cell += {LEFT: -1, RIGHT: 1, PRESS: 0}[int(action)]
        pressed = int(action) == PRESS
        return self._look(), float(pressed), pressed, self._steps >= self._limit, self._info()

    def get_state(self) -> list[int]:
        """Where one is, and since when."""
        return [self._cell, self._steps]

    def set_state(self, state: list[int]) -> None:
        """As :meth:`get_state` gave it."""
        self._cell, self._steps = state

    def _check(self, action: Any) -> None:
        if not [self._cell > 0, self._cell < CELLS - 1, self._cell == CELLS - 1][int(action)]:
            raise ImpossibleError(f"{action} in cell {self._cell}")

    def _mask(self) -> Any:
        mask = np.array([self._cell > 0, self._cell < CELLS - 1, self._cell == CELLS - 1])
        if self._broken and self._steps >= 3:
            return {"short": mask[:2], "none": mask & False, "absent": None}[self._broken]
        return mask

    def _look(self) -> Any:
        place = np.eye(CELLS, dtype=np.float32)[self._cell]
        if self._source == "entry":
            return {"observation": place, "legal_moves": self._mask().astype(np.int8)}
        return place

    def _info(self) -> dict[str, Any]:
        mask = self._mask() if self._source == "info" else None
        return {} if mask is None else {"action_mask": mask}


class Levers(Corridor):
    """Two levers: the first one has the number of the cell's parity, the second is not 1."""

    action_space = spaces.MultiDiscrete([2, 3], start=[1, 1])

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Pull them."""
        first, second = np.asarray(action) - 1
        if not self._mask()[first] or not self._mask()[2 + second]:
            raise ImpossibleError(f"{action} in cell {self._cell}")
        self._steps += 1
        self._cell = (self._cell + 1) % CELLS
        return self._look(), float(second), False, self._steps >= self._limit, self._info()

    def _mask(self) -> Any:
        return np.array([self._cell % 2 == 0, self._cell % 2 == 1, 1, 0, 1], np.int8)


class Parts(Corridor):
    """A move of the corridor, and a speed, of which nothing is said."""

    action_space = spaces.Dict(go=spaces.Discrete(3), speed=spaces.Box(0, 1, (1,), np.float32))

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Move or press."""
        return super().step(action["go"])

    def _info(self) -> dict[str, Any]:
        return {"action_mask": {"go": super()._mask()}}


class Contract(Corridor):
    """Beside an image and an instruction, as the framework has them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.observation_space = spaces.Dict(
            image=spaces.Box(0, 255, (16, 16, 3), np.uint8), instruction=spaces.Text(10)
        )

    def _look(self) -> Any:
        image = np.zeros((16, 16, 3), np.uint8)
        image[:, self._cell * 4 : self._cell * 4 + 4] = 255
        return {"image": image, "instruction": "press"}


for _name, _make in {
    "Info": Corridor,
    "Method": partial(Corridor, "method"),
    "Entry": partial(Corridor, "entry"),
    "Levers": Levers,
    "Parts": Parts,
    "Contract": Contract,
}.items():
    gym.register(f"masked/{_name}-v0", _make, disable_env_checker=True)
