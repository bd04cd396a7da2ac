"""What a grid cell can hold, as one byte: ``kind | colour << 4``, with Minigrid's own numbers."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

# Kinds 0-10 are Minigrid's object numbers. Minigrid keeps a door's state apart; here a door that
# is not open is a kind of its own (11, 12), so that one byte describes a cell completely.
UNSEEN: Final = 0
EMPTY: Final = 1
WALL: Final = 2
DOOR_OPEN: Final = 4
KEY: Final = 5
BALL: Final = 6
BOX: Final = 7
DOOR_CLOSED: Final = 11
DOOR_LOCKED: Final = 12

COLORS: Final = ("red", "green", "blue", "purple", "yellow", "grey")
RED: Final = 0
GREY: Final = 5
COLOR_SHIFT: Final = 4
KIND_MASK: Final = 15
CODES: Final = 128  # every cell code is below this

WALL_CELL: Final = WALL | GREY << COLOR_SHIFT
EMPTY_CELL: Final = EMPTY


def kinds(*members: int) -> int:
    """A set of kinds, one bit a kind, tested as ``SET >> kind & 1``; of numpy's type, so that a
    debugger can step through kernels without JIT, where Python's integers do not fit beside bytes.
    """
    return np.int64(sum(1 << kind for kind in members))  # type: ignore[return-value]


TRANSPARENT: Final = kinds(EMPTY, DOOR_OPEN, KEY, BALL, BOX)
PASSABLE: Final = kinds(EMPTY, DOOR_OPEN)
PORTABLE: Final = kinds(KEY, BALL, BOX)
DOORS: Final = kinds(DOOR_OPEN, DOOR_CLOSED, DOOR_LOCKED)

# Directions 0 right, 1 down, 2 left, 3 up.
DX: Final = (1, 0, -1, 0)
DY: Final = (0, 1, 0, -1)

# Actions.
LEFT: Final = 0
RIGHT: Final = 1
FORWARD: Final = 2
PICKUP: Final = 3
DROP: Final = 4
TOGGLE: Final = 5
DONE: Final = 6
ACTIONS: Final = ("left", "right", "forward", "pickup", "drop", "toggle", "done")


def cell(kind: int, color: str) -> int:
    """The code of a cell that holds an object.

    Args:
        kind: one of the kinds above.
        color: one of :data:`COLORS`.
    """
    return kind | COLORS.index(color) << COLOR_SHIFT


def symbols() -> NDArray[np.uint8]:
    """Minigrid's (object, colour, state) triple of every cell code, uint8 [128, 3]."""
    table = np.zeros((CODES, 3), np.uint8)
    for code in range(CODES):
        kind, color = code & KIND_MASK, code >> COLOR_SHIFT
        if kind in (DOOR_CLOSED, DOOR_LOCKED):
            table[code] = DOOR_OPEN, color, kind - DOOR_CLOSED + 1
        else:
            table[code] = kind, color, 0
    return table
