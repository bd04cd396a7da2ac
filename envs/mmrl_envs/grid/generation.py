"""Levels come into being here: a recipe of integers, read by one kernel for every level.

A recipe (``int32 [steps, 8]``) is written by :class:`mmrl_envs.grid.recipe.Recipe`. Its steps
speak of objects through registers: a step that adds objects notes the number of the first one.
As in BabyAI, a step may turn the whole attempt down, and generation begins anew.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.cells import (
    BALL,
    BOX,
    COLOR_SHIFT,
    DOORS,
    DX,
    DY,
    EMPTY_CELL,
    KEY,
    KIND_MASK,
    WALL,
)
from mmrl_envs.grid.compiler import part
from mmrl_envs.grid.instructions import (
    COLOR_BITS,
    DESCRIPTION_A,
    DESCRIPTION_B,
    DESCRIPTION_MASK,
    LOCATION_BITS,
    PUT_NEXT,
    SEVERAL,
)
from mmrl_envs.grid.recipe import (
    ADD_OBJECTS,
    CHOOSE,
    INSTRUCT,
    PAINT,
    PLACE_AGENT,
    RANDOM_CLAUSE,
    REQUIRE_REACHABLE,
)
from mmrl_envs.grid.state import CLAUSES, MARGIN, NOTHING, NOWHERE, Layout, Scratch, State
from mmrl_envs.grid.streams import below
from mmrl_envs.grid.verification import beside, holds, matching, track

_ATTEMPTS: Final = 10_000  # of a whole level
_PLACINGS: Final = 1000  # of one object
_WORDINGS: Final = 100  # of one description
_KINDS: Final = (KEY, BALL, BOX)
_NOUN: Final = (0, 0, 0, 0, 4, 3, 2, 1, 0, 0, 0, 4, 4)  # of each kind
_DX = np.array(DX)
_DY = np.array(DY)


@part
def _room_cell(state: State, layout: Layout, e: int, column: int, row: int) -> int:
    """A random cell of a room, walls included."""
    pitch = layout.room_size - 1
    x = column * pitch + below(state.streams, e, layout.room_size)
    y = row * pitch + below(state.streams, e, layout.room_size)
    return (y + MARGIN) * layout.stride + x + MARGIN


@part
def _place_agent(state: State, layout: Layout, e: int, column: int, row: int) -> bool:
    """Stand the agent on a free cell of a room, not facing an object."""
    if column < 0:
        column = below(state.streams, e, layout.columns)
    if row < 0:
        row = below(state.streams, e, layout.rows)
    for _ in range(_PLACINGS):
        here = _room_cell(state, layout, e, column, row)
        if state.grid[e, here] != EMPTY_CELL:
            continue
        direction = below(state.streams, e, 4)
        front = state.grid[e, here + _DX[direction] + _DY[direction] * layout.stride]
        if front == EMPTY_CELL or front & KIND_MASK == WALL:
            state.agent_cell[e] = here
            state.agent_direction[e] = direction
            return True
    return False


@part
def _add_object(state: State, layout: Layout, e: int, column: int, row: int, code: int) -> bool:
    """Put a new object on a free cell of a room, not on the agent's cell nor beside it."""
    agent = state.agent_cell[e]
    for _ in range(_PLACINGS):
        here = _room_cell(state, layout, e, column, row)
        if (
            state.grid[e, here] == EMPTY_CELL
            and here != agent
            and not beside(here, agent, layout.stride)
        ):
            thing = state.object_count[e]
            state.object_count[e] += 1
            state.object_code[e, thing] = code
            state.object_cell[e, thing] = here
            state.content[e, thing] = NOTHING
            state.grid[e, here] = code
            return True
    return False


@part
def _is_new(state: State, e: int, code: int) -> bool:
    """Whether no object of environment ``e`` looks like this yet."""
    for thing in range(state.object_count[e]):
        if state.object_code[e, thing] == code:
            return False
    return True


@part
def _add_objects(
    state: State,
    layout: Layout,
    e: int,
    column: int,
    row: int,
    count: int,
    kind: int,
    color: int,
    different: bool,
) -> bool:
    """Add ``count`` objects, of random kinds, colours and rooms where these are negative."""
    for _ in range(count):
        while True:
            chosen_color = below(state.streams, e, 6) if color < 0 else color
            chosen_kind = _KINDS[below(state.streams, e, 3)] if kind < 0 else kind
            code = chosen_kind | chosen_color << COLOR_SHIFT
            if not different or _is_new(state, e, code):
                break
        in_column = below(state.streams, e, layout.columns) if column < 0 else column
        in_row = below(state.streams, e, layout.rows) if row < 0 else row
        if not _add_object(state, layout, e, in_column, in_row, code):
            return False
    return True


@part
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


@part
def _describe(state: State, e: int, thing: int) -> int:
    """The description of an object by its kind and colour."""
    code = state.object_code[e, thing]
    return _NOUN[code & KIND_MASK] | (1 + (code >> COLOR_SHIFT)) << COLOR_BITS


@part
def _random_description(state: State, layout: Layout, e: int, nouns: int, locations: bool) -> int:
    """A random description that at least one object fits, or -1 after too many tries.

    Args:
        nouns: bits of the nouns to draw from (1 box, 2 ball, 3 key, 4 door).
    """
    for _ in range(_WORDINGS):
        color = below(state.streams, e, 7)
        noun = 1 + below(state.streams, e, 4)
        while not nouns >> noun & 1:
            noun = 1 + below(state.streams, e, 4)
        location = 0
        if locations and below(state.streams, e, 2) == 0:
            location = 1 + below(state.streams, e, 4)
        description = noun | color << COLOR_BITS | location << LOCATION_BITS
        if matching(state, layout, e, description) != 0:
            return description
    return -1


