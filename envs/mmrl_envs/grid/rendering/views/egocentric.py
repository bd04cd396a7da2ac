"""The agent's own view in pixels, the agent at the bottom and looking up."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import CODES, EMPTY_CELL, KIND_MASK, TRANSPARENT, symbols
from mmrl_envs.grid.core.jit import device_function, kernel, signed
from mmrl_envs.grid.core.state import NOTHING, Layout, State
from mmrl_envs.grid.core.visibility import (
    MIDDLE,
    VIEW,
    propagate_visibility,
    view_origin,
    visible_cells,
)
from mmrl_envs.grid.rendering.themes import Theme
from mmrl_envs.grid.rendering.views.tiles import Units, as_units, copy_tile, stack_tiles

TILE: Final = 8
"""The tile size that has a kernel of its own."""
_FRAME_WORDS: Final = VIEW * TILE * VIEW * TILE * 3 // 8
_WORDS: Final = TILE * 3 // 8  # 64-bit words in one pixel row of a tile
_ATLAS_LINE: Final = _WORDS + 1  # padded, so that a processor can read a line as four words
_FRAME_LINE: Final = VIEW * _WORDS
_COPIES = np.uint64(sum(1 << 7 * k for k in range(VIEW)))
_FEET = np.uint64(sum(1 << 8 * k for k in range(VIEW)))
_OWN_PLACE = np.uint64(255 << 8 * MIDDLE)


def egocentric_atlas(theme: Theme, tile_size: int) -> NDArray[np.uint8]:
    """The tiles of an agent's own view, uint8 [256, tile_size, tile_size, 3].

    Tile ``code`` is a cell in view (tile 0: one that is not seen); tile ``128 + code`` is the
    agent's own cell, the agent pointing up, with what it carries drawn under it. Codes that no
    cell can have stay black.
    """
    tiles = np.zeros((2 * CODES, tile_size, tile_size, 3), np.uint8)
    for code in filter(theme.can_draw, range(CODES)):
        tiles[code] = theme.tile(code, tile_size, highlight=code != 0)
        tiles[CODES + code] = theme.tile(code, tile_size, highlight=True, agent_direction=3)
    return tiles


@device_function
def _row_cells(grid: NDArray[np.uint8], e: np.uint64, start: int, right: int) -> np.uint64:
    """Seven cells from ``start`` on in steps of ``right``, a byte each, the first one lowest."""
    cells = np.uint64(0)
    for column in range(VIEW):
        cells |= np.uint64(grid[e, np.uint64(start + column * right)]) << np.uint64(8 * column)
    return cells


@device_function
def _clear_bits(cells: np.uint64) -> int:
    """Which of seven cells are transparent, a bit each."""
    clear = 0
    for column in range(VIEW):
        kind = int(cells >> np.uint64(8 * column) & np.uint64(KIND_MASK))
        clear |= (TRANSPARENT >> kind & 1) << column
    return clear


@device_function
def _byte_mask(bits: int) -> np.uint64:
    """Seven bits, each as a byte of ones or zeros.

    The product holds the bits seven times over, seven places apart, so that bit k of copy k
    stands at the foot of byte k.
    """
    return (np.uint64(bits) * _COPIES & _FEET) * np.uint64(255)


@device_function
def _line_of_tile(tiles: np.uint64, column: int, line: int) -> np.uint64:
    """Where in the atlas a line of a tile begins; ``tiles`` holds seven numbers, a byte each."""
    tile = tiles >> np.uint64(8 * column) & np.uint64(255)
    return tile * np.uint64(TILE * _ATLAS_LINE) + np.uint64(line * _ATLAS_LINE)


@device_function
def _copy_three(
    atlas: NDArray[np.uint64], word: np.uint64, frames: NDArray[np.uint64], at: np.uint64
) -> None:
    first, second, third = atlas[word], atlas[word + np.uint64(1)], atlas[word + np.uint64(2)]
    frames[at] = first
    frames[at + np.uint64(1)] = second
    frames[at + np.uint64(2)] = third


@device_function
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


@device_function
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


@device_function
def _paint_view(
    state: State, layout: Layout, e: int, atlas: NDArray[np.uint64], frames: NDArray[np.uint64]
) -> None:
    """Paint what the agent of environment ``e`` sees into its frame, written whole.

    Row by row from the agent's own: read the cells, find which are seen, copy their tiles. There
    is no branch on what a cell holds, since no processor could predict it; and indices are
    unsigned, since of a signed one numba asks whether it counts from the end.

    Args:
        atlas: :func:`egocentric_atlas` as words, each line padded by one, uint64 [256 · 32].
        frames: uint64 [N · 56 · 21], uint8 [N, 56, 56, 3] images as words.
    """
    start, ahead, right = view_origin(state, layout, e)
    carried = state.carried[e]
    own = EMPTY_CELL if carried == NOTHING else signed(state.object_code[e, carried])
    own_tile = np.uint64(CODES + own) << np.uint64(8 * MIDDLE)
    at = np.uint64(e * _FRAME_WORDS + (VIEW - 1) * TILE * _FRAME_LINE)
    seen = 1 << MIDDLE
    for row in range(VIEW):
        cells = _row_cells(state.grid, np.uint64(e), start, right)
        seen, seen_ahead = propagate_visibility(seen, _clear_bits(cells))
        tiles = cells & _byte_mask(seen)  # 0 where the cell is not seen: UNSEEN
        if row == 0:
            tiles = tiles & ~_OWN_PLACE | own_tile
        _copy_tiles(atlas, tiles, frames, at)
        at -= np.uint64(TILE * _FRAME_LINE)
        seen = seen_ahead
        start += ahead


@kernel
def _paint_small(
    state: State,
    layout: Layout,
    start: int,
    stop: int,
    skip: NDArray[np.bool_],
    atlas: NDArray[np.uint64],
    frames: NDArray[np.uint64],
) -> None:
    """Tiles of 8 pixels; ``frames`` uint64 [N · 56 · 21]."""
    for e in range(start, stop):
        if not skip[e]:
            _paint_view(state, layout, e, atlas, frames)


@kernel
def _paint_any(
    state: State,
    layout: Layout,
    start: int,
    stop: int,
    skip: NDArray[np.bool_],
    tile_size: int,
    codes: NDArray[np.uint8],
    atlas: Units,
    frames: Units,
) -> None:
    """Tiles of any size; ``codes`` uint8 [7, 7] to work in, ``frames`` [N · 7 · tile_size · 7 ·
    units of a line of a tile].
    """
    width = len(atlas) // (2 * CODES * tile_size)  # of a line of a tile
    line = VIEW * width
    for e in range(start, stop):
        if skip[e]:
            continue
        visible_cells(state, layout, e, codes)
        for row in range(VIEW):
            for column in range(VIEW):
                tile = signed(codes[row, column])
                if row == 0 and column == MIDDLE:
                    tile += CODES
                at = (e * VIEW + VIEW - 1 - row) * tile_size * line + column * width
                copy_tile(atlas, tile, tile_size, width, frames, at, line)


class EgocentricPixels:
    """7 × 7 cells ahead, as Minigrid's ``RGBImgPartialObsWrapper`` draws them.

    Args:
        layout: of the grids.
        theme: the look.
        tile_size: pixels a side of a cell.

    Attributes:
        shape: of a frame, (7 · tile_size, 7 · tile_size, 3), uint8.
    """

    def __init__(self, layout: Layout, theme: Theme, tile_size: int) -> None:
        self._layout = layout
        self._tile_size = tile_size
        self.shape = (VIEW * tile_size, VIEW * tile_size, 3)
        tiles = egocentric_atlas(theme, tile_size)
        if tile_size == TILE:
            words = tiles.reshape(2 * CODES, TILE, -1).view(np.uint64)
            self._atlas: NDArray[Any] = np.pad(words, ((0, 0), (0, 0), (0, 1))).reshape(-1)
        else:
            self._atlas = stack_tiles(tiles)

    def paint(
        self,
        state: State,
        start: int,
        stop: int,
        skip: NDArray[np.bool_],
        frames: NDArray[np.uint8],
    ) -> None:
        """Paint what environments ``start`` to ``stop - 1`` see, but not where ``skip``, bool [N],
        into ``frames``, uint8 [N, *shape].
        """
        if self._tile_size == TILE:
            words = frames.reshape(-1).view(np.uint64)
            _paint_small(state, self._layout, start, stop, skip, self._atlas, words)
            return
        units = as_units(frames, self._atlas)
        codes = np.empty((VIEW, VIEW), np.uint8)
        size, atlas = self._tile_size, self._atlas
        _paint_any(state, self._layout, start, stop, skip, size, codes, atlas, units)


@kernel
def _write_symbols(
    state: State,
    layout: Layout,
    start: int,
    stop: int,
    skip: NDArray[np.bool_],
    table: NDArray[np.uint8],
    codes: NDArray[np.uint8],
    frames: NDArray[np.uint8],
) -> None:
    """``codes`` uint8 [7, 7] to work in, ``frames`` uint8 [N, 7, 7, 3]: [e, column, row]."""
    for e in range(start, stop):
        if skip[e]:
            continue
        visible_cells(state, layout, e, codes)
        for row in range(VIEW):
            for column in range(VIEW):
                for k in range(3):
                    frames[e, column, VIEW - 1 - row, k] = table[codes[row, column], k]


class EgocentricSymbols:
    """Minigrid's own observation: (object, colour, state) of 7 × 7 cells, indexed [x, y], the
    agent at [3, 6] and looking up, what it carries in its own cell.

    Args:
        layout: of the grids.

    Attributes:
        shape: of a frame, (7, 7, 3), uint8.
    """

    shape = (VIEW, VIEW, 3)

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._table = symbols()

    def paint(
        self,
        state: State,
        start: int,
        stop: int,
        skip: NDArray[np.bool_],
        frames: NDArray[np.uint8],
    ) -> None:
        """As :meth:`EgocentricPixels.paint`."""
        codes = np.empty((VIEW, VIEW), np.uint8)
        _write_symbols(state, self._layout, start, stop, skip, self._table, codes, frames)
