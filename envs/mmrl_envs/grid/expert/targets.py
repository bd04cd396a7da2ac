"""Targets: which cells a task has to face, given what is known. Kernels for the expert.

``chart`` is the known map (:mod:`.pathfinding`); an object's place is known where the map and the
grid agree. Cells to face are marked on it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mmrl_envs.grid.core.cells import (
    BOX,
    COLOR_SHIFT,
    DOOR_LOCKED,
    DOOR_OPEN,
    DX,
    DY,
    KEY,
    KIND_MASK,
)
from mmrl_envs.grid.core.jit import device_function, signed
from mmrl_envs.grid.core.state import CLAUSES, NOTHING, NOWHERE, Layout, State
from mmrl_envs.grid.expert.pathfinding import GOAL, Chart, kind_at
from mmrl_envs.grid.language.instructions import (
    AFTER,
    BY_ACT,
    GO_TO,
    OPEN,
    ORDER_MASK,
    PICK_UP,
    PUT_NEXT,
    SINGLE,
    STRICT,
    STRICT_RULES,
)
from mmrl_envs.grid.rules.verification import holds

_DX = np.array(DX)
_DY = np.array(DY)


class Means(NamedTuple):
    """What an agent can make use of."""

    keys: int  # colours of the keys that could be fetched, a bit each
    key_color: int  # that of the key in the hands, or NOTHING
    may_carry: int  # things may be picked up that the instruction does not speak of
    may_open: int  # doors likewise
    is_laden: int  # what is in the hands is needed


@device_function
def is_known(state: State, e: int, chart: Chart, cell: int) -> bool:
    """Whether the agent knows of what stands in a cell."""
    return cell != NOWHERE and chart.code[cell] == state.grid[e, cell]


@device_function
def place_of(state: State, e: int, chart: Chart, knows_all: bool, thing: int) -> int:
    """Where an object is known to be, or the box that it is known to be in; or NOWHERE."""
    cell = state.object_cell[e, thing]
    if cell == NOWHERE and knows_all:
        for box in range(state.object_count[e]):
            if state.content[e, box] == thing:
                cell = state.object_cell[e, box]
    return cell if is_known(state, e, chart, cell) else NOWHERE


@device_function
def is_key(state: State, e: int, thing: int) -> bool:
    """Whether an object is a key."""
    return state.object_code[e, thing] & KIND_MASK == KEY


@device_function
def color_of(state: State, e: int, thing: int) -> int:
    """The number of an object's colour."""
    return signed(state.object_code[e, thing]) >> COLOR_SHIFT


@device_function
def keys_of(state: State, e: int, color: int) -> np.uint64:
    """The keys of a colour, a bit each."""
    keys = np.uint64(0)
    for thing in range(state.object_count[e]):
        if is_key(state, e, thing) and color_of(state, e, thing) == color:
            keys |= np.uint64(1) << np.uint64(thing)
    return keys


@device_function
def is_strict(state: State, e: int, clause: int) -> bool:
    """Whether doing to a wrong object what a clause asks for ends the episode in failure."""
    rules = state.instruction[e, 0]
    return rules & BY_ACT != 0 or state.instruction[e, 1 + clause] & STRICT != 0


@device_function
def find_means(
    state: State, e: int, chart: Chart, knows_all: bool, clause: int, banned: int
) -> Means:
    """What the agent can make use of for a clause; locked doors of ``banned`` colours, a bit each,
    count as walls.
    """
    keys = 0
    for thing in range(state.object_count[e]):
        if is_key(state, e, thing) and place_of(state, e, chart, knows_all, thing) != NOWHERE:
            keys |= 1 << color_of(state, e, thing)
    held = state.carried[e]
    key_color = NOTHING
    is_laden = 0
    if held != NOTHING and is_key(state, e, held):
        key_color = color_of(state, e, held)
        keys |= 1 << key_color
        is_laden = 1
    verb = state.instruction[e, 1 + clause] & 15
    strict = is_strict(state, e, clause)
    may_carry = 0 if strict and verb in (PICK_UP, PUT_NEXT) else 1
    may_open = 0 if strict and verb == OPEN else 1
    if may_carry == 0 or may_open == 0:
        keys = 0
    if verb == PUT_NEXT and held != NOTHING and holds(state.tracked[e, clause, 0], held):
        is_laden = 1
    return Means(keys & ~banned, key_color, may_carry, may_open, is_laden)


