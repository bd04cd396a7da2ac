"""Visibility: which of the 7 × 7 cells ahead an agent sees; walls and closed doors occlude."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import DX, DY, EMPTY_CELL, KIND_MASK, TRANSPARENT, UNSEEN
from mmrl_envs.grid.core.jit import device_function
from mmrl_envs.grid.core.state import NOTHING, Layout, State

VIEW: Final = 7
MIDDLE: Final = VIEW // 2

_ROW: Final = (1 << VIEW) - 1
_DX = np.array(DX)
_DY = np.array(DY)


@device_function
def propagate_visibility(seen: int, clear: int) -> tuple[int, int]:
    """Propagate visibility along one row of the view, and on to the row ahead.

    Minigrid's rule: visibility passes from a seen, transparent cell to its neighbour, first from
    left to right, then from right to left, and each such cell also shows the cell ahead of it and
    the one diagonally ahead, in the direction of the pass. Here a row is seven bits, the leftmost
    the lowest.

    To the right a sum does it: its carry runs through the transparent cells, from each that is
    seen to the first that is not transparent. No carry runs to the left, where visibility
    goes one cell, then two, then four.

    Args:
        seen: the cells of this row that are seen already.
        clear: the cells of this row that are transparent.

    Returns:
        The cells seen in this row, and those seen in the row ahead.
    """
    seen |= ((seen & clear) + clear ^ clear) & _ROW
    rightward = seen & clear & (_ROW >> 1)
    reach = seen & clear
    reach |= reach >> 1 & clear
    pairs = clear & clear >> 1
    reach |= reach >> 2 & pairs
    reach |= reach >> 4 & pairs & pairs >> 2
    seen |= reach | reach >> 1
    leftward = reach & (_ROW - 1)
    return seen, (rightward | rightward << 1 | leftward | leftward >> 1) & _ROW


@device_function
def view_origin(state: State, layout: Layout, e: int) -> tuple[int, int, int]:
    """The position and axes of the view of environment ``e`` in its grid.

    Returns:
        The leftmost cell of the agent's own row, the step to the next row ahead, and the step to
        the next cell on the right.
    """
    direction = state.agent_direction[e]
    ahead = _DX[direction] + _DY[direction] * layout.stride
    right = -_DY[direction] + _DX[direction] * layout.stride
    return state.agent_cell[e] - MIDDLE * right, ahead, right


@device_function
def transparent_bits(state: State, e: int, start: int, right: int) -> int:
    """Which of the seven cells of a row of the view are transparent, a bit each."""
    clear = 0
    for column in range(VIEW):
        kind = state.grid[e, start + column * right] & KIND_MASK
        clear |= (TRANSPARENT >> kind & 1) << column
    return clear


@device_function
def visible_cells(state: State, layout: Layout, e: int, codes: NDArray[np.uint8]) -> None:
    """Write the cells that the agent of environment ``e`` sees.

    Args:
        codes: uint8 [7, 7], written: rows from the agent's own on, columns from the left; UNSEEN
            where it does not see, and in its own cell what it carries.
    """
    cell, ahead, right = view_origin(state, layout, e)
    seen = 1 << MIDDLE
    for row in range(VIEW):
        seen, seen_ahead = propagate_visibility(seen, transparent_bits(state, e, cell, right))
        for column in range(VIEW):
            code = state.grid[e, cell + column * right]
            codes[row, column] = code if seen >> column & 1 else UNSEEN
        seen = seen_ahead
        cell += ahead
    carried = state.carried[e]
    codes[0, MIDDLE] = EMPTY_CELL if carried == NOTHING else state.object_code[e, carried]
