"""The layout of observations: whether each entry is what its space declares."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces


class Fault(NamedTuple):
    """What is wrong with an observation.

    Attributes:
        found: such as "observation 'image' has dtype float32".
        needed: such as "its space declares uint8".
    """

    found: str
    needed: str


class Layout:
    """The shape and dtype of each array of an observation, and which entries are texts.

    Args:
        space: of the observations.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        self._is_mapping = isinstance(space, spaces.Dict)
        entries: dict[str, Any] = dict(space.items()) if isinstance(space, spaces.Dict) else {}
        entries = entries or {"": space}
        self._arrays = [
            (key, one.shape, one.dtype)
            for key, one in entries.items()
            if isinstance(one, spaces.Box)
        ]
        self._texts = [key for key, one in entries.items() if isinstance(one, spaces.Text)]

    def fault(self, observation: Any) -> Fault | None:
        """What is wrong with an observation; None where nothing is. Arrays of another dtype are
        right if they can be stored, as float64 can in float32.
        """
        if self._is_mapping and not isinstance(observation, Mapping):
            return Fault(f"observation is {reprlib.repr(observation)}", "it must be a mapping")
        try:
            return self._fault(observation)
        except KeyError as error:
            return Fault(f"observation has no entry {error}", "its space declares one")

    def _fault(self, observation: Any) -> Fault | None:
        """As :meth:`fault`; an entry may be missing."""
        for key, shape, dtype in self._arrays:
            value = observation[key] if self._is_mapping else observation
            if type(value) is np.ndarray and value.shape == shape and value.dtype == dtype:
                continue
            array = np.asarray(value)
            if array.shape != shape:
                return Fault(
                    f"{_name(key)} has shape {list(array.shape)}",
                    f"its space declares {list(shape)}",
                )
            if not np.can_cast(array.dtype, dtype, "same_kind"):
                return Fault(f"{_name(key)} has dtype {array.dtype}", f"its space declares {dtype}")
        for key in self._texts:
            value = observation[key] if self._is_mapping else observation
            if not isinstance(value, str):
                return Fault(f"{_name(key)} is {reprlib.repr(value)}", "it must be a text")
        return None


def _name(key: str) -> str:
    return f"observation {key!r}" if key else "observation"