@device_function
def where_to_look(state: State, e: int, thing: int, verb: int) -> int:
    """The cell of an object as the verifier sees it: for BabyAI's "go to", where it was at the last
    drop.
    """
    is_babyai = state.instruction[e, 0] & STRICT_RULES == 0
    if verb == GO_TO and is_babyai:
        return signed(state.known_cell[e, thing])
    return signed(state.object_cell[e, thing])


@device_function
def any_known(state: State, e: int, chart: Chart, clause: int, side: int) -> bool:
    """Whether it is known where to find one of the objects that a clause means."""
    verb = state.instruction[e, 1 + clause] & 15
    for thing in range(state.object_count[e]):
        if holds(state.tracked[e, clause, side], thing):
            cell = where_to_look(state, e, thing, verb)
            if (side == 0 and state.carried[e] == thing) or is_known(state, e, chart, cell):
                return True
    return False


@device_function
def is_ready(state: State, e: int, chart: Chart, clause: int) -> bool:
    """Whether it is known where to find all that a clause needs."""
    verb = state.instruction[e, 1 + clause] & 15
    return any_known(state, e, chart, clause, 0) and (
        verb != PUT_NEXT or any_known(state, e, chart, clause, 1)
    )


@device_function
def clause_to_do(state: State, e: int, chart: Chart) -> int:
    """Of the half that is due, the first clause that is not done and whose objects are known; else
    the first that is not done; NOTHING if there is none.
    """
    order = state.instruction[e, 0] & ORDER_MASK
    second_is_due = state.progress[e] >> CLAUSES & 1 != 0
    half = 2 if order != SINGLE and second_is_due == (order != AFTER) else 0
    first = NOTHING
    for clause in range(half, half + 2):
        if state.instruction[e, 1 + clause] == 0 or state.progress[e] >> clause & 1:
            continue
        if is_ready(state, e, chart, clause):
            return clause
        if first == NOTHING:
            first = clause
    return first


@device_function
def mark_objects(state: State, e: int, chart: Chart, things: np.uint64, verb: int) -> None:
    """Mark where objects are; see :func:`where_to_look`."""
    for thing in range(state.object_count[e]):
        cell = where_to_look(state, e, thing, verb)
        if holds(things, thing) and is_known(state, e, chart, cell):
            chart.mark[cell] |= GOAL


@device_function
def mark_beside(
    state: State, layout: Layout, e: int, chart: Chart, things: np.uint64, kinds: int, mark: int
) -> int:
    """Mark the cells next to objects that hold one of some kinds, a bit each; how many."""
    count = 0
    for thing in range(state.object_count[e]):
        cell = state.object_cell[e, thing]
        if holds(things, thing) and is_known(state, e, chart, cell):
            for direction in range(4):
                near = cell + _DX[direction] + _DY[direction] * layout.stride
                if kinds >> kind_at(chart, near) & 1:
                    chart.mark[near] |= mark
                    count += 1
    return count


@device_function
def mark_doors(state: State, e: int, chart: Chart, means: Means, clause: int, locked: bool) -> int:
    """Mark the doors that a clause is about: those that can be opened as things are, or else those
    whose key has to be fetched; how many.
    """
    strict = is_strict(state, e, clause)
    count = 0
    for thing in range(state.object_count[e]):
        cell = state.object_cell[e, thing]
        if not holds(state.tracked[e, clause, 0], thing) or not is_known(state, e, chart, cell):
            continue
        kind = kind_at(chart, cell)
        color = color_of(state, e, thing)
        needs_key = kind == DOOR_LOCKED and color != means.key_color
        if locked:
            fits = needs_key and means.keys >> color & 1 != 0
        else:  # an open one is closed first, which fails a strict clause
            fits = not needs_key and not (strict and kind == DOOR_OPEN)
        if fits:
            chart.mark[cell] |= GOAL
            count += 1
    return count


@device_function
def mark_boxes(state: State, e: int, chart: Chart) -> None:
    """Mark the boxes that may be opened to look inside: those that are not mentioned."""
    asked = np.uint64(0)
    for clause in range(CLAUSES):
        if not state.progress[e] >> clause & 1:
            asked |= state.tracked[e, clause, 0] | state.tracked[e, clause, 1]
    for thing in range(state.object_count[e]):
        cell = state.object_cell[e, thing]
        is_box = state.object_code[e, thing] & KIND_MASK == BOX
        if is_box and not holds(asked, thing) and is_known(state, e, chart, cell):
            chart.mark[cell] |= GOAL
