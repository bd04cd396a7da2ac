"""A world for the tests in which one bit decides the right action, seen in any of many ways.

It imports Gymnasium and NumPy alone, as a package of somebody else would, and registers
``bits/Bit-v0``: ``observations`` names where the bit is seen (:data:`OBSERVATIONS`), ``actions``
what answers it (:data:`ACTIONS`). An episode is one step, and random actions are right in half of
them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

HEIGHT, WIDTH = 24, 32
_WORDS: Final = ("press the left one", "press the right one")


def _bytes(*shape: int) -> spaces.Box:
    return spaces.Box(0, 255, shape, np.uint8)


def _color(bit: int) -> NDArray[np.uint8]:
    """A rectangle whose colour is the bit, uint8 [H, W, 3]."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[4:20, 4:28] = (250, 0, 0) if bit else (0, 0, 250)
    return image


def _grey(bit: int) -> NDArray[np.uint8]:
    return np.full((HEIGHT, WIDTH), 200 if bit else 50, np.uint8)


_DARK: Final = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
_RGB: Final = _bytes(HEIGHT, WIDTH, 3)
_TEXT: Final = spaces.Text(20, charset="abcdefghijklmnopqrstuvwxyz ")


class _AnyText(spaces.Space[Any]):
    """A space of an own class, as MissionSpace is."""

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        return _WORDS[int(self.np_random.integers(2))]

    def contains(self, x: Any) -> bool:
        return x in _WORDS


OBSERVATIONS: Final[dict[str, tuple[spaces.Space[Any], Callable[[int], Any]]]] = {
    # images
    "rgb": (_RGB, _color),
    "channels first": (_bytes(3, HEIGHT, WIDTH), lambda bit: _color(bit).transpose(2, 0, 1)),
    "grey": (_bytes(HEIGHT, WIDTH), _grey),
    "grey, one channel": (_bytes(HEIGHT, WIDTH, 1), lambda bit: _grey(bit)[..., None]),
    "rgba": (
        _bytes(HEIGHT, WIDTH, 4),
        lambda bit: np.concatenate([_color(bit), np.full_like(_DARK[..., :1], 255)], 2),
    ),
    "floats": (
        spaces.Box(0, 1, (HEIGHT, WIDTH, 3), np.float32),
        lambda bit: (_color(bit) / 255).astype(np.float32),
    ),
    "floats up to 255": (
        spaces.Box(0, 255, (HEIGHT, WIDTH, 3), np.float64),
        lambda bit: _color(bit).astype(np.float64),
    ),
    "floats from -1": (
        spaces.Box(-1, 1, (HEIGHT, WIDTH, 3), np.float32),
        lambda bit: (_color(bit) / 127.5 - 1).astype(np.float32),
    ),
    "int64": (
        spaces.Box(0, 255, (HEIGHT, WIDTH, 3), np.int64),
        lambda bit: _color(bit).astype(np.int64),
    ),
    "depth": (
        spaces.Box(0, np.inf, (HEIGHT, WIDTH, 1), np.float32),
        lambda bit: np.full((HEIGHT, WIDTH, 1), 5.0 if bit else 0.5, np.float32),
    ),
    "stack": (
        _bytes(HEIGHT, WIDTH, 4),
        lambda bit: np.stack([_grey(bit), *[_DARK[..., 0]] * 3], 2),
    ),
    "second camera": (
        spaces.Dict(left=_RGB, right=_RGB),
        lambda bit: {"left": _DARK, "right": _color(bit)},
    ),
    "nested camera": (
        spaces.Dict(
            observation=spaces.Dict(
                images=spaces.Dict(side=_RGB, top=_RGB), q=spaces.Box(-1, 1, (3,), np.float32)
            ),
            task=_TEXT,
        ),
        lambda bit: {
            "observation": {
                "images": {"side": _DARK, "top": _color(bit)},
                "q": np.zeros(3, np.float32),
            },
            "task": "press it",
        },
    ),
    # numbers
    "state": (
        spaces.Box(-np.inf, np.inf, (4,), np.float64),
        lambda bit: np.array([900.0, bit, -3.0, 0.0]),
    ),
    "bounded state": (
        spaces.Box(np.float32([0, -50]), np.float32([1000, 50]), dtype=np.float32),
        lambda bit: np.array([500, 40 if bit else -40], np.float32),
    ),
    "number": (spaces.Discrete(2, start=3), lambda bit: 3 + bit),
    "numbers": (spaces.MultiDiscrete([3, 2, 4]), lambda bit: np.array([2, bit, 1])),
    "bits": (spaces.MultiBinary(3), lambda bit: np.array([1, bit, 0], np.int8)),
    "tuple": (spaces.Tuple((_RGB, spaces.Discrete(2))), lambda bit: (_DARK, bit)),
    "image and state": (
        spaces.Dict(camera=_RGB, state=spaces.Box(-2, 2, (2,), np.float32)),
        lambda bit: {"camera": _DARK, "state": np.array([1, 2 * bit - 1], np.float32)},
    ),
    "goal": (
        spaces.Dict(
            observation=spaces.Box(-1, 1, (2,), np.float32),
            achieved_goal=spaces.Box(-1, 1, (2,), np.float32),
            desired_goal=spaces.Box(-1, 1, (2,), np.float32),
        ),
        lambda bit: {
            "observation": np.zeros(2, np.float32),
            "achieved_goal": np.zeros(2, np.float32),
            "desired_goal": np.array([0, 2 * bit - 1], np.float32),
        },
    ),
    # sentences
    "text": (
        spaces.Dict(image=_RGB, task=_TEXT),
        lambda bit: {"image": _DARK, "task": _WORDS[bit]},
    ),
    "text of an own class": (
        spaces.Dict(image=_RGB, mission=_AnyText()),
        lambda bit: {"image": _DARK, "mission": _WORDS[bit]},
    ),
    "text in info": (spaces.Dict(image=_RGB), lambda bit: {"image": _DARK}),
}
"""Where the bit is seen: a space, and what is observed."""

ACTIONS: Final[dict[str, tuple[spaces.Space[Any], Callable[[Any], int]]]] = {
    "discrete": (spaces.Discrete(2, start=1), lambda action: int(action) - 1),
    "several": (spaces.MultiDiscrete([3, 2]), lambda action: int(action[1])),
    "continuous": (
        spaces.Box(-np.inf, np.inf, (1,), np.float32),
        lambda action: int(action[0] > 0),
    ),
}
"""What answers the bit: a space, and the answer that an action is."""


class Bit(gym.Env[Any, Any]):
    """One step: the action is right if it answers the bit."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 4}

    def __init__(
        self,
        observations: str = "rgb",
        actions: str = "discrete",
        render_mode: str | None = None,
    ) -> None:
        self.observation_space, self._show = OBSERVATIONS[observations]
        self.action_space, self._answer = ACTIONS[actions]
        self._is_in_info = observations == "text in info"
        self.render_mode = render_mode
        self._bit = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._bit = int(self.np_random.integers(2))
        return self._observe(), self._info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        is_right = self._answer(action) == self._bit
        info = {**self._info(), "success": bool(is_right)}
        return self._observe(), float(is_right), True, False, info

    def _observe(self) -> Any:
        return copy.deepcopy(self._show(self._bit))  # new arrays, which Gymnasium asks for

    def render(self) -> NDArray[np.uint8]:
        return np.full((40, 40, 3), 80, np.uint8)

    def _info(self) -> dict[str, Any]:
        return {"instruction": _WORDS[self._bit]} if self._is_in_info else {}


gym.register("bits/Bit-v0", Bit)
