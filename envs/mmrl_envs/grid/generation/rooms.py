"""Rooms and what is put into them: walls, doors, objects, the agent. Kernels for generation.

Room k of a grid is in column ``k % columns`` and row ``k // columns``; its walls are 0 right,
1 down, 2 left, 3 up, and the wall between two rooms belongs to both.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from mmrl_envs.grid.core.cells import (
    BALL,
    BOX,
    COLOR_SHIFT,
    DOOR_CLOSED,
    DOOR_LOCKED,
    DOOR_OPEN,
    DOORS,
    DX,
    DY,
    EMPTY_CELL,
    KEY,
    KIND_MASK,
    WALL,
)
from mmrl_envs.grid.core.jit import device_function
from mmrl_envs.grid.core.rng import randint
from mmrl_envs.grid.core.state import MARGIN, NOTHING, NOWHERE, Layout, Scratch, State
from mmrl_envs.grid.generation.level_builder import ANY, DIFFERENT, IN_REGISTER, ONE_OF
from mmrl_envs.grid.rules.verification import beside

OPENING: Final = -2  # in place of a door's number: the wall was removed

_PLACINGS: Final = 1000  # tries of one object
_CONNECTIONS: Final = 5000  # tries of connecting all rooms
_KINDS: Final = (KEY, BALL, BOX)
_DX = np.array(DX)
_DY = np.array(DY)


@device_function
def blank(state: State, layout: Layout, e: int, scratch: Scratch) -> None:
    """Empty rooms without doors, and the agent in the middle, where BabyAI keeps objects off until
    it moves.
    """
    for index in range(len(layout.blank)):
        state.grid[e, index] = layout.blank[index]
    for index in range(len(scratch.door)):
        scratch.door[index] = NOTHING
    for room in range(layout.columns * layout.rows):
        scratch.is_locked[room] = False
    scratch.start_carrying[0] = NOTHING
    pitch = layout.room_size - 1
    x = layout.columns // 2 * pitch + layout.room_size // 2
    y = layout.rows // 2 * pitch + layout.room_size // 2
    state.agent_cell[e] = (y + MARGIN) * layout.stride + x + MARGIN
    state.agent_direction[e] = 0
    state.carried[e] = NOTHING
    state.object_count[e] = 0
    state.step_count[e] = 0


@device_function
def draw_room(state: State, layout: Layout, e: int, scratch: Scratch, room: int) -> int:
    """The room that an operand refers to: by its number, from a register, or any."""
    if room >= IN_REGISTER:
        return scratch.register[room - IN_REGISTER]
    if room != ANY:
        return room
    column = randint(state.rng, e, layout.columns)
    return column + layout.columns * randint(state.rng, e, layout.rows)


@device_function
def choose_room(
    state: State, layout: Layout, e: int, column: int, row: int, other_than: int
) -> int:
    """A random room, in a given column or row where these are not ANY, but not ``other_than``."""
    while True:
        in_column = randint(state.rng, e, layout.columns) if column == ANY else column
        in_row = randint(state.rng, e, layout.rows) if row == ANY else row
        room = in_column + layout.columns * in_row
        if room != other_than:
            return room


@device_function
def is_in_room(layout: Layout, cell: int, room: int) -> bool:
    """Whether a cell lies in a room, its walls included."""
    pitch = layout.room_size - 1
    x = cell % layout.stride - MARGIN - room % layout.columns * pitch
    y = cell // layout.stride - MARGIN - room // layout.columns * pitch
    return 0 <= x <= pitch and 0 <= y <= pitch


@device_function
def _room_cell(state: State, layout: Layout, e: int, room: int) -> int:
    """A random cell of a room, walls included."""
    pitch = layout.room_size - 1
    x = room % layout.columns * pitch + randint(state.rng, e, layout.room_size)
    y = room // layout.columns * pitch + randint(state.rng, e, layout.room_size)
    return (y + MARGIN) * layout.stride + x + MARGIN


@device_function
def place_agent(state: State, layout: Layout, e: int, room: int) -> bool:
    """Place the agent on a free cell of a room, not facing an object."""
    for _ in range(_PLACINGS):
        here = _room_cell(state, layout, e, room)
        if state.grid[e, here] != EMPTY_CELL:
            continue
        direction = randint(state.rng, e, 4)
        front = state.grid[e, here + _DX[direction] + _DY[direction] * layout.stride]
        if front == EMPTY_CELL or front & KIND_MASK == WALL:
            state.agent_cell[e] = here
            state.agent_direction[e] = direction
            return True
    return False


@device_function
def new_object(state: State, e: int, code: int, cell: int) -> int:
    """Enter a new object that stands in a cell, or NOWHERE; its number."""
    thing = state.object_count[e]
    state.object_count[e] += 1
    state.object_code[e, thing] = code
    state.object_cell[e, thing] = cell
    state.content[e, thing] = NOTHING
    if cell != NOWHERE:
        state.grid[e, cell] = code
    return thing


@device_function
def free_cell(state: State, layout: Layout, e: int, room: int) -> int:
    """A random free cell of a room, not the agent's nor beside it; NOWHERE after many tries."""
    agent = state.agent_cell[e]
    for _ in range(_PLACINGS):
        here = _room_cell(state, layout, e, room)
        if (
            state.grid[e, here] == EMPTY_CELL
            and here != agent
            and not beside(here, agent, layout.stride)
        ):
            return here
    return NOWHERE


