"""What does an agent see now? One sentence, in plain words, of what its view shows.

the agent faces a red ball, carries a blue key, sees a green box 2 ahead 1 left
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.cells import (
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
from mmrl_envs.grid.compiler import kernel, signed
from mmrl_envs.grid.sight import MIDDLE, VIEW, see
from mmrl_envs.grid.state import NOTHING, Layout, State

FARTHER: Final = 3
"""How many things are named beside what the agent faces and carries."""
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
            nearest three of what else it sees.
    """

    phrases: tuple[str, ...]

    def __str__(self) -> str:
        return "the agent " + (", ".join(self.phrases) or "sees nothing")


@kernel
def _scan(
    state: State,
    layout: Layout,
    rows: NDArray[np.int64],
    codes: NDArray[np.uint8],
    found: NDArray[np.int32],
) -> None:
    """What the agents of environments ``rows`` see: the codes of what is faced and carried, then
    the nearest things beside, as ``(code · 7 + ahead) · 7 + side``, from the left; 0 for none.

    Nearest by the steps ahead and to the side together; of those, the ones less ahead first, the
    left before the right.

    Args:
        codes: uint8 [7, 7] to work in.
        found: int32 [K, 2 + FARTHER], written.
    """
    for k in range(len(rows)):
        e = rows[k]
        see(state, layout, e, codes)
        carried = signed(state.carried[e])
        found[k, 0] = codes[1, MIDDLE]
        found[k, 1] = 0 if carried == NOTHING else state.object_code[e, carried]
        slot = 2
        found[k, slot:] = 0
        for distance in range(1, VIEW + MIDDLE):
            for ahead in range(max(0, distance - MIDDLE), min(distance, VIEW - 1) + 1):
                aside = distance - ahead
                for side in range(MIDDLE - aside, MIDDLE + aside + 1, max(1, 2 * aside)):
                    code = signed(codes[ahead, side])
                    is_faced = distance == 1 and ahead == 1
                    if slot < 2 + FARTHER and _THINGS >> (code & KIND_MASK) & 1 and not is_faced:
                        found[k, slot] = (code * VIEW + ahead) * VIEW + side
                        slot += 1


def scenes(state: State, layout: Layout, rows: NDArray[np.int64]) -> Iterator[Scene]:
    """What the agents of environments ``rows``, int64 [K], see, one after the other."""
    codes = np.empty((VIEW, VIEW), np.uint8)
    found = np.empty((len(rows), 2 + FARTHER), np.int32)
    _scan(state, layout, rows, codes, found)
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
