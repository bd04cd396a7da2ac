"""Mappings between action spaces: what an agent chooses → what an environment takes.

A mapping has the agent's space, applies to one action, and has an inverse. Which of them a space
needs, see :mod:`mmrl.wrappers.action_plan`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.errors import UserError
from mmrl.wrappers.nested_spaces import describe

BINS: Final = 11
"""Values of a continuous action that is discretised; an odd number has the middle among them."""
MOST_COMBINATIONS: Final = 4_096
"""The most actions that combinations of several numbers may be, see :class:`Combined`."""
UNBOUNDED: Final = 1e9
"""A bound this far away, such as the largest number of a type, is none."""

Space = spaces.Space[Any]


class ActionMapping(ABC):
    """A mapping from the actions of an agent to those of an environment.

    Args:
        source: the environment's space.

    Attributes:
        source: the same.
        space: the agent's space; every action in it becomes one in ``source``.
        reason: why it is needed, in a few words.
    """

    space: Space
    reason: str

    def __init__(self, source: Space) -> None:
        self.source = source

    @abstractmethod
    def __call__(self, action: Any) -> Any:
        """The environment's action for one of the agent's."""

    @abstractmethod
    def inverse(self, action: Any) -> Any:
        """The agent's action that comes nearest to one of the environment's."""


class ZeroBased(ActionMapping):
    """Zero-based actions: a start is added to a ``Discrete`` or ``MultiDiscrete`` that counts from
    0.
    """

    reason = "counted from 0"
    source: spaces.Discrete | spaces.MultiDiscrete

    def __init__(self, source: spaces.Discrete | spaces.MultiDiscrete) -> None:
        super().__init__(source)
        if isinstance(source, spaces.Discrete):
            self.space = spaces.Discrete(int(source.n))
        else:
            self.space = spaces.MultiDiscrete(source.nvec)

    def __call__(self, action: Any) -> Any:
        """Integers → integers of the same shape, from the start on."""
        return (np.asarray(action, np.int64) + self.source.start).astype(self.source.dtype)[()]

    def inverse(self, action: Any) -> Any:
        """Integers → integers of the same shape, from 0 on."""
        return (np.asarray(action, np.int64) - self.source.start)[()]


class Flat(ActionMapping):
    """Flattened actions: a vector becomes a ``Box``, ``MultiDiscrete`` or ``MultiBinary`` of any
    shape, in row-major order.
    """

    reason = "flattened"

    def __init__(self, source: spaces.Box | spaces.MultiDiscrete | spaces.MultiBinary) -> None:
        super().__init__(source)
        if isinstance(source, spaces.Box):
            kind: Any = source.dtype.type
            self.space = spaces.Box(source.low.ravel(), source.high.ravel(), dtype=kind)
        elif isinstance(source, spaces.MultiDiscrete):
            self.space = spaces.MultiDiscrete(source.nvec.ravel(), start=source.start.ravel())
        else:
            self.space = spaces.MultiBinary(action_size(source))

    def __call__(self, action: Any) -> Any:
        """[A] → the shape of the environment's actions."""
        return np.asarray(action).reshape(self.source.shape or ()).astype(self.source.dtype)

    def inverse(self, action: Any) -> Any:
        """The shape of the environment's actions → [A]."""
        return np.ravel(action).astype(self.space.dtype)


class Bounded(ActionMapping):
    """Bounded actions: finite bounds for a ``Box`` that has none; actions stay as they are.

    Without any, a component goes from -``scale`` to ``scale``; with one, it goes 2 · ``scale`` from
    there. Bounds that are finite stay. Bounds beyond :data:`UNBOUNDED` count as infinite.

    Args:
        source: the environment's space.
        scale: half the range of what has an infinite bound.
    """

    source: spaces.Box

    def __init__(self, source: spaces.Box, scale: float = 1.0) -> None:
        super().__init__(source)
        if not 0 < scale < UNBOUNDED / 2:
            raise UserError(f"scale={scale}: must be above 0 and below {UNBOUNDED / 2:g}")
        lowless, highless = _missing_bounds(source)
        low, high = source.low.astype(object), source.high.astype(object)  # exact, of any type
        below = np.where(highless, -scale, high - 2 * scale)
        bottom = np.where(lowless, below, low)
        top = np.where(highless, np.where(lowless, scale, low + 2 * scale), high)
        kind: Any = source.dtype.type
        self.space = spaces.Box(bottom.astype(kind), top.astype(kind), dtype=kind)
        self.reason = f"infinite bounds became finite ones, {2 * scale:g} apart"

    def __call__(self, action: Any) -> Any:
        """The action itself."""
        return action

    def inverse(self, action: Any) -> Any:
        """The nearest action within the bounds."""
        box: Any = self.space
        return np.clip(action, box.low, box.high)


