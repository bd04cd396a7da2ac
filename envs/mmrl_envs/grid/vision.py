"""What an agent sees: 7 × 7 cells ahead of it, walls and closed doors hide what is behind."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.cells import (
    CODES,
    DX,
    DY,
    EMPTY_CELL,
    KIND_MASK,
    TRANSPARENT,
)
from mmrl_envs.grid.compiler import kernel
from mmrl_envs.grid.state import NOTHING, Layout, State

VIEW: Final = 7
TILE: Final = 8
SIDE: Final = VIEW * TILE
FRAME_SHAPE: Final = (SIDE, SIDE, 3)
FRAME_WORDS: Final = SIDE * SIDE * 3 // 8

_MIDDLE: Final = VIEW // 2
_ROW: Final = (1 << VIEW) - 1
_WORDS: Final = TILE * 3 // 8  # 64-bit words in one pixel row of a tile
_FRAME_ROW: Final = VIEW * _WORDS
_DX = np.array(DX)
_DY = np.array(DY)


@kernel
def spread(seen: int, clear: int) -> tuple[int, int]:
    """Let sight spread along one row of the view, and on to the row ahead.

    Minigrid's rule: sight passes from a seen, transparent cell to its neighbour, first from left
    to right, then from right to left, and each such cell also shows the cell ahead of it and the
    one diagonally ahead, in the direction of the pass. Here a row is seven bits.

    Args:
        seen: the cells of this row that are seen already.
        clear: the cells of this row that are transparent.

    Returns:
        The cells seen in this row, and those seen in the row ahead.
    """
    for _ in range(VIEW - 1):
        seen |= (seen & clear) << 1 & _ROW
    rightward = seen & clear & (_ROW >> 1)
    for _ in range(VIEW - 1):
        seen |= (seen & clear) >> 1
    leftward = seen & clear & (_ROW - 1)
    return seen, (rightward | rightward << 1 | leftward | leftward >> 1) & _ROW


@kernel
def _copy_tiles(
    atlas: NDArray[np.uint64], tiles: np.uint64, frame: NDArray[np.uint64], at: np.uint64
) -> None:
    """Write one row of tiles, pixel line by pixel line, from word ``at`` on.

    ``tiles`` holds their seven numbers, a byte each. Indices are unsigned, since numba would ask
    of a signed one whether it counts from the end.
    """
    for line in range(TILE):
        for column in range(VIEW):
            tile = tiles >> np.uint64(8 * column) & np.uint64(255)
            word = tile * np.uint64(TILE * _WORDS) + np.uint64(line * _WORDS)
            for part in range(_WORDS):
                frame[at] = atlas[word + np.uint64(part)]
                at += np.uint64(1)


@kernel
def paint_view(
    state: State, layout: Layout, e: int, atlas: NDArray[np.uint64], frame: NDArray[np.uint64]
) -> None:
    """Paint what the agent of environment ``e`` sees.

    Row by row from the agent's own: read the cells, find which are seen, copy their tiles. There
    is no branch on what a cell holds, since no processor could predict it.

    Args:
        atlas: :func:`mmrl_envs.grid.sprites.view_atlas`, uint64 [256 · 24].
        frame: uint64 [56 · 21], a uint8 [56, 56, 3] picture as words; written whole.
    """
    direction = state.agent_direction[e]
    ahead = _DX[direction] + _DY[direction] * layout.stride
    right = -_DY[direction] + _DX[direction] * layout.stride
    grid = state.grid[e]
    carried = state.carried[e]
    own = EMPTY_CELL if carried == NOTHING else np.int64(state.object_code[e, carried])
    start = state.agent_cell[e] - _MIDDLE * right
    seen = 1 << _MIDDLE
    for row in range(VIEW):
        clear = 0
        for column in range(VIEW):
            kind = grid[np.uint64(start + column * right)] & KIND_MASK
            clear |= (TRANSPARENT >> kind & 1) << column
        seen, seen_ahead = spread(seen, clear)
        tiles = np.uint64(0)
        for column in range(VIEW):
            # times 0 where the cell is not seen: UNSEEN
            tile = np.int64(grid[np.uint64(start + column * right)]) * (seen >> column & 1)
            tiles |= np.uint64(tile) << np.uint64(8 * column)
        if row == 0:
            tiles &= ~(np.uint64(255) << np.uint64(8 * _MIDDLE))
            tiles |= np.uint64(CODES + own) << np.uint64(8 * _MIDDLE)
        _copy_tiles(atlas, tiles, frame, np.uint64((VIEW - 1 - row) * TILE * _FRAME_ROW))
        seen = seen_ahead
        start += ahead


@kernel
def paint_views(
    state: State,
    layout: Layout,
    rows: NDArray[np.int64],
    atlas: NDArray[np.uint64],
    frames: NDArray[np.uint64],
    compact: bool,
) -> None:
    """Paint the views of environments ``rows`` into ``frames``: at their own places, or
    one after the other where ``compact``.
    """
    for k in range(len(rows)):
        e = rows[k]
        paint_view(state, layout, e, atlas, frames[k if compact else e])


@kernel
def seen_cells(state: State, layout: Layout, e: int, mask: NDArray[np.bool_]) -> None:
    """Mark in ``mask``, bool [cells], the cells that the agent of environment ``e`` sees."""
    direction = state.agent_direction[e]
    ahead = _DX[direction] + _DY[direction] * layout.stride
    right = -_DY[direction] + _DX[direction] * layout.stride
    start = state.agent_cell[e] - _MIDDLE * right
    seen = 1 << _MIDDLE
    mask[:] = False
    for _ in range(VIEW):
        clear = 0
        for column in range(VIEW):
            kind = state.grid[e, start + column * right] & KIND_MASK
            clear |= (TRANSPARENT >> kind & 1) << column
        seen, seen_ahead = spread(seen, clear)
        for column in range(VIEW):
            mask[start + column * right] = seen >> column & 1
        seen = seen_ahead
        start += ahead
