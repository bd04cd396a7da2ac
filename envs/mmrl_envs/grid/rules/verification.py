"""Instruction verification: BabyAI's verifier of success and failure, to the letter, as kernels.

Two details matter for equality. "go to" compares with where the objects were at the last
*drop* action (or at the start), not with where they are now; and a clause observes what is carried
only in the steps in which it is verified.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from mmrl_envs.grid.core.cells import (
    BALL,
    BOX,
    COLOR_SHIFT,
    DOOR_OPEN,
    DOORS,
    DROP,
    DX,
    DY,
    KEY,
    KIND_MASK,
    PICKUP,
    TOGGLE,
)
from mmrl_envs.grid.core.jit import device_function, signed
from mmrl_envs.grid.core.state import CLAUSES, MARGIN, NOTHING, NOWHERE, Layout, State
from mmrl_envs.grid.language.instructions import (
    AFTER,
    COLOR_BITS,
    DESCRIPTION_A,
    DESCRIPTION_B,
    DESCRIPTION_MASK,
    DOOR_NOUN,
    GO_TO,
    LOCATION_BITS,
    OPEN,
    PICK_UP,
    PUT_NEXT,
    SINGLE,
    STRICT,
    STRICT_RULES,
)

CONTINUE: Final = 0
SUCCESS: Final = 1
FAILURE: Final = 2

FIRST_HALF_DONE: Final = 1 << CLAUSES
NOUN_KINDS: Final = (0, BOX, BALL, KEY, DOOR_OPEN)  # object, box, ball, key, door
_DX = np.array(DX)
_DY = np.array(DY)


@device_function
def holds(mask: np.uint64, thing: int) -> bool:
    """Whether object ``thing`` is in a set of objects written as one bit each."""
    return (mask >> np.uint64(thing)) & np.uint64(1) == np.uint64(1)


@device_function
def matching(state: State, layout: Layout, e: int, description: int) -> np.uint64:
    """The objects on the grid of environment ``e`` that a description fits, one bit each.

    A location counts from where the agent stands and looks now, within its room (walls and their
    doors included): left, right, in front and behind are half planes.
    """
    noun = description & 7
    color = description >> COLOR_BITS & 7
    location = description >> LOCATION_BITS & 7
    agent = state.agent_cell[e]
    agent_x, agent_y = agent % layout.stride - MARGIN, agent // layout.stride - MARGIN
    pitch = layout.room_size - 1
    left, top = agent_x // pitch * pitch, agent_y // pitch * pitch
    ahead_x, ahead_y = _DX[state.agent_direction[e]], _DY[state.agent_direction[e]]
    found = np.uint64(0)
    for thing in range(state.object_count[e]):
        where = state.object_cell[e, thing]
        if where == NOWHERE:
            continue
        code = state.object_code[e, thing]
        kind = code & KIND_MASK
        if noun == DOOR_NOUN:
            if not DOORS >> kind & 1:
                continue
        elif noun != 0 and kind != NOUN_KINDS[noun]:
            continue
        if color != 0 and code >> COLOR_SHIFT != color - 1:
            continue
        if location != 0:
            x, y = where % layout.stride - MARGIN, where // layout.stride - MARGIN
            if x < left or y < top or x > left + pitch or y > top + pitch:
                continue
            dx, dy = x - agent_x, y - agent_y
            forward = dx * ahead_x + dy * ahead_y
            rightward = dy * ahead_x - dx * ahead_y
            if location == 1 and rightward >= 0:
                continue
            if location == 2 and rightward <= 0:
                continue
            if location == 3 and forward <= 0:
                continue
            if location == 4 and forward >= 0:
                continue
        found |= np.uint64(1) << np.uint64(thing)
    return found


@device_function
def known_hands(state: State, e: int) -> int:
    """What a verifier knows to be in the hands when an episode begins: BabyAI's, of nothing."""
    return signed(state.carried[e]) if state.instruction[e, 0] & STRICT_RULES else NOTHING


@device_function
def track(state: State, layout: Layout, e: int) -> None:
    """Resolve which objects each description means, and reset the progress of an episode."""
    held = known_hands(state, e)
    for clause in range(CLAUSES):
        code = state.instruction[e, 1 + clause]
        state.held_before[e, clause] = held
        for side in range(2):
            shift = DESCRIPTION_A if side == 0 else DESCRIPTION_B
            asked = code != 0 and (side == 0 or code & 15 == PUT_NEXT)
            state.tracked[e, clause, side] = (
                matching(state, layout, e, code >> shift & DESCRIPTION_MASK)
                if asked
                else np.uint64(0)
            )
    state.progress[e] = 0
    remember_cells(state, e)