class Rescaled(ActionMapping):
    """Rescaled actions: a ``Box`` of finite bounds from one whose bounds are -1 and 1, linearly.

    Bounds become bounds. Each integer of an integer ``Box`` has an equal share of the range.

    Args:
        source: the environment's space, with finite bounds.
    """

    reason = "rescaled"
    source: spaces.Box

    def __init__(self, source: spaces.Box) -> None:
        super().__init__(source)
        _require_bounds(source)
        self.space = spaces.Box(-1.0, 1.0, source.shape, np.float32)
        wide: Any = np.float64 if _is_float(source) else np.int64
        self._low, self._high = source.low.astype(wide), source.high.astype(wide)

    def __call__(self, action: Any) -> Any:
        """float32 from -1 to 1 → numbers of the environment's type, in the same shape."""
        share = (np.clip(np.asarray(action, np.float64), -1, 1) + 1) / 2
        if _is_float(self.source):
            value = np.clip(self._low * (1 - share) + self._high * share, self._low, self._high)
        else:
            count = self._high - self._low + 1
            value = self._low + np.minimum(np.floor(share * count), count - 1).astype(np.int64)
        return value.astype(self.source.dtype)

    def inverse(self, action: Any) -> Any:
        """The environment's numbers → float32 from -1 to 1; integers → the middle of a share."""
        above = np.asarray(action, np.float64) - self._low
        if _is_float(self.source):
            share = above / np.where(self._high > self._low, self._high - self._low, 1)
        else:
            share = (above + 0.5) / (self._high - self._low + 1)
        return np.clip(2 * share - 1, -1, 1).astype(np.float32)


class Discretised(ActionMapping):
    """Discretised actions: a ``Box`` [A] of finite bounds becomes a ``MultiDiscrete`` [A] of evenly
    spaced values, the bounds among them.

    A component of fewer integers has each of them. An odd number of bins has the middle.

    Args:
        source: the environment's space, one-dimensional with finite bounds.
        bins: values of a component, at least 2.

    Raises:
        UserError: fewer bins, another shape, or infinite bounds.
    """

    source: spaces.Box

    def __init__(self, source: spaces.Box, bins: int = BINS) -> None:
        super().__init__(source)
        _require_bounds(source)
        if bins < 2:
            raise UserError(f"bins={bins}: must be at least 2")
        if len(source.shape) != 1:
            raise UserError(f"only a Box of one axis is discretised, and not {describe(source)}")
        columns = zip(source.low, source.high, strict=True)
        self._values = [self._evenly_spaced(low, high, bins) for low, high in columns]
        self.space = spaces.MultiDiscrete([len(one) for one in self._values])
        self.reason = f"discretised into {max(map(len, self._values))} values each"

    def __call__(self, action: Any) -> Any:
        """Numbers of values, [A] → the values, [A]."""
        chosen = [one[k] for one, k in zip(self._values, np.asarray(action), strict=True)]
        return np.array(chosen, self.source.dtype)

    def inverse(self, action: Any) -> Any:
        """[A] → numbers of the nearest values, [A]."""
        wanted = zip(self._values, np.asarray(action, np.float64), strict=True)
        return np.array([np.abs(one - value).argmin() for one, value in wanted], np.int64)

    def _evenly_spaced(self, low: Any, high: Any, bins: int) -> NDArray[np.float64]:
        """The values of a component, weighted so that 0.2 is not 0.19999999999999996."""
        bottom, top = float(low), float(high)
        whole = not _is_float(self.source)
        count = min(bins, int(top - bottom) + 1) if whole else bins
        weights = np.arange(count, dtype=np.float64)
        last = max(count - 1, 1)
        values = np.clip((bottom * (last - weights) + top * weights) / last, bottom, top)
        values[-1], values[0] = top, bottom
        return np.round(values) if whole else values


