"""What an action does, and one step of the whole batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.cells import (
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
from mmrl_envs.grid.compiler import kernel, part
from mmrl_envs.grid.generation import begin
from mmrl_envs.grid.state import NOTHING, NOWHERE, Layout, Scratch, State
from mmrl_envs.grid.verification import (
    CONTINUE,
    SUCCESS,
    front_cell,
    object_at,
    remember_cells,
    verify,
)


@part
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


@part
def act(state: State, layout: Layout, e: int, action: int) -> None:
    """Carry out one action in environment ``e``."""
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


@part
def _judge(state: State, layout: Layout, e: int, action: int) -> tuple[int, bool, float]:
    """What came of an action: the verifier's outcome, whether time is up, the reward."""
    outcome = verify(state, layout, e, action)
    is_late = state.step_count[e] >= state.max_steps[e]
    reward = 1 - 0.9 * (state.step_count[e] / state.max_steps[e]) if outcome == SUCCESS else 0.0
    return outcome, is_late, reward


@kernel
def step_envs(
    state: State,
    layout: Layout,
    recipe: NDArray[np.int32],
    scratch: Scratch,
    fixed_max_steps: int,
    start: int,
    stop: int,
    actions: NDArray[np.int64],
    paused: NDArray[np.bool_],
    restart: NDArray[np.bool_],
    rewards: NDArray[np.float64],
    terminated: NDArray[np.bool_],
    truncated: NDArray[np.bool_],
    success: NDArray[np.bool_],
) -> int:
    """One step of environments ``start`` to ``stop - 1``, or a new episode where ``restart``, or
    nothing where ``paused``.

    Reward 1 - 0.9 · steps / max_steps on success, else 0.

    Args:
        recipe: how episodes begin, int32 [steps, 8]; see :mod:`mmrl_envs.grid.generation`.
        fixed_max_steps: the limit of steps of new episodes; 0 for BabyAI's own.
        actions: int64 [N].
        paused: bool [N]; such an environment keeps its state.
        restart: bool [N].
        rewards, terminated, truncated, success: [N], written; 0 and False where no step is made.

    Returns:
        How many episodes ended; or -1 - e if environment e could not be given a level.
    """
    ended = 0
    for e in range(start, stop):
        rewards[e] = 0.0
        terminated[e] = truncated[e] = success[e] = False
        if paused[e]:
            continue
        if restart[e]:
            if not begin(state, layout, e, recipe, scratch, fixed_max_steps):
                return -1 - e
        else:
            state.step_count[e] += 1
            act(state, layout, e, actions[e])
            outcome, truncated[e], rewards[e] = _judge(state, layout, e, actions[e])
            terminated[e] = outcome != CONTINUE
            success[e] = outcome == SUCCESS
            ended += terminated[e] or truncated[e]
    return ended