@device_function
def _put_into_room(state: State, layout: Layout, e: int, room: int, code: int) -> bool:
    """Put a new object on a free cell of a room."""
    here = free_cell(state, layout, e, room)
    if here == NOWHERE:
        return False
    new_object(state, e, code, here)
    return True


@device_function
def take_up(state: State, e: int, thing: int) -> None:
    """Have an episode begin with an object in the hands: the verifier still knows where it lay."""
    state.grid[e, state.object_cell[e, thing]] = EMPTY_CELL
    state.object_cell[e, thing] = NOWHERE
    state.carried[e] = thing


@device_function
def _is_new(state: State, e: int, code: int) -> bool:
    """Whether no object of environment ``e`` looks like this yet."""
    for thing in range(state.object_count[e]):
        if state.object_code[e, thing] == code:
            return False
    return True


@device_function
def draw_color(state: State, e: int, scratch: Scratch, color: int) -> int:
    """The colour that an operand refers to: by its number, an object's, one of several, any, or
    one that no door has.
    """
    if color >= ONE_OF:
        while True:
            drawn = randint(state.rng, e, 6)
            if (color - ONE_OF) >> drawn & 1:
                return drawn
    if color >= IN_REGISTER:
        model = scratch.register[color - IN_REGISTER]
        code = np.int64(state.object_code[e, model])  # signed, as the other colours here
        return code >> COLOR_SHIFT  # type: ignore[return-value]  # compiled
    if color != ANY and color != DIFFERENT:
        return color
    while True:
        drawn = randint(state.rng, e, 6)
        is_taken = False
        for thing in range(state.object_count[e]):
            code = state.object_code[e, thing]
            if DOORS >> (code & KIND_MASK) & 1 and code >> COLOR_SHIFT == drawn:
                is_taken = True
        if color == ANY or not is_taken:
            return drawn


@device_function
def add_objects(
    state: State,
    layout: Layout,
    e: int,
    scratch: Scratch,
    room: int,
    count: int,
    kind: int,
    color: int,
    different: bool,
) -> bool:
    """Add ``count`` objects, of random kinds, colours and rooms where these are ANY."""
    for _ in range(count):
        while True:
            chosen_color = draw_color(state, e, scratch, color)
            chosen_kind = _KINDS[randint(state.rng, e, 3)] if kind == ANY else kind
            code = chosen_kind | chosen_color << COLOR_SHIFT
            if not different or _is_new(state, e, code):
                break
        into = draw_room(state, layout, e, scratch, room)
        if not _put_into_room(state, layout, e, into, code):
            return False
    return True


@device_function
def neighbor(layout: Layout, room: int, wall: int) -> int:
    """The room behind a wall, or NOTHING."""
    column = room % layout.columns + _DX[wall]
    row = room // layout.columns + _DY[wall]
    if 0 <= column < layout.columns and 0 <= row < layout.rows:
        return column + layout.columns * row
    return NOTHING


@device_function
def _wall_cell(layout: Layout, room: int, wall: int, along: int) -> int:
    """The cell of a wall that is ``along`` cells from its upper or left end."""
    pitch = layout.room_size - 1
    x = room % layout.columns * pitch
    y = room // layout.columns * pitch
    if wall == 0 or wall == 2:
        x += pitch if wall == 0 else 0
        y += along
    else:
        y += pitch if wall == 1 else 0
        x += along
    return (y + MARGIN) * layout.stride + x + MARGIN


@device_function
def free_wall(state: State, layout: Layout, e: int, scratch: Scratch, room: int) -> int:
    """A random wall of a room with a neighbour behind it and no door in it, or NOTHING."""
    for _ in range(_PLACINGS):
        wall = randint(state.rng, e, 4)
        if neighbor(layout, room, wall) != NOTHING and scratch.door[4 * room + wall] == NOTHING:
            return wall
    return NOTHING


@device_function
def add_door(
    state: State,
    layout: Layout,
    e: int,
    scratch: Scratch,
    room: int,
    wall: int,
    color: int,
    locked: bool,
) -> int:
    """Put a door somewhere into a wall; its number."""
    cell = _wall_cell(layout, room, wall, 1 + randint(state.rng, e, layout.room_size - 2))
    kind = DOOR_LOCKED if locked else DOOR_CLOSED
    door = new_object(state, e, kind | color << COLOR_SHIFT, cell)
    scratch.is_locked[room] = locked
    scratch.door[4 * room + wall] = door
    scratch.door[4 * neighbor(layout, room, wall) + (wall + 2) % 4] = door
    return door


