"""What an agent has seen since its episode began: the map that a planner without x-ray eyes has.

Nothing in a grid moves but by the agent's own hands, and those reach only a cell that it faces
and sees. So what was seen is still true, and one bit a cell is all the memory there is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.jit import kernel, part
from mmrl_envs.grid.core.state import Layout, State
from mmrl_envs.grid.core.visibility import MIDDLE, VIEW, sight, spread, transparent_bits


@part
def look(state: State, layout: Layout, e: int) -> None:
    """Add what the agent of environment ``e`` sees now to what it has seen."""
    cell, ahead, right = sight(state, layout, e)
    visible = 1 << MIDDLE
    for _ in range(VIEW):
        visible, visible_ahead = spread(visible, transparent_bits(state, e, cell, right))
        for column in range(VIEW):
            if visible >> column & 1:
                state.seen[e, cell + column * right] = True
        visible = visible_ahead
        cell += ahead


@kernel
def look_around(
    state: State, layout: Layout, start: int, stop: int, forget: NDArray[np.bool_]
) -> None:
    """Let the agents of environments ``start`` to ``stop - 1`` look; where ``forget``, bool [N],
    an episode has just begun, and what was seen before is forgotten.
    """
    for e in range(start, stop):
        if forget[e]:
            for cell in range(state.seen.shape[1]):
                state.seen[e, cell] = False
        look(state, layout, e)
