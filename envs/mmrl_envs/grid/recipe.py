"""How a level is declared: a few calls that read like BabyAI's, recorded as rows of integers.

The kernel in :mod:`mmrl_envs.grid.generation` follows the rows for a million resets; nothing here
runs after an environment was made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.cells import BALL, BOX, COLORS, KEY
from mmrl_envs.grid.instructions import GO_TO, PICK_UP, PUT_NEXT, VERBS
from mmrl_envs.grid.state import REGISTERS, Layout, make_layout

# Steps and their operands; -1 leaves a choice to chance.
PLACE_AGENT: Final = 0  # column, row
ADD_OBJECTS: Final = 1  # column, row, register, how many, kind, colour, all different
PAINT: Final = 2  # register, how many, colour
REQUIRE_REACHABLE: Final = 3
CHOOSE: Final = 4  # register of the chosen, register, how many, register of one to leave out
INSTRUCT: Final = 5  # clause, verb, register, register of the second object
RANDOM_CLAUSE: Final = 6  # clause, verbs (a bit each), with locations
STEP_WIDTH: Final = 8

KINDS: Final = {"key": KEY, "ball": BALL, "box": BOX}
Room = tuple[int, int]
"""Column and row of a room."""


@dataclass(frozen=True)
class Things:
    """Objects that a step added or chose: a register that holds the first one's number."""

    register: int
    count: int


class Recipe:
    """A level in the making.

    Args:
        room_size: cells a side of a room, walls included.
        columns, rows: how many rooms.
    """

    def __init__(self, *, room_size: int, columns: int = 1, rows: int = 1) -> None:
        self._geometry = room_size, columns, rows
        self._steps: list[list[int]] = []
        self._registers = 0
        self._objects = 0

    def place_agent(self, room: Room | None = None) -> None:
        """Stand the agent in a room (any, if None), not facing an object."""
        self._record(PLACE_AGENT, *(room or (-1, -1)))

    def add_objects(
        self,
        count: int = 1,
        *,
        kind: str | None = None,
        color: str | None = None,
        room: Room | None = None,
        different: bool = False,
    ) -> Things:
        """Add objects, of random kind, colour and room where None.

        Args:
            count: how many.
            kind: "key", "ball" or "box".
            color: one of the six colours.
            room: where.
            different: no two objects on the grid look alike.

        Raises:
            ValueError: a negative count, or more different objects than there are (18).
        """
        if count < 0:
            raise ValueError(f"{count} objects: must be 0 or more")
        if different and count > len(KINDS) * len(COLORS):
            raise ValueError(f"{count} different objects: there are only 18 kinds and colours")
        things = Things(self._new_register(), count)
        self._objects += count
        self._record(
            ADD_OBJECTS,
            *(room or (-1, -1)),
            things.register,
            count,
            KINDS[kind] if kind else -1,
            COLORS.index(color) if color else -1,
            int(different),
        )
        return things

    def paint(self, things: Things, color: str) -> None:
        """Give objects another colour."""
        self._record(PAINT, things.register, things.count, COLORS.index(color))

    def require_reachable(self) -> None:
        """Turn the level down unless every object can be touched without moving another."""
        self._record(REQUIRE_REACHABLE)

    def choose(self, things: Things, *, other_than: Things | None = None) -> Things:
        """One of ``things`` by chance, not the one in ``other_than``.

        Raises:
            ValueError: there is nothing to choose from.
        """
        if things.count < (2 if other_than else 1):
            raise ValueError(f"too few objects ({things.count}) to choose one from")
        chosen = Things(self._new_register(), 1)
        left_out = other_than.register if other_than else -1
        self._record(CHOOSE, chosen.register, things.register, things.count, left_out)
        return chosen

    def go_to(self, thing: Things) -> None:
        """The instruction "go to" this object."""
        self._record(INSTRUCT, 0, GO_TO, thing.register, -1)

    def pick_up(self, thing: Things) -> None:
        """The instruction "pick up" this object."""
        self._record(INSTRUCT, 0, PICK_UP, thing.register, -1)

    def put_next(self, thing: Things, beside: Things) -> None:
        """The instruction "put" this object "next to" that one."""
        self._record(INSTRUCT, 0, PUT_NEXT, thing.register, beside.register)

    def random_instruction(self, verbs: Iterable[str], *, locations: bool) -> None:
        """Any clause with one of ``verbs`` about whatever is there, with locations if wanted."""
        self._record(RANDOM_CLAUSE, 0, sum(1 << VERBS[verb] for verb in verbs), int(locations))

    def finish(self) -> tuple[Layout, NDArray[np.int32]]:
        """The geometry, and the steps as int32 [steps, 8].

        Raises:
            ValueError: the rooms cannot hold the objects; the message tells the limit.
        """
        room_size, columns, rows = self._geometry
        layout = make_layout(room_size, columns, rows, max(self._objects, 1))
        # An agent in a corner takes its own cell and keeps objects off the two beside it.
        limit = (room_size - 2) ** 2 * columns * rows - 3
        if self._objects > limit:
            raise ValueError(
                f"{self._objects} objects do not fit: {columns * rows} room(s) of "
                f"room_size={room_size} hold at most {max(limit, 0)}"
            )
        return layout, np.array(self._steps, np.int32)

    def _record(self, *step: int) -> None:
        self._steps.append([*step] + [0] * (STEP_WIDTH - len(step)))

    def _new_register(self) -> int:
        if self._registers == REGISTERS:
            raise ValueError(f"a recipe can name at most {REGISTERS} groups of objects")
        self._registers += 1
        return self._registers - 1