@device_function
def remember_cells(state: State, e: int) -> None:
    """Let "go to" and "next to" see where every object is now."""
    for thing in range(state.object_count[e]):
        state.known_cell[e, thing] = state.object_cell[e, thing]


@device_function
def front_cell(state: State, layout: Layout, e: int) -> int:
    """The index of the cell that the agent faces."""
    direction = state.agent_direction[e]
    return state.agent_cell[e] + _DX[direction] + _DY[direction] * layout.stride


@device_function
def object_at(state: State, e: int, cell: int) -> int:
    """The object that stands in a cell, or NOTHING."""
    for thing in range(state.object_count[e]):
        if state.object_cell[e, thing] == cell:
            return thing
    return NOTHING


@device_function
def beside(a: int, b: int, stride: int) -> bool:
    """Whether two cells share an edge."""
    distance = abs(a - b)
    return distance == 1 or distance == stride


@device_function
def next_to_any(state: State, layout: Layout, e: int, cell: int, others: np.uint64) -> bool:
    """Whether a cell shares an edge with where any of ``others`` was last known to be."""
    for thing in range(state.object_count[e]):
        if holds(others, thing):
            where = state.known_cell[e, thing]
            if where != NOWHERE and beside(cell, where, layout.stride):
                return True
    return False


@device_function
def _verify_clause(state: State, layout: Layout, e: int, clause: int, action: int) -> int:
    code = state.instruction[e, 1 + clause]
    verb = code & 15
    targets = state.tracked[e, clause, 0]

    if verb == GO_TO:
        front = front_cell(state, layout, e)
        there = np.uint64(0)
        for thing in range(state.object_count[e]):
            there |= np.uint64(state.known_cell[e, thing] == front) << np.uint64(thing)
        return SUCCESS if there & targets != 0 else CONTINUE

    if verb == OPEN:
        if action != TOGGLE:
            return CONTINUE
        front = front_cell(state, layout, e)
        kind = state.grid[e, front] & KIND_MASK
        if kind == DOOR_OPEN:
            for thing in range(state.object_count[e]):
                if state.object_cell[e, thing] == front and holds(targets, thing):
                    return SUCCESS
        if code & STRICT and DOORS >> kind & 1:
            return FAILURE
        return CONTINUE

    before = state.held_before[e, clause]
    carried = state.carried[e]
    state.held_before[e, clause] = carried
    if verb == PICK_UP:
        if action != PICKUP or carried == NOTHING:
            return CONTINUE
        if before == NOTHING and holds(targets, carried):
            return SUCCESS
        return FAILURE if code & STRICT else CONTINUE

    # PUT_NEXT
    if code & STRICT and action == PICKUP and carried != NOTHING:
        return FAILURE
    if action != DROP or before == NOTHING or not holds(targets, before):
        return CONTINUE
    where = state.object_cell[e, before]
    if where != NOWHERE and next_to_any(state, layout, e, where, state.tracked[e, clause, 1]):
        return SUCCESS
    return CONTINUE


@device_function
def _verify_half(state: State, layout: Layout, e: int, first: int, action: int) -> int:
    """One clause, or two joined by "and", which may be done in any order."""
    joined = state.instruction[e, 2 + first] != 0
    complete = True
    for clause in range(first, first + 2 if joined else first + 1):
        if state.progress[e] >> clause & 1:
            continue
        outcome = _verify_clause(state, layout, e, clause, action)
        if outcome == SUCCESS:
            state.progress[e] |= 1 << clause
        elif joined:
            complete = False
        else:
            return outcome
    return SUCCESS if complete else CONTINUE


@device_function
def verify(state: State, layout: Layout, e: int, action: int) -> int:
    """The outcome of ``action``, just taken in environment ``e``: CONTINUE, SUCCESS or FAILURE."""
    order = state.instruction[e, 0]
    earlier = 2 if order == AFTER else 0
    while True:
        is_last = order == SINGLE or state.progress[e] & FIRST_HALF_DONE != 0
        half = 2 - earlier if is_last and order != SINGLE else earlier
        outcome = _verify_half(state, layout, e, half, action)
        if is_last or outcome != SUCCESS:
            return outcome
        state.progress[e] |= FIRST_HALF_DONE