class Categorical(ActionMapping):
    """Actions as a vector of categories: a ``MultiDiscrete`` [A] from 0 becomes a ``Discrete``,
    ``MultiDiscrete`` or ``MultiBinary`` of any shape and start.
    """

    reason = "as categories"

    def __init__(self, source: spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary) -> None:
        super().__init__(source)
        if isinstance(source, spaces.MultiBinary):
            counts, self._start = (
                np.full(action_size(source), 2),
                np.zeros(action_size(source), np.int64),
            )
        else:
            number = source.n if isinstance(source, spaces.Discrete) else source.nvec
            counts, self._start = np.ravel(number), np.ravel(source.start).astype(np.int64)
        self.space = spaces.MultiDiscrete(counts)

    def __call__(self, action: Any) -> Any:
        """[A] → the environment's shape and type."""
        values = np.asarray(action, np.int64) + self._start
        return values.reshape(self.source.shape or ()).astype(self.source.dtype)[()]

    def inverse(self, action: Any) -> Any:
        """The environment's action → [A]."""
        return np.ravel(action).astype(np.int64) - self._start


class Combined(ActionMapping):
    """Combined actions: a ``MultiDiscrete`` [A] from 0 becomes a ``Discrete`` of all combinations
    of its components, the last of which changes fastest.

    Args:
        source: the environment's space, with at most :data:`MOST_COMBINATIONS` combinations.

    Raises:
        UserError: there are more.
    """

    source: spaces.MultiDiscrete

    def __init__(self, source: spaces.MultiDiscrete) -> None:
        super().__init__(source)
        self._counts = tuple(int(count) for count in source.nvec)
        count = math.prod(self._counts)
        if count > MOST_COMBINATIONS:
            raise UserError(
                f"{describe(source)} has {count:,} combinations, and may have at most "
                f"{MOST_COMBINATIONS:,}"
            )
        self.space = spaces.Discrete(count)
        self.reason = "all combinations" if len(self._counts) > 1 else "as one number"

    def __call__(self, action: Any) -> Any:
        """The number of a combination → its components, [A]."""
        return np.array(np.unravel_index(int(action), self._counts), self.source.dtype)

    def inverse(self, action: Any) -> Any:
        """Components, [A] → the number of their combination."""
        return np.ravel_multi_index(tuple(np.asarray(action, np.int64)), self._counts)


class Chain(ActionMapping):
    """Mappings, one after the other.

    Args:
        source: the environment's space.
        links: from the environment to the agent; none leave the action as it is.
    """

    def __init__(self, source: Space, links: Sequence[ActionMapping]) -> None:
        super().__init__(source)
        self.links = links
        self.space = links[-1].space if links else source
        self.reason = ", ".join(link.reason for link in links)

    def __call__(self, action: Any) -> Any:
        """Through all of them, the last one first."""
        for link in reversed(self.links):
            action = link(action)
        return action

    def inverse(self, action: Any) -> Any:
        """Back through all of them."""
        for link in self.links:
            action = link.inverse(action)
        return action


def action_size(space: Space) -> int:
    """How many numbers an action has."""
    return int(np.prod(space.shape or (), dtype=np.int64))


def _is_float(box: spaces.Box) -> bool:
    return box.dtype.kind == "f"


def _missing_bounds(box: spaces.Box) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where a ``Box`` has no lower bound, and where no upper one."""
    low, high = box.low.astype(np.float64), box.high.astype(np.float64)
    is_wide = high - low >= UNBOUNDED
    return (low <= -UNBOUNDED) & is_wide, (high >= UNBOUNDED) & is_wide


def has_bounds(box: spaces.Box) -> bool:
    """Whether every number has a lower and an upper bound."""
    return not np.logical_or(*_missing_bounds(box)).any()


def _require_bounds(box: spaces.Box) -> None:
    """Refuse infinite bounds.

    Raises:
        UserError: there are some.
    """
    if not has_bounds(box):
        raise UserError(f"{describe(box)}: must have finite bounds; BoundedAction gives it some")
