"""Which mappings an agent needs to act in a space.

Chained by :func:`mappings`, they lead from any space to one of four, which agents take as they are:
``Discrete`` from 0, ``MultiDiscrete`` [A] from 0, ``MultiBinary`` [A], and ``Box`` float32 [A] from
-1 to 1. Where a ``Discrete`` is asked for, they lead there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.errors import UserError
from mmrl.wrappers.action_mappings import (
    BINS,
    ActionMapping,
    Bounded,
    Categorical,
    Chain,
    Combined,
    Discretised,
    Flat,
    Rescaled,
    Space,
    ZeroBased,
    action_size,
    has_bounds,
)
from mmrl.wrappers.nested_spaces import leaves, nest

CompositeSpace = spaces.Dict | spaces.Tuple[Any]


class Merged(ActionMapping):
    """Merged actions: one vector for all parts of a ``Dict`` or ``Tuple``, nested to any depth.

    Parts that are all discrete become one ``MultiDiscrete``; parts that are all continuous one
    ``Box`` from -1 to 1; of both kinds, the continuous ones are discretised.

    Args:
        source: the environment's space.
        bins: values of a continuous action beside discrete ones.

    Raises:
        UserError: a part of another kind, or no part at all.
    """

    source: CompositeSpace

    def __init__(self, source: CompositeSpace, bins: int = BINS) -> None:
        super().__init__(source)
        self._leaves = leaves(source)
        if not self._leaves:
            raise UserError(f"there are no actions in {source}")
        parts = [one.space for one in self._leaves]
        for part in parts:
            _next_mapping(part)  # which refuses what is not known
        if all(isinstance(part, spaces.Box) for part in parts):
            self._parts = [Chain(part, mappings(part)) for part in parts]
            width = sum(action_size(part.space) for part in self._parts)
            self.space = spaces.Box(-1.0, 1.0, (width,), np.float32)
        else:
            self._parts = [Chain(part, _to_categories(part, bins)) for part in parts]
            self.space = spaces.MultiDiscrete(np.concatenate([*map(_counts, self._parts)]))
        self._ends = np.cumsum([action_size(part.space) for part in self._parts])[:-1]
        names = ["/".join(map(str, one.keys)) for one in self._leaves]
        self.reason = f"its parts side by side{_discretised_parts(names, self._parts)}"

    def part_sizes(self) -> list[int]:
        """How many categories each part has in all, in the order of the leaves, where the actions
        are a ``MultiDiscrete``.
        """
        return [int(_counts(part).sum()) for part in self._parts]

    def __call__(self, action: Any) -> Any:
        """[A] → a dictionary or tuple."""
        pieces = np.split(np.asarray(action), self._ends)
        parts = zip(self._parts, pieces, strict=True)
        return nest(self.source, iter([part(piece) for part, piece in parts]))

    def inverse(self, action: Any) -> Any:
        """A dictionary or tuple → [A]."""
        parts = zip(self._parts, self._leaves, strict=True)
        return np.concatenate([part.inverse(leaf.value(action)) for part, leaf in parts])


def mappings(space: Space, bins: int | None = None) -> list[ActionMapping]:
    """The mappings that an agent needs to act in a space, the environment's own first; none where
    it takes the space as it is.

    Args:
        space: of the environment's actions.
        bins: values of each continuous number, where the agent is to have a ``Discrete``, whatever
            the space; None for one of the four that agents take.

    Raises:
        UserError: a space that is not of Gymnasium's ``Discrete``, ``MultiDiscrete``,
            ``MultiBinary``, ``Box``, ``Dict`` or ``Tuple``; or more than
            :data:`MOST_COMBINATIONS` actions.
    """
    chain: list[ActionMapping] = []
    while (link := _next_mapping(space, bins)) is not None:
        chain.append(link)
        space = link.space
    return chain


def nearest_to_zero(space: Space) -> Any:
    """The action that does least: 0 or what is nearest to it, and the first of some categories."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        return nest(space, iter([nearest_to_zero(leaf.space) for leaf in leaves(space)]))
    if isinstance(space, spaces.Box):
        return np.clip(np.zeros(space.shape, space.dtype), space.low, space.high)
    start = getattr(space, "start", 0)
    return (np.zeros(space.shape or (), space.dtype) + start).astype(space.dtype)[()]


def discrete_bins(space: Space) -> int | None:
    """How many values a continuous number may have for actions to be a ``Discrete``; None where
    there would be too many actions.
    """
    for bins in (5, 3, 2):
        try:
            mappings(space, bins)
        except UserError:
            continue
        return bins
    return None


def _next_mapping(space: Space, bins: int | None = None) -> ActionMapping | None:
    """What brings a space one step nearer to an agent's; None where it is one."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        return Merged(space, bins or BINS)
    if isinstance(space, spaces.Discrete):
        return ZeroBased(space) if space.start else None
    if isinstance(space, spaces.MultiDiscrete):
        if len(space.shape) != 1:
            return Flat(space)
        if space.start.any():
            return ZeroBased(space)
        return Combined(space) if bins else None
    if isinstance(space, spaces.MultiBinary):
        if not isinstance(space.n, int):
            return Flat(space)
        return Categorical(space) if bins else None
    if isinstance(space, spaces.Box):
        return _next_of_box(space, bins)
    raise UserError(
        f"agents cannot act in {space}: actions have to be Discrete, MultiDiscrete, MultiBinary, "
        "Box, or a Dict or Tuple of them"
    )


def _next_of_box(space: spaces.Box, bins: int | None) -> ActionMapping | None:
    if len(space.shape) != 1:
        return Flat(space)
    if not has_bounds(space):
        return Bounded(space)
    if bins:
        return Discretised(space, bins)
    is_unit = bool((space.low == -1).all() and (space.high == 1).all())
    return None if is_unit and space.dtype == np.float32 else Rescaled(space)


def _to_categories(leaf: Space, bins: int) -> list[ActionMapping]:
    """The mappings that an agent needs to choose a part of any kind by categories."""
    if not isinstance(leaf, spaces.Box):
        return [Categorical(cast("Any", leaf))]
    links: list[ActionMapping] = [] if len(leaf.shape) == 1 else [Flat(leaf)]
    if not has_bounds(leaf):
        links.append(Bounded(cast("Any", Chain(leaf, links).space)))
    return [*links, Discretised(cast("Any", Chain(leaf, links).space), bins)]


def _counts(part: ActionMapping) -> NDArray[np.int64]:
    """How many categories there are, [A]."""
    return cast("spaces.MultiDiscrete", part.space).nvec


def _discretised_parts(names: Sequence[str], parts: Sequence[ActionMapping]) -> str:
    """Which parts are discretised, as the end of a sentence."""
    boxes = [
        (name, part)
        for name, part in zip(names, parts, strict=True)
        if isinstance(part.source, spaces.Box) and isinstance(part.space, spaces.MultiDiscrete)
    ]
    if not boxes:
        return ""
    most = max(int(_counts(part).max()) for _, part in boxes)
    which = ", ".join(name for name, _ in boxes)
    return f", {which} discretised into {most} values a number, as others are discrete"
