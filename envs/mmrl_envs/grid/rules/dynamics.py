"""Dynamics: the transition function and the reward."""

from __future__ import annotations

from mmrl_envs.grid.core.cells import (
    BOX,
    COLOR_SHIFT,
    DOOR_CLOSED,
    DOOR_LOCKED,
    DOOR_OPEN,
    DOORS,
    DROP,
    EMPTY_CELL,
    FORWARD,
    KEY,
    KIND_MASK,
    LEFT,
    PASSABLE,
    PICKUP,
    PORTABLE,
    RIGHT,
    TOGGLE,
)
from mmrl_envs.grid.core.jit import device_function
from mmrl_envs.grid.core.state import NOTHING, NOWHERE, Layout, State
from mmrl_envs.grid.language.instructions import STRICT_RULES
from mmrl_envs.grid.rules.strict import verify_strictly
from mmrl_envs.grid.rules.verification import (
    SUCCESS,
    front_cell,
    object_at,
    remember_cells,
    verify,
)


@device_function
def _toggle(state: State, e: int, front: int) -> None:
    """Open or close a door, unlock one whose key is in the hands; open a box, which is gone then
    and leaves what was in it.
    """
    code = state.grid[e, front]
    kind = code & KIND_MASK
    thing = object_at(state, e, front)
    if thing == NOTHING:
        return
    if kind == DOOR_OPEN:
        code += DOOR_CLOSED - DOOR_OPEN
    elif kind == DOOR_CLOSED:
        code -= DOOR_CLOSED - DOOR_OPEN
    elif kind == DOOR_LOCKED:
        carried = state.carried[e]
        key = KEY | (code >> COLOR_SHIFT) << COLOR_SHIFT
        if carried == NOTHING or state.object_code[e, carried] != key:
            return
        code -= DOOR_LOCKED - DOOR_OPEN
    else:
        content = state.content[e, thing]
        state.object_cell[e, thing] = NOWHERE
        state.grid[e, front] = EMPTY_CELL
        if content != NOTHING:
            state.object_cell[e, content] = front
            state.grid[e, front] = state.object_code[e, content]
        return
    state.grid[e, front] = code
    state.object_code[e, thing] = code


@device_function
def act(state: State, layout: Layout, e: int, action: int) -> None:
    """Apply one action in environment ``e``."""
    if action == LEFT:
        state.agent_direction[e] = (state.agent_direction[e] + 3) & 3
        return
    if action == RIGHT:
        state.agent_direction[e] = (state.agent_direction[e] + 1) & 3
        return
    front = front_cell(state, layout, e)
    kind = state.grid[e, front] & KIND_MASK
    if action == FORWARD:
        if PASSABLE >> kind & 1:
            state.agent_cell[e] = front
    elif action == PICKUP:
        if PORTABLE >> kind & 1 and state.carried[e] == NOTHING:
            thing = object_at(state, e, front)
            state.carried[e] = thing
            state.object_cell[e, thing] = NOWHERE
            state.grid[e, front] = EMPTY_CELL
    elif action == DROP:
        carried = state.carried[e]
        if state.grid[e, front] == EMPTY_CELL and carried != NOTHING:
            state.grid[e, front] = state.object_code[e, carried]
            state.object_cell[e, carried] = front
            state.carried[e] = NOTHING
        remember_cells(state, e)
    elif action == TOGGLE and (DOORS | 1 << BOX) >> kind & 1:
        _toggle(state, e, front)


@device_function
def outcome_of(state: State, layout: Layout, e: int, action: int) -> int:
    """The outcome of ``action``, just taken in environment ``e``, by the rules of its episode:
    CONTINUE, SUCCESS or FAILURE.
    """
    if state.instruction[e, 0] & STRICT_RULES:
        return verify_strictly(state, layout, e, action)
    return verify(state, layout, e, action)


@device_function
def evaluate(state: State, layout: Layout, e: int, action: int) -> tuple[int, bool, float]:
    """The outcome of an action: the verifier's result, whether time is up, and the reward."""
    outcome = outcome_of(state, layout, e, action)
    is_late = state.step_count[e] >= state.max_steps[e]
    reward = 1 - 0.9 * (state.step_count[e] / state.max_steps[e]) if outcome == SUCCESS else 0.0
    return outcome, is_late, reward
