"""Nested spaces: leaves of a ``Dict`` or ``Tuple``, values nested again, and spaces in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Space = spaces.Space[Any]


class Leaf(NamedTuple):
    """A part of a space that is no ``Dict`` or ``Tuple``.

    Attributes:
        path: its keys and numbers, joined by dots; "" for a space without parts. No two leaves of a
            space have the same.
        keys: the same, to be looked up one after the other.
        space: of the part.
    """

    path: str
    keys: tuple[Any, ...]
    space: Space

    def value(self, nested: Any) -> Any:
        """Its part of a nested value.

        Raises:
            LookupError, TypeError: there is none.
        """
        for key in self.keys:
            nested = nested[key]
        return nested


def leaves(space: Space) -> list[Leaf]:
    """The leaves of a space, in order."""
    found: dict[str, Leaf] = {}
    for keys, one in _walk(space):
        path = ".".join(map(str, keys))
        while path in found:  # {"a.b": …, "a": {"b": …}}
            path += "_"
        found[path] = Leaf(path, keys, one)
    return list(found.values())


def _walk(space: Space, keys: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Space]]:
    if not isinstance(space, spaces.Dict | spaces.Tuple):
        yield keys, space
        return
    for key, one in _entries(space):
        yield from _walk(one, (*keys, key))


def _entries(space: spaces.Dict | spaces.Tuple[Any]) -> list[tuple[Any, Space]]:
    """The keys or numbers of a space's entries, with them."""
    return list(space.items() if isinstance(space, spaces.Dict) else enumerate(space))


def nest(space: Space, values: Iterator[Any]) -> Any:
    """Values of the leaves, in order, nested as a space is."""
    if not isinstance(space, spaces.Dict | spaces.Tuple):
        return next(values)
    filled = {key: nest(one, values) for key, one in _entries(space)}
    return filled if isinstance(space, spaces.Dict) else tuple(filled.values())


def describe(space: Space) -> str:
    """A space in few characters, such as ``Box(2, 3) from -1 to 1``."""
    if isinstance(space, spaces.Dict):
        parts = ", ".join(f"{key}: {describe(one)}" for key, one in space.items())
        return f"Dict({parts})"
    if isinstance(space, spaces.Tuple):
        return f"Tuple({', '.join(map(describe, space))})"
    if isinstance(space, spaces.Box):
        sides = ", ".join(map(str, space.shape))
        whole = "" if space.dtype.kind == "f" else f" of {space.dtype}"
        return f"Box({sides}){whole} from {_range(space.low)} to {_range(space.high)}"
    if isinstance(space, spaces.Discrete):
        start = f" from {space.start}" if space.start else ""
        return f"Discrete({space.n}){start}"
    if isinstance(space, spaces.MultiDiscrete):
        start = f" from {space.start.tolist()}" if space.start.any() else ""
        return f"MultiDiscrete({_shortened(space.nvec.tolist())}){start}"
    if isinstance(space, spaces.MultiBinary):
        return f"MultiBinary({', '.join(map(str, space.shape))})"
    return str(space)


def _range(bounds: NDArray[Any]) -> str:
    """A bound as text: one number where it is the same everywhere."""
    numbers = bounds.astype(np.float64)
    least, most = numbers.min(initial=np.inf), numbers.max(initial=-np.inf)
    return f"{least:g}" if least == most else f"({least:g} … {most:g})"


def _shortened(numbers: list[Any]) -> str:
    return str(numbers) if len(numbers) <= 8 else f"[{', '.join(map(str, numbers[:6]))}, …]"