@device_function
def remove_wall(
    state: State, layout: Layout, e: int, scratch: Scratch, room: int, wall: int
) -> None:
    """Take away the wall between a room and its neighbour."""
    for along in range(1, layout.room_size - 1):
        state.grid[e, _wall_cell(layout, room, wall, along)] = EMPTY_CELL
    scratch.door[4 * room + wall] = OPENING
    scratch.door[4 * neighbor(layout, room, wall) + (wall + 2) % 4] = OPENING


@device_function
def _all_connected(state: State, layout: Layout, e: int, scratch: Scratch) -> bool:
    """Whether every room can be reached from the agent's through doors of any kind."""
    rooms = layout.columns * layout.rows
    pitch = layout.room_size - 1
    agent = state.agent_cell[e]
    column = (agent % layout.stride - MARGIN) // pitch
    row = (agent // layout.stride - MARGIN) // pitch
    for room in range(rooms):
        scratch.reached[room] = False
    scratch.stack[0] = column + layout.columns * row
    scratch.reached[scratch.stack[0]] = True
    height = found = 1
    while height > 0:
        height -= 1
        room = scratch.stack[height]
        for wall in range(4):
            if scratch.door[4 * room + wall] == NOTHING:
                continue
            behind = neighbor(layout, room, wall)
            if not scratch.reached[behind]:
                scratch.reached[behind] = True
                scratch.stack[height] = behind
                height += 1
                found += 1
    return found == rooms


@device_function
def connect_rooms(
    state: State, layout: Layout, e: int, scratch: Scratch, avoided_color: int
) -> bool:
    """Add closed doors at random until every room can be reached; none to a room that was locked
    last, and none of ``avoided_color``.
    """
    for _ in range(_CONNECTIONS):
        if _all_connected(state, layout, e, scratch):
            return True
        column = randint(state.rng, e, layout.columns)
        room = column + layout.columns * randint(state.rng, e, layout.rows)
        wall = randint(state.rng, e, 4)
        behind = neighbor(layout, room, wall)
        if behind == NOTHING or scratch.door[4 * room + wall] != NOTHING:
            continue
        if scratch.is_locked[room] or scratch.is_locked[behind]:
            continue
        color = randint(state.rng, e, 6)
        while color == avoided_color:
            color = randint(state.rng, e, 6)
        add_door(state, layout, e, scratch, room, wall, color, False)
    return False


@device_function
def lock_room(state: State, layout: Layout, e: int, scratch: Scratch) -> int:
    """Lock a random room, with one door, whose key lies in another room; the room, or NOTHING
    where no place for the key was found.
    """
    while True:
        room = draw_room(state, layout, e, scratch, ANY)
        wall = randint(state.rng, e, 4)
        if neighbor(layout, room, wall) != NOTHING:
            break
    color = randint(state.rng, e, 6)
    add_door(state, layout, e, scratch, room, wall, color, True)
    key_room = choose_room(state, layout, e, ANY, ANY, room)
    if not _put_into_room(state, layout, e, key_room, KEY | color << COLOR_SHIFT):
        return NOTHING
    return room


@device_function
def open_doors(state: State, e: int) -> None:
    """Open every door."""
    for thing in range(state.object_count[e]):
        code = state.object_code[e, thing]
        if DOORS >> (code & KIND_MASK) & 1:
            code = DOOR_OPEN | code >> COLOR_SHIFT << COLOR_SHIFT
            state.object_code[e, thing] = code
            state.grid[e, state.object_cell[e, thing]] = code


@device_function
def paint(state: State, e: int, first: int, count: int, color: int) -> None:
    """Give objects another colour."""
    for thing in range(first, first + count):
        code = state.object_code[e, thing] & KIND_MASK | color << COLOR_SHIFT
        state.object_code[e, thing] = code
        state.grid[e, state.object_cell[e, thing]] = code


@device_function
def all_reachable(state: State, layout: Layout, e: int, scratch: Scratch) -> bool:
    """Whether the agent could touch every object without moving another one."""
    reached, stack = scratch.reached, scratch.stack
    for index in range(len(reached)):
        reached[index] = False
    stack[0] = state.agent_cell[e]
    reached[stack[0]] = True
    height = 1
    while height > 0:
        height -= 1
        here = stack[height]
        for direction in range(4):
            there = here + _DX[direction] + _DY[direction] * layout.stride
            if reached[there]:
                continue
            reached[there] = True
            code = state.grid[e, there]
            if code == EMPTY_CELL or DOORS >> (code & KIND_MASK) & 1:
                stack[height] = there
                height += 1
    for thing in range(state.object_count[e]):
        where = state.object_cell[e, thing]
        if where != NOWHERE and not reached[where]:
            return False
    return True
