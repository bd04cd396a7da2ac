"""Stepping: one step of the whole batch, with automatic resets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.jit import kernel
from mmrl_envs.grid.core.state import Layout, Scratch, State
from mmrl_envs.grid.generation.generator import begin
from mmrl_envs.grid.rules.dynamics import act, evaluate
from mmrl_envs.grid.rules.verification import CONTINUE, SUCCESS


@kernel
def step_envs(
    state: State,
    layout: Layout,
    program: NDArray[np.int32],
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
        program: the level program, int32 [ops, 8]; see
            :mod:`mmrl_envs.grid.generation.generator`.
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
            if not begin(state, layout, e, program, scratch, fixed_max_steps):
                return -1 - e
        else:
            state.step_count[e] += 1
            act(state, layout, e, actions[e])
            outcome, truncated[e], rewards[e] = evaluate(state, layout, e, actions[e])
            terminated[e] = outcome != CONTINUE
            success[e] = outcome == SUCCESS
            ended += terminated[e] or truncated[e]
    return ended