@part
def _random_clause(state: State, layout: Layout, e: int, verbs: int, locations: bool) -> int:
    """A random clause about what is there, or -1 after too many tries."""
    verb = 1 + below(state.streams, e, 4)
    while not verbs >> verb & 1:
        verb = 1 + below(state.streams, e, 4)
    things, doors = 0b01110, 0b10000
    nouns = (things | doors, things, doors, things)[verb - 1]
    clause = verb
    for side in range(2 if verb == PUT_NEXT else 1):
        described = _random_description(
            state, layout, e, nouns if side == 0 else things | doors, locations
        )
        if described < 0:
            return -1
        clause |= described << (DESCRIPTION_A if side == 0 else DESCRIPTION_B)
    return clause


@part
def _word_and_check(state: State, layout: Layout, e: int) -> bool:
    """Choose "the" or "a" in every description, and turn down what makes no sense: an object to
    be put next to itself, or next to one that it stands by already.
    """
    for clause in range(CLAUSES):
        code = state.instruction[e, 1 + clause]
        if code == 0:
            continue
        put = code & 15 == PUT_NEXT
        moved = fixed = np.uint64(0)
        for side in range(2 if put else 1):
            shift = DESCRIPTION_A if side == 0 else DESCRIPTION_B
            found = matching(state, layout, e, code >> shift & DESCRIPTION_MASK)
            if found & (found - np.uint64(1)) != 0:
                code |= SEVERAL << shift
            moved, fixed = fixed, found
        state.instruction[e, 1 + clause] = code
        if put:
            if moved & fixed != 0:
                return False
            for a in range(state.object_count[e]):
                if not holds(moved, a):
                    continue
                for b in range(state.object_count[e]):
                    if holds(fixed, b) and beside(
                        state.object_cell[e, a], state.object_cell[e, b], layout.stride
                    ):
                        return False
    return True


@part
def _blank(state: State, layout: Layout, e: int) -> None:
    """Empty rooms, and the agent in the middle, where BabyAI keeps objects off until it moves."""
    for index in range(len(layout.blank)):
        state.grid[e, index] = layout.blank[index]
    pitch = layout.room_size - 1
    x = layout.columns // 2 * pitch + layout.room_size // 2
    y = layout.rows // 2 * pitch + layout.room_size // 2
    state.agent_cell[e] = (y + MARGIN) * layout.stride + x + MARGIN
    state.agent_direction[e] = 0
    state.carried[e] = NOTHING
    state.object_count[e] = 0
    state.step_count[e] = 0
    for k in range(1 + CLAUSES):
        state.instruction[e, k] = 0


@part
def _follow(
    state: State, layout: Layout, e: int, recipe: NDArray[np.int32], scratch: Scratch
) -> bool:
    """Carry out a recipe once; False where a step turns the attempt down."""
    register = scratch.register
    for k in range(len(recipe)):
        op, a, b, c, d, f, g, h = (
            recipe[k, 0],
            recipe[k, 1],
            recipe[k, 2],
            recipe[k, 3],
            recipe[k, 4],
            recipe[k, 5],
            recipe[k, 6],
            recipe[k, 7],
        )
        if op == PLACE_AGENT:
            if not _place_agent(state, layout, e, a, b):
                return False
        elif op == ADD_OBJECTS:
            register[c] = state.object_count[e]
            if not _add_objects(state, layout, e, a, b, d, f, g, h != 0):
                return False
        elif op == PAINT:
            for thing in range(register[a], register[a] + b):
                code = state.object_code[e, thing] & KIND_MASK | c << COLOR_SHIFT
                state.object_code[e, thing] = code
                state.grid[e, state.object_cell[e, thing]] = code
        elif op == REQUIRE_REACHABLE:
            if not all_reachable(state, layout, e, scratch):
                return False
        elif op == CHOOSE:
            chosen = register[b] + below(state.streams, e, c)
            while d >= 0 and chosen == register[d]:
                chosen = register[b] + below(state.streams, e, c)
            register[a] = chosen
        elif op == INSTRUCT:
            clause = b | _describe(state, e, register[c]) << DESCRIPTION_A
            if d >= 0:
                clause |= _describe(state, e, register[d]) << DESCRIPTION_B
            state.instruction[e, 1 + a] = clause
        elif op == RANDOM_CLAUSE:
            clause = _random_clause(state, layout, e, b, c != 0)
            if clause < 0:
                return False
            state.instruction[e, 1 + a] = clause
    return True


@part
def _step_limit(state: State, layout: Layout, e: int) -> int:
    navigations = 0
    for clause in range(CLAUSES):
        verb = state.instruction[e, 1 + clause] & 15
        if verb != 0:
            navigations += 2 if verb == PUT_NEXT else 1
    return navigations * layout.room_size * layout.room_size * layout.columns * layout.rows


@part
def begin(
    state: State,
    layout: Layout,
    e: int,
    recipe: NDArray[np.int32],
    scratch: Scratch,
    fixed_max_steps: int,
) -> bool:
    """Begin a new episode in environment ``e``, from its own random stream.

    Args:
        recipe: int32 [steps, 8].
        fixed_max_steps: the limit of steps; 0 for BabyAI's own, room_size² · rooms for each
            clause, twice that for a "put".

    Returns:
        Whether a level could be generated.
    """
    for _ in range(_ATTEMPTS):
        _blank(state, layout, e)
        if _follow(state, layout, e, recipe, scratch) and _word_and_check(state, layout, e):
            track(state, layout, e)
            limit = fixed_max_steps if fixed_max_steps else _step_limit(state, layout, e)
            state.max_steps[e] = limit
            return True
    return False
