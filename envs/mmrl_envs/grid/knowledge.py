"""What an agent has seen since its episode began: the map that a planner without x-ray eyes has.

Nothing in a grid moves but by the agent's own hands, and those reach only a cell that it faces
and sees. So what was seen is still true, and one bit a cell is all the memory there is.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.cells import DX, DY, KIND_MASK, TRANSPARENT
from mmrl_envs.grid.compiler import kernel, part
from mmrl_envs.grid.state import Layout, State
from mmrl_envs.grid.vision import VIEW, spread

_MIDDLE: Final = VIEW // 2
_DX = np.array(DX)
_DY = np.array(DY)


@part
def look(state: State, layout: Layout, e: int) -> None:
    """Add what the agent of environment ``e`` sees now to what it has seen."""
    direction = state.agent_direction[e]
    ahead = _DX[direction] + _DY[direction] * layout.stride
    right = -_DY[direction] + _DX[direction] * layout.stride
    start = state.agent_cell[e] - _MIDDLE * right
    visible = 1 << _MIDDLE
    for _ in range(VIEW):
        clear = 0
        for column in range(VIEW):
            kind = state.grid[e, start + column * right] & KIND_MASK
            clear |= (TRANSPARENT >> kind & 1) << column
        visible, visible_ahead = spread(visible, clear)
        for column in range(VIEW):
            if visible >> column & 1:
                state.seen[e, start + column * right] = True
        visible = visible_ahead
        start += ahead


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
