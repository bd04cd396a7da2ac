"""Vector conversion: numbers of any kind → float32 [K]."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

LONGEST: Final = 65_536
"""The most numbers of a vector."""
_MOST_CHOICES: Final = 1_024  # one-hot up to here

Array = NDArray[Any]


class VectorReading(NamedTuple):
    """An observation's entry as a vector.

    Attributes:
        space: float32 [K].
        convert: value of the entry → float32 [K]; None where the entry is that already.
        note: what happens to it, "" where nothing does.
    """

    space: spaces.Box
    convert: Callable[[Any], Array] | None
    note: str


def read_vector(space: spaces.Space[Any]) -> VectorReading | None:
    """How the values of a space become a vector; None where they are no numbers, or too many.

    ``Box`` and ``MultiBinary`` are flattened; ``Discrete`` and ``MultiDiscrete`` are one-hot, or
    numbers from 0 to 1 where there are more than 1,024 choices.
    """
    if isinstance(space, spaces.Box) and np.dtype(space.dtype).kind in "uifb":
        return _box(space)
    if isinstance(space, spaces.MultiBinary):
        size = int(np.prod(space.shape))
        return VectorReading(_unit(size), _flat, "bits") if 0 < size <= LONGEST else None
    if isinstance(space, spaces.Discrete):
        return _choices(np.array([space.n]), np.array([space.start]), f"one of {space.n}")
    if isinstance(space, spaces.MultiDiscrete):
        counts, start = space.nvec.ravel(), space.start.ravel()
        return _choices(counts, start, f"one of {', '.join(map(str, counts.tolist()[:4]))} …")
    return None


def _box(space: spaces.Box) -> VectorReading | None:
    size = int(np.prod(space.shape))
    if not 0 < size <= LONGEST:
        return None
    low, high = (np.asarray(one, np.float32).ravel() for one in (space.low, space.high))
    flat = spaces.Box(low, high, dtype=np.float32)
    if space.dtype == np.float32 and len(space.shape) == 1:
        return VectorReading(flat, None, "")
    return VectorReading(flat, _flat, f"{space.dtype} {list(space.shape)} → float32 [{size}]")


def _flat(value: Any) -> Array:
    return np.asarray(value, np.float32).reshape(-1)


def _unit(size: int) -> spaces.Box:
    return spaces.Box(0, 1, (size,), np.float32)


def _choices(counts: Array, start: Array, what: str) -> VectorReading:
    total = int(counts.sum())
    if total > _MOST_CHOICES:
        span = np.maximum(counts - 1, 1).astype(np.float32)

        def share(value: Any) -> Array:
            return ((np.asarray(value).ravel() - start) / span).astype(np.float32)

        return VectorReading(_unit(len(counts)), share, f"{what}: a number from 0 to 1")
    first = np.cumsum(counts) - counts - start

    def one_hot(value: Any) -> Array:
        vector = np.zeros(total, np.float32)
        vector[np.asarray(value).ravel() + first] = 1
        return vector

    return VectorReading(_unit(total), one_hot, f"{what}: one-hot")
