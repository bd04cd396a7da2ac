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
from mmrl_envs.grid.compiler import kernel, part
from mmrl_envs.grid.state import NOTHING, Layout, State

VIEW: Final = 7
TILE: Final = 8
SIDE: Final = VIEW * TILE
FRAME_SHAPE: Final = (SIDE, SIDE, 3)
FRAME_WORDS: Final = SIDE * SIDE * 3 // 8

_MIDDLE: Final = VIEW // 2
_ROW: Final = (1 << VIEW) - 1
_WORDS: Final = TILE * 3 // 8  # 64-bit words in one pixel row of a tile
_ATLAS_LINE: Final = _WORDS + 1  # padded: see sprites.view_atlas
_FRAME_LINE: Final = VIEW * _WORDS
_COPIES = np.uint64(sum(1 << 7 * k for k in range(VIEW)))
_FEET = np.uint64(sum(1 << 8 * k for k in range(VIEW)))
_OWN_PLACE = np.uint64(255 << 8 * _MIDDLE)
_DX = np.array(DX)
_DY = np.array(DY)


@part
def spread(seen: int, clear: int) -> tuple[int, int]:
    """Let sight spread along one row of the view, and on to the row ahead.

    Minigrid's rule: sight passes from a seen, transparent cell to its neighbour, first from left
    to right, then from right to left, and each such cell also shows the cell ahead of it and the
    one diagonally ahead, in the direction of the pass. Here a row is seven bits, the leftmost
    the lowest.

    To the right a sum does it: its carry runs through the transparent cells, from each that is
    seen to the first that is not transparent. No carry runs to the left, where sight goes one
    cell, then two, then four.

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


@part
def _row_cells(grid: NDArray[np.uint8], e: np.uint64, start: int, right: int) -> np.uint64:
    """Seven cells from ``start`` on in steps of ``right``, a byte each, the first one lowest."""
    cells = np.uint64(0)
    for column in range(VIEW):
        cells |= np.uint64(grid[e, np.uint64(start + column * right)]) << np.uint64(8 * column)
    return cells


@part
def _clear_bits(cells: np.uint64) -> int:
    """Which of seven cells are transparent, a bit each."""
    clear = 0
    for column in range(VIEW):
        kind = int(cells >> np.uint64(8 * column) & np.uint64(KIND_MASK))
        clear |= (TRANSPARENT >> kind & 1) << column
    return clear


@part
def _byte_mask(bits: int) -> np.uint64:
    """Seven bits, each as a byte of ones or zeros.

    The product holds the bits seven times over, seven places apart, so that bit k of copy k
    stands at the foot of byte k.
    """
    return (np.uint64(bits) * _COPIES & _FEET) * np.uint64(255)


@part
def _line_of_tile(tiles: np.uint64, column: int, line: int) -> np.uint64:
    """Where in the atlas a line of a tile begins; ``tiles`` holds seven numbers, a byte each."""
    tile = tiles >> np.uint64(8 * column) & np.uint64(255)
    return tile * np.uint64(TILE * _ATLAS_LINE) + np.uint64(line * _ATLAS_LINE)


@part
def _copy_three(
    atlas: NDArray[np.uint64], word: np.uint64, frames: NDArray[np.uint64], at: np.uint64
) -> None:
    first, second, third = atlas[word], atlas[word + np.uint64(1)], atlas[word + np.uint64(2)]
    frames[at] = first
    frames[at + np.uint64(1)] = second
    frames[at + np.uint64(2)] = third


@part
def _copy_four(
    atlas: NDArray[np.uint64], word: np.uint64, frames: NDArray[np.uint64], at: np.uint64
) -> None:
    """A processor moves four words at once, if all are read before any is written: else the
    compiler has to suppose that the writing changes what is yet to be read.
    """
    first, second = atlas[word], atlas[word + np.uint64(1)]
    third, fourth = atlas[word + np.uint64(2)], atlas[word + np.uint64(3)]
    frames[at] = first
    frames[at + np.uint64(1)] = second
    frames[at + np.uint64(2)] = third
    frames[at + np.uint64(3)] = fourth


@part
def _copy_tiles(
    atlas: NDArray[np.uint64], tiles: np.uint64, frames: NDArray[np.uint64], at: np.uint64
) -> None:
    """Write one row of tiles, pixel line by pixel line, from word ``at`` on.

    A line of a tile is three words, yet four are written where another tile follows, which
    overwrites the fourth: that is faster.
    """
    for line in range(TILE):
        for column in range(VIEW - 1):
            word = _line_of_tile(tiles, column, line)
            _copy_four(atlas, word, frames, at + np.uint64(column * _WORDS))
        word = _line_of_tile(tiles, VIEW - 1, line)
        _copy_three(atlas, word, frames, at + np.uint64((VIEW - 1) * _WORDS))
        at += np.uint64(_FRAME_LINE)


@part
def paint_view(
    state: State,
    layout: Layout,
    e: int,
    atlas: NDArray[np.uint64],
    frames: NDArray[np.uint64],
) -> None:
    """Paint what the agent of environment ``e`` sees into its frame, written whole.

    Row by row from the agent's own: read the cells, find which are seen, copy their tiles. There
    is no branch on what a cell holds, since no processor could predict it; and indices are
    unsigned, since of a signed one numba asks whether it counts from the end.

    Args:
        atlas: :func:`mmrl_envs.grid.sprites.view_atlas`, uint64 [256 · 32].
        frames: uint64 [N · 56 · 21], uint8 [N, 56, 56, 3] pictures as words.
    """
    direction = state.agent_direction[e]
    ahead = _DX[direction] + _DY[direction] * layout.stride
    right = -_DY[direction] + _DX[direction] * layout.stride
    start = state.agent_cell[e] - _MIDDLE * right
    carried = state.carried[e]
    own = EMPTY_CELL if carried == NOTHING else np.int64(state.object_code[e, carried])
    own_tile = np.uint64(CODES + own) << np.uint64(8 * _MIDDLE)
    at = np.uint64(e * FRAME_WORDS + (VIEW - 1) * TILE * _FRAME_LINE)
    seen = 1 << _MIDDLE
    for row in range(VIEW):
        cells = _row_cells(state.grid, np.uint64(e), start, right)
        seen, seen_ahead = spread(seen, _clear_bits(cells))
        tiles = cells & _byte_mask(seen)  # 0 where the cell is not seen: UNSEEN
        if row == 0:
            tiles = tiles & ~_OWN_PLACE | own_tile
        _copy_tiles(atlas, tiles, frames, at)
        at -= np.uint64(TILE * _FRAME_LINE)
        seen = seen_ahead
        start += ahead


@kernel
def paint_views(
    state: State,
    layout: Layout,
    rows: NDArray[np.int64],
    atlas: NDArray[np.uint64],
    frames: NDArray[np.uint64],
) -> None:
    """Paint the views of environments ``rows`` at their own places in ``frames``,
    uint64 [N · 56 · 21].
    """
    for e in rows:
        paint_view(state, layout, e, atlas, frames)


@kernel
def seen_cells(state: State, layout: Layout, e: int, mask: NDArray[np.bool_]) -> None:
    """Mark in ``mask``, bool [cells], the cells that the agent of environment ``e`` sees."""
    direction = state.agent_direction[e]
    ahead = _DX[direction] + _DY[direction] * layout.stride
    right = -_DY[direction] + _DX[direction] * layout.stride
    start = state.agent_cell[e] - _MIDDLE * right
    seen = 1 << _MIDDLE
    for index in range(len(mask)):
        mask[index] = False
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
