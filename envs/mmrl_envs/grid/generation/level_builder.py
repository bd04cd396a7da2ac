"""The level builder: a level is declared by a few calls that read like BabyAI's.

They are compiled into a level program, a table of integers, which the kernel in
:mod:`mmrl_envs.grid.generation.generator` runs at every reset; nothing here runs after an
environment was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import BALL, BOX, COLOR_SHIFT, COLORS, KEY
from mmrl_envs.grid.core.state import NOTHING, REGISTERS, Layout, make_layout
from mmrl_envs.grid.language.instructions import (
    AFTER,
    BEFORE,
    BY_ACT,
    BY_DONE,
    OPEN,
    PICK_UP,
    PUT_NEXT,
    SINGLE,
    VERBS,
)

# Operations that build, with their operands.
PLACE_AGENT: Final = 0  # room
ADD_OBJECTS: Final = 1  # room, register, how many, kind, colour, different
ADD_DOOR: Final = 2  # room, register, wall, colour, locked
CHOOSE_ROOM: Final = 3  # register, column, row, register of a room to leave out
LOCK_A_ROOM: Final = 4  # register, probability in thousandths
CONNECT: Final = 5  # register (the next one counts the doors), colour avoided half of the time
REMOVE_WALL: Final = 6  # room, wall
OPEN_DOORS: Final = 7
PAINT: Final = 8  # register, how many, colour
PUT_INSIDE: Final = 9  # register of a box, kind, colour
PUT_LEFT_OF: Final = 10  # register, kind, colour
START_CARRYING: Final = 11  # register
SHUFFLE: Final = 12  # two registers
# Operations that sample the instruction, or reject the level.
FIRST_INSTRUCTION_OP: Final = 16
REQUIRE_REACHABLE: Final = 16  # wanted or not
REJECT: Final = 17  # register, how many, cell code
CHOOSE: Final = 18  # register of the chosen, register, how many, register of one to leave out
INSTRUCT: Final = 19  # clause, verbs, register, register of the second object, ways, strict
ORDER: Final = 20  # orders
RANDOM_INSTRUCTION: Final = 21  # verbs, forms, with locations, register of locked room, spare keys
SET_RULES: Final = 22  # bits beside the order, see rules/strict.py
OP_WIDTH: Final = 8

# Operands that are no plain number.
ANY: Final = -1  # random
DIFFERENT: Final = -2  # a colour that no door has yet
COUNTED: Final = -1  # as many as the next register holds
ONE_OF: Final = 2000  # + bits: one of several colours
IN_REGISTER: Final = 1000  # + r: the room, or the object's colour, in register r

# Bits.
BY_NAME: Final = 1  # "the red ball"
BY_KIND: Final = 2  # "the ball"
BY_COLOR: Final = 4  # "the red object"
BY_LOCATION: Final = 8  # "the ball on your left"
ACTION: Final = 1  # one clause
AND: Final = 2  # two clauses
SEQUENCE: Final = 4  # two halves, of one or two clauses each
FORMS: Final = {"action": ACTION, "and": AND, "sequence": SEQUENCE}

RIGHT, DOWN, LEFT, UP = range(4)
"""The walls of a room."""
KINDS: Final = {"key": KEY, "ball": BALL, "box": BOX}


@dataclass(frozen=True)
class Things:
    """Objects that an operation added or chose: a register that holds the first one's number.

    Attributes:
        register: which.
        count: how many there are; COUNTED where that is random.
    """

    register: int
    count: int = 1

    def with_following(self, others: Things) -> Things:
        """These and ``others``, which were added right after them."""
        return Things(self.register, self.count + others.count)


@dataclass(frozen=True)
class ChosenRoom:
    """A room that an operation chose: a register that holds its number."""

    register: int


Room = tuple[int, int] | ChosenRoom
"""Column and row of a room, or one that an operation chose."""
Color = str | tuple[str, ...] | Things | None
"""One of the six colours, a random one of several, that of an object, or None for any."""


class LevelBuilder:
    """Builds a level: records operations, and compiles them by :meth:`build`.

    Args:
        room_size: cells a side of a room, walls included.
        columns, rows: how many rooms.
        max_steps: the limit of steps, where it is not BabyAI's usual one.
    """

    def __init__(
        self, *, room_size: int, columns: int = 1, rows: int = 1, max_steps: int = 0
    ) -> None:
        if columns < 1 or rows < 1:
            raise ValueError(f"{columns} columns and {rows} rows: must be at least 1")
        self.max_steps = max_steps
        self._room_size, self._columns, self._rows = room_size, columns, rows
        self._ops: list[list[int]] = []
        self._registers = 0
        self._objects = 0
        self._doors = 0
        self._verbs = 0
        self._needs_other_acts = self._is_maze = False

    # Rooms and what is in them.

    @property
    def every_room(self) -> list[tuple[int, int]]:
        """Column and row of every room."""
        return [(x, y) for x in range(self._columns) for y in range(self._rows)]

    def place_agent(self, room: Room | None = None) -> None:
        """Place the agent in a room (any, if None), not facing an object."""
        self._record(PLACE_AGENT, self._room(room))

    def add_objects(
        self,
        count: int = 1,
        *,
        kind: str | None = None,
        color: Color = None,
        room: Room | None = None,
        different: bool = False,
    ) -> Things:
        """Add objects, of random kind, colour and room where None.

        Args:
            count: how many.
            kind: "key", "ball" or "box".
            color: of all of them.
            room: where.
            different: no two objects on the grid look alike.

        Raises:
            ValueError: a negative count, or more different objects than there are (18).
        """
        if count < 0:
            raise ValueError(f"{count} objects: must be 0 or more")
        if different and count > len(KINDS) * len(COLORS):
            raise ValueError(f"{count} different objects: there are only 18 kinds and colours")
        things = Things(self._new_registers(), count)
        self._objects += count
        self._record(
            ADD_OBJECTS,
            self._room(room),
            things.register,
            count,
            KINDS[kind] if kind else ANY,
            self._color(color),
            int(different),
        )
        return things

    def add_door(
        self,
        room: Room,
        wall: int = ANY,
        *,
        color: Color = None,
        locked: bool | None = False,
        different: bool = False,
    ) -> Things:
        """Add a door to a room.

        Args:
            room: where.
            wall: RIGHT, DOWN, LEFT or UP; a random free one otherwise.
            color: of the door.
            locked: or not; None for random.
            different: no other door has its colour.
        """
        door = Things(self._new_registers())
        self._doors += 1
        self._needs_other_acts |= locked is not False
        self._record(
            ADD_DOOR,
            self._room(room),
            door.register,
            wall,
            DIFFERENT if different else self._color(color),
            ANY if locked is None else int(locked),
        )
        return door

    def choose_room(
        self,
        *,
        column: int | None = None,
        row: int | None = None,
        other_than: ChosenRoom | None = None,
    ) -> ChosenRoom:
        """A random room, in a column or row if given, but not ``other_than``."""
        room = ChosenRoom(self._new_registers())
        self._record(
            CHOOSE_ROOM,
            room.register,
            ANY if column is None else column,
            ANY if row is None else row,
            other_than.register if other_than else NOTHING,
        )
        return room

    def lock_a_room(self, probability: float) -> ChosenRoom:
        """With some probability, lock a random room and put its key into another one."""
        room = ChosenRoom(self._new_registers())
        if probability > 0:
            self._objects += 1
            self._doors += 1
            self._needs_other_acts = True
        self._record(LOCK_A_ROOM, room.register, round(1000 * probability))
        return room

    def connect_rooms(self, *, avoid_half_of_the_time: Things | None = None) -> Things:
        """Add doors at random until every room can be reached; the doors that were added.

        Args:
            avoid_half_of_the_time: in half of the levels no door has this object's colour.
        """
        doors = Things(self._new_registers(2), COUNTED)
        avoided = self._color(avoid_half_of_the_time) if avoid_half_of_the_time else NOTHING
        self._doors = self._inner_walls
        self._is_maze = True
        self._record(CONNECT, doors.register, avoided)
        return doors

    def remove_wall(self, room: tuple[int, int], wall: int) -> None:
        """Take away the wall between a room and its neighbour."""
        self._record(REMOVE_WALL, self._room(room), wall)

    def open_doors(self) -> None:
        """Open every door that there is by now."""
        self._record(OPEN_DOORS)

    def paint(self, things: Things, color: str) -> None:
        """Give objects another colour."""
        self._record(PAINT, things.register, things.count, COLORS.index(color))

    def put_inside(self, box: Things, kind: str, color: Color = None) -> None:
        """Hide a new object in a box."""
        self._objects += 1
        self._record(PUT_INSIDE, box.register, KINDS[kind], self._color(color))

    def put_left_of(self, thing: Things, kind: str, color: Color = None) -> None:
        """Put a new object on the cell to the left of another one."""
        self._objects += 1
        self._record(PUT_LEFT_OF, thing.register, KINDS[kind], self._color(color))

    def start_carrying(self, thing: Things) -> None:
        """The episode begins with this object in the agent's hands."""
        self._record(START_CARRYING, thing.register)

    def shuffle(self, one: Things, other: Things) -> tuple[Things, Things]:
        """The two objects, in random order."""
        self._record(SHUFFLE, one.register, other.register)
        return one, other

    # What is asked for.

    def require_reachable(self, wanted: bool = True) -> None:
        """Reject the level unless every object can be touched without moving another; or, if
        not ``wanted``, where every object can.
        """
        self._needs_other_acts |= not wanted
        self._record(REQUIRE_REACHABLE, int(wanted))

    def reject(self, things: Things, kind: str, color: str) -> None:
        """Reject the level if one of these objects is of this kind and colour."""
        code = KINDS[kind] | COLORS.index(color) << COLOR_SHIFT
        self._record(REJECT, things.register, things.count, code)

    def choose(self, things: Things, *, other_than: Things | None = None) -> Things:
        """A random one of ``things``, not the one in ``other_than``.

        Raises:
            ValueError: there is nothing to choose from.
        """
        if things.count != COUNTED and things.count < (2 if other_than else 1):
            raise ValueError(f"too few objects ({things.count}) to choose one from")
        chosen = Things(self._new_registers())
        left_out = other_than.register if other_than else NOTHING
        self._record(CHOOSE, chosen.register, things.register, things.count, left_out)
        return chosen

    def ask(
        self,
        verbs: str | Iterable[str],
        thing: Things,
        *,
        beside: Things | None = None,
        ways: int = BY_NAME,
        strict: bool = False,
        second: bool = False,
    ) -> None:
        """Ask for something to be done to an object.

        Args:
            verbs: "go to", "pick up", "open" or "put"; where there are
                several, a random one that the grammar has with the object.
            thing: the object.
            beside: for "put", what it is put next to.
            ways: how objects are described, bits: a random one where there are several.
            strict: doing it to a wrong object ends the episode in failure.
            second: this is the second half of the instruction; see :meth:`order`.
        """
        names = [verbs] if isinstance(verbs, str) else list(verbs)
        its_verbs = sum(1 << VERBS[name] for name in names)
        self._verbs |= its_verbs
        self._record(
            INSTRUCT,
            2 if second else 0,
            its_verbs,
            thing.register,
            beside.register if beside else NOTHING,
            ways,
            int(strict),
        )

    def order(self, *, before: bool = False, after: bool = False, single: bool = False) -> None:
        """Put the two halves of the instruction in order; a random one of several, where single
        means that the second half is left out.
        """
        self._record(ORDER, single << SINGLE | before << BEFORE | after << AFTER)

    def random_instruction(
        self,
        verbs: Iterable[str],
        forms: Iterable[str] = ("action",),
        *,
        locations: bool = False,
        not_only_in: ChosenRoom | None = None,
        spare_keys: bool = False,
    ) -> None:
        """A random instruction of the grammar about what is there.

        Args:
            verbs: that may occur.
            forms: "action", "and", "sequence".
            locations: some descriptions have a location.
            not_only_in: what is asked for exists outside of this room too.
            spare_keys: nothing is asked of a key, named by its colour, that opens a locked door.
        """
        its_verbs, its_forms = (
            sum(1 << VERBS[verb] for verb in verbs),
            sum(FORMS[form] for form in forms),
        )
        self._verbs |= its_verbs
        self._needs_other_acts |= its_forms != ACTION
        self._record(
            RANDOM_INSTRUCTION,
            its_verbs,
            its_forms,
            int(locations),
            not_only_in.register if not_only_in else NOTHING,
            int(spare_keys),
        )

    @property
    def strict_rule(self) -> int:
        """How episodes are decided where the level is strict, see
        :mod:`mmrl_envs.grid.rules.strict`: by acts, unless other objects have to be moved, opened
        or unlocked on the way, or an act can be right for one clause and wrong for another.
        """
        opens_in_maze = self._is_maze and self._verbs >> OPEN & 1
        return BY_DONE if self._needs_other_acts or opens_in_maze else BY_ACT

    def build(self, *, strict: bool = False) -> tuple[Layout, NDArray[np.int32]]:
        """The geometry, and the level program, int32 [ops, 8].

        Args:
            strict: a wrong act ends the episode; see :attr:`strict_rule`. A level where objects
                have to be moved is rejected then where another one is in the way.

        Raises:
            ValueError: the rooms cannot hold the objects; the message names the limit.
        """
        named = self._objects + self._doors
        layout = make_layout(self._room_size, self._columns, self._rows, max(named, 1))
        # In a single room, an agent in a corner keeps objects off the two cells beside its own.
        rooms = self._columns * self._rows
        limit = (self._room_size - 2) ** 2 * rooms - (3 if rooms == 1 else 1)
        if self._objects > limit:
            raise ValueError(
                f"{self._objects} objects do not fit: {rooms} room(s) of "
                f"room_size={self._room_size} hold at most {max(limit, 0)}"
            )
        return layout, np.array(self._ops + self._strict_ops() * strict, np.int32)

    def _strict_ops(self) -> list[list[int]]:
        moves = self._verbs >> PICK_UP & 1 or self._verbs >> PUT_NEXT & 1
        is_clear = self.strict_rule == BY_ACT and moves
        ops = [[REQUIRE_REACHABLE, 1]] * is_clear + [[SET_RULES, self.strict_rule]]
        return [_padded(op) for op in ops]

    @property
    def _inner_walls(self) -> int:
        return (self._columns - 1) * self._rows + self._columns * (self._rows - 1)

    def _room(self, room: Room | None) -> int:
        if room is None:
            return ANY
        if isinstance(room, ChosenRoom):
            return IN_REGISTER + room.register
        column, row = room
        if not (0 <= column < self._columns and 0 <= row < self._rows):
            raise ValueError(f"room {room}: there are {self._columns} columns, {self._rows} rows")
        return column + self._columns * row

    def _color(self, color: Color) -> int:
        if color is None:
            return ANY
        if isinstance(color, Things):
            return IN_REGISTER + color.register
        if isinstance(color, tuple):
            return ONE_OF + sum(1 << COLORS.index(one) for one in color)
        return COLORS.index(color)

    def _record(self, *op: int) -> None:
        self._ops.append(_padded(op))

    def _new_registers(self, count: int = 1) -> int:
        self._registers += count
        if self._registers > REGISTERS:
            raise ValueError(f"a level can name at most {REGISTERS} objects, groups and rooms")
        return self._registers - count


def _padded(op: Sequence[int]) -> list[int]:
    return [*op] + [0] * (OP_WIDTH - len(op))
