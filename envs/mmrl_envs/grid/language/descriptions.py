"""Descriptions of observations: one sentence about what an agent's view shows.

the agent faces a red ball, carries a blue key, sees a green box 2 ahead 1 left
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import (
    BALL,
    BOX,
    COLOR_SHIFT,
    COLORS,
    DOOR_CLOSED,
    DOOR_LOCKED,
    DOOR_OPEN,
    DOORS,
    KEY,
    KIND_MASK,
    PORTABLE,
    WALL,
)
from mmrl_envs.grid.core.jit import device_function, kernel, signed
from mmrl_envs.grid.core.state import Layout, State
from mmrl_envs.grid.core.visibility import MIDDLE, VIEW, visible_cells

FARTHER: Final = 3
"""How many things are named beside what the agent faces and carries."""
ALL: Final = VIEW * VIEW - 2
"""As many as there can be."""
_NAMES: Final = {
    KEY: "a {} key",
    BALL: "a {} ball",
    BOX: "a {} box",
    DOOR_OPEN: "an open {} door",
    DOOR_CLOSED: "a closed {} door",
    DOOR_LOCKED: "a locked {} door",
}
_THINGS: Final = PORTABLE | DOORS


@dataclass(frozen=True)
class Scene:
    """What one agent sees.

    Attributes:
        phrases: such as "faces a red ball", "carries a blue key" and "sees an open grey door 2
            ahead 1 left": first what it faces, a wall included, then what it carries, then the
            nearest three, or all, of what else it sees.
    """

    phrases: tuple[str, ...]

    def __str__(self) -> str:
        return "the agent " + (", ".join(self.phrases) or "sees nothing")


@device_function
def _note(codes: NDArray[np.uint8], found: NDArray[np.int32]) -> None:
    """The codes of what is faced and carried, then the nearest things beside, as many as there is
    room for, as ``(code · 7 + ahead) · 7 + side``, from the left; 0 for none.

    Nearest by the steps ahead and to the side together; of those, the ones less ahead first, the
    left before the right.

    Args:
        codes: uint8 [7, 7], as :func:`~mmrl_envs.grid.core.visibility.see` writes them.
        found: int32 [2 + F], written.
    """
    carried = signed(codes[0, MIDDLE])
    found[0] = codes[1, MIDDLE]
    found[1] = carried if _THINGS >> (carried & KIND_MASK) & 1 else 0
    slot = 2
    found[slot:] = 0
    for distance in range(1, VIEW + MIDDLE):
        for ahead in range(max(0, distance - MIDDLE), min(distance, VIEW - 1) + 1):
            aside = distance - ahead
            for side in range(MIDDLE - aside, MIDDLE + aside + 1, max(1, 2 * aside)):
                code = signed(codes[ahead, side])
                is_faced = distance == 1 and ahead == 1
                if slot < len(found) and _THINGS >> (code & KIND_MASK) & 1 and not is_faced:
                    found[slot] = (code * VIEW + ahead) * VIEW + side
                    slot += 1


@kernel
def _scan(
    state: State,
    layout: Layout,
    rows: NDArray[np.int64],
    codes: NDArray[np.uint8],
    found: NDArray[np.int32],
) -> None:
    """:func:`_note` what the agents of environments ``rows`` see.

    Args:
        codes: uint8 [7, 7] to work in.
        found: int32 [K, 2 + F], written.
    """
    for k in range(len(rows)):
        visible_cells(state, layout, rows[k], codes)
        _note(codes, found[k])


@kernel
def _scan_views(views: NDArray[np.uint8], found: NDArray[np.int32]) -> None:
    """:func:`_note` of views uint8 [K, 7, 7] into int32 [K, 2 + F]."""
    for k in range(len(views)):
        _note(views[k], found[k])


def scenes(
    state: State, layout: Layout, rows: NDArray[np.int64], farther: int = FARTHER
) -> Iterator[Scene]:
    """What the agents of environments ``rows``, int64 [K], see, one after the other.

    Args:
        farther: how many things are named beside what is faced and carried.
    """
    codes = np.empty((VIEW, VIEW), np.uint8)
    found = np.empty((len(rows), 2 + farther), np.int32)
    _scan(state, layout, rows, codes, found)
    return map(_scene, map(tuple, found.tolist()))


def scenes_of(views: NDArray[np.uint8], farther: int = ALL) -> Iterator[Scene]:
    """What is seen in views that somebody else has noted, or read off images.

    Args:
        views: cell codes uint8 [K, 7, 7]: rows from the agent's own on, columns from the left; in
            its own cell what it carries.
        farther: as for :func:`scenes`.
    """
    found = np.empty((len(views), 2 + farther), np.int32)
    _scan_views(np.ascontiguousarray(views), found)
    return map(_scene, map(tuple, found.tolist()))


@lru_cache(maxsize=1 << 16)
def _scene(found: tuple[int, ...]) -> Scene:
    faced, carried, *others = found
    phrases = [_seen(one) for one in others if one]
    if carried:
        phrases.insert(0, f"carries {_name(carried)}")
    if faced & KIND_MASK == WALL:
        phrases.insert(0, "faces a wall")
    elif _THINGS >> (faced & KIND_MASK) & 1:
        phrases.insert(0, f"faces {_name(faced)}")
    return Scene(tuple(phrases))


def _name(code: int) -> str:
    return _NAMES[code & KIND_MASK].format(COLORS[code >> COLOR_SHIFT])


@cache
def _seen(packed: int) -> str:
    rest, side = divmod(packed, VIEW)
    code, ahead = divmod(rest, VIEW)
    words = ["sees", _name(code)]
    if ahead:
        words.append(f"{ahead} ahead")
    if side != MIDDLE:
        words.append(f"{abs(side - MIDDLE)} {'left' if side < MIDDLE else 'right'}")
    return " ".join(words)
