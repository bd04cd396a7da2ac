"""Invariants of the state: checked after every step in debug mode, and of states that are restored
before they are accepted.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from mmrl_envs.grid.core.cells import (
    BOX,
    CODES,
    COLOR_SHIFT,
    COLORS,
    DOORS,
    EMPTY,
    EMPTY_CELL,
    KIND_MASK,
    PASSABLE,
    PORTABLE,
    WALL,
)
from mmrl_envs.grid.core.jit import device_function, kernel, signed
from mmrl_envs.grid.core.state import CLAUSES, MARGIN, NOTHING, NOWHERE, Layout, State
from mmrl_envs.grid.language.instructions import (
    AFTER,
    BEFORE,
    BY_ACT,
    BY_DONE,
    COLOR_BITS,
    DESCRIPTION_A,
    DESCRIPTION_B,
    DESCRIPTION_MASK,
    DOOR_NOUN,
    GO_TO,
    LOCATION_BITS,
    LOCATIONS,
    OPEN,
    ORDER_MASK,
    PICK_UP,
    PUT_NEXT,
    SINGLE,
    STRICT,
)
from mmrl_envs.grid.rules.verification import NOUN_KINDS

RULES: Final = (
    "everything holds",
    "the grid holds a code that no cell can have, or no wall beyond its border",
    "the agent stands outside of the grid",
    "the agent stands on something that cannot be stood on",
    "the agent's direction is not 0 to 3",
    "the number of objects is not 0 to the most that the level can have",
    "an object's code is not that of a key, ball, box or door",
    "an object lies outside of the grid, or not where the grid shows it",
    "the grid shows an object that there is none of, or two in one place",
    "what the agent carries is no object that can be carried, or lies on the grid, too",
    "what is in a box is no object, lies on the grid or is carried too, or is in two boxes",
    "an object is nowhere, and neither carried, nor in a box, nor a box that was opened",
    "a known position is outside of the grid",
    "the count of steps is not 0 to the limit, or the limit is not 1 or more",
    "the instruction is none of the language",
    "a description means objects that it does not fit, or none",
    "the progress speaks of clauses that there are none of, or comes before its time",
    "what a clause saw in the hands is no object that can be carried",
)
"""What a broken rule means, by the number that :func:`check_env` returns."""


@device_function
def _is_inside(layout: Layout, cell: int) -> bool:
    x, y = cell % layout.stride - MARGIN, cell // layout.stride - MARGIN
    return cell >= 0 and 0 <= x < layout.width and 0 <= y < layout.height


@device_function
def _is_thing(code: int) -> bool:
    """Whether a code is that of something that can be named."""
    kind = code & KIND_MASK
    return (PORTABLE | DOORS) >> kind & 1 == 1 and code >> COLOR_SHIFT < len(COLORS)


@device_function
def _check_grid(state: State, layout: Layout, e: int) -> int:
    """Rules 1 to 4: cells and the agent."""
    for cell in range(len(layout.blank)):
        code = signed(state.grid[e, cell])
        is_known = code == EMPTY_CELL or _is_thing(code)
        is_wall = code & KIND_MASK == WALL and code < CODES and code >> COLOR_SHIFT < len(COLORS)
        if not is_wall and not (is_known and _is_inside(layout, cell)):
            return 1
    agent = signed(state.agent_cell[e])
    if not _is_inside(layout, agent):
        return 2
    if not PASSABLE >> (state.grid[e, agent] & KIND_MASK) & 1:
        return 3
    return 0 if 0 <= state.agent_direction[e] < 4 else 4


@device_function
def _check_objects(state: State, layout: Layout, e: int) -> int:
    """Rules 5 to 8: objects, and where they lie."""
    count = signed(state.object_count[e])
    if not 0 <= count <= layout.max_objects:
        return 5
    for thing in range(count):
        code, cell = signed(state.object_code[e, thing]), signed(state.object_cell[e, thing])
        if not _is_thing(code):
            return 6
        if cell != NOWHERE and (not _is_inside(layout, cell) or state.grid[e, cell] != code):
            return 7
        for other in range(thing):
            if cell != NOWHERE and state.object_cell[e, other] == cell:
                return 8
    shown = 0
    for cell in range(len(layout.blank)):
        kind = state.grid[e, cell] & KIND_MASK
        shown += kind not in (EMPTY, WALL)
    placed = 0
    for thing in range(count):
        placed += state.object_cell[e, thing] != NOWHERE
    return 0 if shown == placed else 8


@device_function
def _can_be_held(state: State, e: int, thing: int) -> bool:
    if not 0 <= thing < state.object_count[e]:
        return False
    return PORTABLE >> (state.object_code[e, thing] & KIND_MASK) & 1 == 1


@device_function
def _check_hidden(state: State, layout: Layout, e: int) -> int:
    """Rules 9 to 12: what is carried, in boxes, or remembered."""
    count, held = signed(state.object_count[e]), signed(state.carried[e])
    is_free = held == NOTHING
    if not is_free and (not _can_be_held(state, e, held) or state.object_cell[e, held] != NOWHERE):
        return 9
    for box in range(count):
        inside = signed(state.content[e, box])
        if inside == NOTHING:
            continue
        is_box = state.object_code[e, box] & KIND_MASK == BOX
        if not is_box or not _can_be_held(state, e, inside) or inside == box:
            return 10
        # An opened box, which is nowhere, may still name what was in it.
        is_closed = state.object_cell[e, box] != NOWHERE or held == box
        if is_closed and (state.object_cell[e, inside] != NOWHERE or held == inside):
            return 10
        for other in range(box):
            if state.content[e, other] == inside:
                return 10
    for thing in range(count):
        if state.object_cell[e, thing] == NOWHERE and thing != held:
            is_boxed = state.object_code[e, thing] & KIND_MASK == BOX
            for box in range(count):
                is_boxed = is_boxed or state.content[e, box] == thing
            if not is_boxed:
                return 11
        known = signed(state.known_cell[e, thing])
        if known != NOWHERE and not _is_inside(layout, known):
            return 12
    return 0


@device_function
def _is_description(code: int, is_door: bool, is_portable: bool) -> bool:
    noun, color, location = code & 7, code >> COLOR_BITS & 7, code >> LOCATION_BITS & 7
    if noun > DOOR_NOUN or color > len(COLORS) or location >= len(LOCATIONS):
        return False
    return (noun == DOOR_NOUN or not is_door) and (noun != DOOR_NOUN or not is_portable)


@device_function
def _is_clause(code: int) -> bool:
    verb = code & 15
    first, second = code >> DESCRIPTION_A & DESCRIPTION_MASK, code >> DESCRIPTION_B
    if not GO_TO <= verb <= PUT_NEXT or code < 0 or code >= STRICT << 1:
        return False
    if not _is_description(first, verb == OPEN, verb in (PICK_UP, PUT_NEXT)):
        return False
    second &= DESCRIPTION_MASK
    return _is_description(second, False, False) if verb == PUT_NEXT else second == 0


@device_function
def _check_instruction(state: State, e: int) -> int:
    """Rules 13 to 17: time, instruction and progress."""
    if not 0 <= state.step_count[e] <= state.max_steps[e] or state.max_steps[e] < 1:
        return 13
    order = state.instruction[e, 0] & ORDER_MASK
    rules = state.instruction[e, 0] & ~ORDER_MASK
    if order not in (SINGLE, BEFORE, AFTER) or rules not in (0, BY_ACT, BY_DONE):
        return 14
    progress = signed(state.progress[e])
    for clause in range(CLAUSES):
        code = signed(state.instruction[e, 1 + clause])
        must_be = clause == 0 or (clause == 2 and order != SINGLE)
        may_be = clause < 2 or order != SINGLE
        if code == 0:
            if must_be:
                return 14
            if progress >> clause & 1:
                return 16
            continue
        if not may_be or not _is_clause(code):
            return 14
        for side in range(2 if code & 15 == PUT_NEXT else 1):
            shift = DESCRIPTION_A if side == 0 else DESCRIPTION_B
            if not _fits(state, e, clause, side, code >> shift & DESCRIPTION_MASK):
                return 15
        noticed = state.held_before[e, clause]
        if noticed != NOTHING and not _can_be_held(state, e, noticed):
            return 17
    earlier, later = (2, 0) if order == AFTER else (0, 2)
    is_half_done = progress >> CLAUSES & 1 == 1
    is_early = progress >> later & 3 != 0 and order != SINGLE
    if not 0 <= progress < 2 << CLAUSES or (is_early and not is_half_done):
        return 16
    for clause in range(earlier, earlier + 2):
        is_there = state.instruction[e, 1 + clause] != 0
        if is_half_done and (order == SINGLE or (is_there and not progress >> clause & 1)):
            return 16
    return 0


@device_function
def _fits(state: State, e: int, clause: int, side: int, description: int) -> bool:
    """Whether the objects that a description means are there, and have its colour and kind."""
    noun, color = description & 7, description >> COLOR_BITS & 7
    meant = state.tracked[e, clause, side]
    found = np.uint64(0)
    for thing in range(state.object_count[e]):
        bit = np.uint64(1) << np.uint64(thing)
        if meant & bit == 0:
            continue
        found |= bit
        code = signed(state.object_code[e, thing])
        kind = code & KIND_MASK
        if color != 0 and code >> COLOR_SHIFT != color - 1:
            return False
        if noun == DOOR_NOUN:
            if not DOORS >> kind & 1:
                return False
        elif noun != 0 and kind != NOUN_KINDS[noun]:
            return False
    return found == meant and meant != 0


@device_function
def check_env(state: State, layout: Layout, e: int) -> int:
    """The first broken rule of environment ``e``, a number of :data:`RULES`; 0 if all hold."""
    broken = _check_grid(state, layout, e)
    if broken == 0:
        broken = _check_objects(state, layout, e)
    if broken == 0:
        broken = _check_hidden(state, layout, e)
    if broken == 0:
        broken = _check_instruction(state, e)
    return broken


@kernel
def check_envs(state: State, layout: Layout, start: int, stop: int) -> tuple[int, int]:
    """Check environments ``start`` to ``stop - 1``.

    Returns:
        The first broken rule, a number of :data:`RULES`, and the environment; (0, 0) if all hold.
    """
    for e in range(start, stop):
        broken = check_env(state, layout, e)
        if broken != 0:
            return broken, e
    return 0, 0
