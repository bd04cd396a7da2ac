"""Text conversion: strings, bytes and arrays of them → one string."""

from __future__ import annotations

from typing import Any, Final

import gymnasium as gym
import numpy as np
from gymnasium import spaces

_NUMERIC: Final = (
    spaces.Box, spaces.Discrete, spaces.MultiBinary, spaces.MultiDiscrete, spaces.Graph,
    spaces.Sequence, spaces.OneOf, spaces.Dict, spaces.Tuple,
)  # fmt: skip


def is_text_space(space: gym.Space[Any]) -> bool:
    """Whether a space holds text: Gymnasium's ``Text``, or a space of a package's own, such as
    minigrid's ``MissionSpace``, whose samples are strings or bytes.
    """
    if isinstance(space, spaces.Text):
        return True
    if isinstance(space, _NUMERIC):
        return False
    try:
        return isinstance(space.sample(), str | bytes)
    except Exception:
        return False


def as_text(value: Any) -> str:
    """A string; UTF-8 bytes, arrays of one string, and lists of words joined by spaces."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        return as_text(value.ravel().tolist())
    if isinstance(value, list | tuple):
        return " ".join(map(as_text, value))
    return "" if value is None else str(value)
