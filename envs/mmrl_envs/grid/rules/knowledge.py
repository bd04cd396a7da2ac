"""The explored map: the cells that an agent has seen since its episode began.

Objects move only when the agent moves them, and it reaches only a cell that it faces and sees. So
what was seen is still true, and one bit a cell is enough for a planner under partial observability.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.jit import device_function, kernel
from mmrl_envs.grid.core.state import Layout, State
from mmrl_envs.grid.core.visibility import (
    MIDDLE,
    VIEW,
    propagate_visibility,
    transparent_bits,
    view_origin,
)


@device_function
def mark_seen(state: State, layout: Layout, e: int) -> None:
    """Add what the agent of environment ``e`` sees now to what it has seen."""
    cell, ahead, right = view_origin(state, layout, e)
    visible = 1 << MIDDLE
    for _ in range(VIEW):
        visible, visible_ahead = propagate_visibility(
            visible, transparent_bits(state, e, cell, right)
        )
        for column in range(VIEW):
            if visible >> column & 1:
                state.seen[e, cell + column * right] = True
        visible = visible_ahead
        cell += ahead


@kernel
def update_seen(
    state: State, layout: Layout, start: int, stop: int, forget: NDArray[np.bool_]
) -> None:
    """Add the present views of environments ``start`` to ``stop - 1`` to their explored maps, which
    are cleared first where ``forget``, bool [N], since an episode has just begun.
    """
    for e in range(start, stop):
        if forget[e]:
            for cell in range(state.seen.shape[1]):
                state.seen[e, cell] = False
        mark_seen(state, layout, e)
