"""Strict verification: a wrong act, or a wrong "done", ends the episode in failure.

BabyAI's verifier ends an episode on success alone, so that whoever tries everything succeeds. Here
an episode is decided by the first act that could be the one that is asked for:

- by acts, where nothing else is ever needed: to pick up or open a wrong object, or to put something
  next to a wrong one, fails; "go to" is decided by the action "done", facing the object or not.
- by "done", in levels where other things have to be moved, opened or unlocked on the way: each
  clause has to hold when the agent says so. It faces the object, carries it, faces the open door,
  or faces the object that lies next to the other one.

Of two clauses joined by "and" each decision has to be right for one of them. In a sequence the
first half has to be done before a decision can be right for the second.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from mmrl_envs.grid.core.cells import DONE, DOOR_OPEN, DROP, KIND_MASK, PICKUP, TOGGLE
from mmrl_envs.grid.core.jit import device_function
from mmrl_envs.grid.core.state import CLAUSES, NOTHING, NOWHERE, Layout, State
from mmrl_envs.grid.language.instructions import (
    AFTER,
    BY_DONE,
    GO_TO,
    OPEN,
    ORDER_MASK,
    PICK_UP,
    SINGLE,
)
from mmrl_envs.grid.rules.verification import (
    CONTINUE,
    FAILURE,
    FIRST_HALF_DONE,
    SUCCESS,
    beside,
    front_cell,
    holds,
    object_at,
)

_EVERYTHING: Final = ~np.uint64(0)


@device_function
def _is_beside(state: State, layout: Layout, e: int, cell: int, others: np.uint64) -> bool:
    """Whether a cell shares an edge with one of ``others``."""
    for thing in range(state.object_count[e]):
        where = state.object_cell[e, thing]
        if holds(others, thing) and where != NOWHERE and beside(cell, where, layout.stride):
            return True
    return False


@device_function
def holds_now(state: State, layout: Layout, e: int, clause: int) -> bool:
    """Whether a clause is fulfilled as things are, in front of the agent or in its hands."""
    verb = state.instruction[e, 1 + clause] & 15
    targets = state.tracked[e, clause, 0]
    if verb == PICK_UP:
        carried = state.carried[e]
        return carried != NOTHING and holds(targets, carried)
    front = front_cell(state, layout, e)
    thing = object_at(state, e, front)
    if thing == NOTHING or not holds(targets, thing):
        return False
    if verb == GO_TO:
        return True
    if verb == OPEN:
        return state.grid[e, front] & KIND_MASK == DOOR_OPEN
    return _is_beside(state, layout, e, front, state.tracked[e, clause, 1])


@device_function
def _decide_by_act(state: State, layout: Layout, e: int, clause: int, action: int) -> int:
    """Whether an action, just taken, was what a clause asks for (SUCCESS), the same done to a wrong
    object (FAILURE), or something else (CONTINUE).
    """
    verb = state.instruction[e, 1 + clause] & 15
    targets = state.tracked[e, clause, 0]
    before, carried = state.held_before[e, clause], state.carried[e]
    if verb == GO_TO:
        if action != DONE:
            return CONTINUE
        return SUCCESS if holds_now(state, layout, e, clause) else FAILURE
    if verb == PICK_UP:
        if action != PICKUP or before != NOTHING or carried == NOTHING:
            return CONTINUE
        return SUCCESS if holds(targets, carried) else FAILURE
    if verb == OPEN:
        front = front_cell(state, layout, e)
        if action != TOGGLE or state.grid[e, front] & KIND_MASK != DOOR_OPEN:
            return CONTINUE
        return SUCCESS if holds_now(state, layout, e, clause) else FAILURE
    if action != DROP or before == NOTHING or carried != NOTHING:
        return CONTINUE
    where = state.object_cell[e, before]
    others = state.tracked[e, clause, 1]
    if holds(targets, before) and _is_beside(state, layout, e, where, others):
        return SUCCESS
    return FAILURE if _is_beside(state, layout, e, where, _EVERYTHING) else CONTINUE


@device_function
def _decide_half(state: State, layout: Layout, e: int, first: int, action: int) -> int:
    """The outcome of one clause, or of two joined by "and"."""
    by_done = state.instruction[e, 0] & BY_DONE != 0
    if by_done and action != DONE:
        return CONTINUE
    complete = True
    right = wrong = False
    for clause in range(first, first + 2):
        if state.instruction[e, 1 + clause] == 0 or state.progress[e] >> clause & 1:
            continue
        if by_done:
            outcome = SUCCESS if holds_now(state, layout, e, clause) else FAILURE
        else:
            outcome = _decide_by_act(state, layout, e, clause, action)
        if outcome == SUCCESS:
            state.progress[e] |= 1 << clause
            right = True
        else:
            complete = False
            wrong = wrong or outcome == FAILURE
    if wrong and not right:
        return FAILURE
    return SUCCESS if complete else CONTINUE


@device_function
def verify_strictly(state: State, layout: Layout, e: int, action: int) -> int:
    """The outcome of ``action``, just taken in the strict environment ``e``: CONTINUE, SUCCESS or
    FAILURE.
    """
    order = state.instruction[e, 0] & ORDER_MASK
    earlier = 2 if order == AFTER else 0
    is_last = order == SINGLE or state.progress[e] & FIRST_HALF_DONE != 0
    half = 2 - earlier if is_last and order != SINGLE else earlier
    outcome = _decide_half(state, layout, e, half, action)
    for clause in range(CLAUSES):
        state.held_before[e, clause] = state.carried[e]
    if outcome == SUCCESS and not is_last:
        state.progress[e] |= FIRST_HALF_DONE
        return CONTINUE
    return outcome
