"""The whole grid from above, in pixels or symbols."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import (
    CODES,
    COLOR_SHIFT,
    COLORS,
    DOOR_OPEN,
    EMPTY,
    KIND_MASK,
    RED,
    symbols,
)
from mmrl_envs.grid.core.jit import kernel, signed
from mmrl_envs.grid.core.state import MARGIN, Layout, State
from mmrl_envs.grid.core.visibility import (
    MIDDLE,
    VIEW,
    propagate_visibility,
    transparent_bits,
    view_origin,
)
from mmrl_envs.grid.rendering.themes import Theme
from mmrl_envs.grid.rendering.views.tiles import Units, as_units, copy_tile, stack_tiles

GROUND: Final = (EMPTY, *(DOOR_OPEN | color << COLOR_SHIFT for color in range(len(COLORS))))
"""The codes of what an agent can stand on: floor, or an open door."""
UNDERFOOT: Final = len(GROUND)
AGENTS: Final = 2 * CODES
"""Where in the atlas the tiles with an agent begin."""
_TILES: Final = AGENTS + 4 * UNDERFOOT
_AGENT_SYMBOL: Final = 10


def overview_atlas(theme: Theme, tile_size: int) -> NDArray[np.uint8]:
    """The tiles of a whole grid, uint8 [284, tile_size, tile_size, 3].

    Tile ``code`` is a cell, tile ``128 + code`` the same where the agent sees it; tile
    ``256 + 7 · direction + k`` is the agent on the floor (k = 0) or in an open door of colour
    k - 1.
    """
    tiles = np.zeros((_TILES, tile_size, tile_size, 3), np.uint8)
    for code in filter(theme.can_draw, range(1, CODES)):
        tiles[code] = theme.tile(code, tile_size)
        tiles[CODES + code] = theme.tile(code, tile_size, highlight=True)
    for direction in range(4):
        for k, code in enumerate(GROUND):
            tiles[AGENTS + UNDERFOOT * direction + k] = theme.tile(
                code, tile_size, highlight=True, agent_direction=direction
            )
    return tiles


@kernel
def _paint(
    state: State,
    layout: Layout,
    start: int,
    stop: int,
    skip: NDArray[np.bool_],
    tile_size: int,
    atlas: Units,
    frames: Units,
) -> None:
    """``frames`` [N · height · tile_size · width · units of a line of a tile].

    Every cell first, then those in view once more, brightened, then the agent.
    """
    width = len(atlas) // (_TILES * tile_size)  # of a line of a tile
    line = layout.width * width
    for e in range(start, stop):
        if skip[e]:
            continue
        frame = e * layout.height * tile_size * line
        for y in range(layout.height):
            for x in range(layout.width):
                code = signed(state.grid[e, (y + MARGIN) * layout.stride + x + MARGIN])
                at = frame + y * tile_size * line + x * width
                copy_tile(atlas, code, tile_size, width, frames, at, line)
        cell, ahead, right = view_origin(state, layout, e)
        seen = 1 << MIDDLE
        for _ in range(VIEW):
            seen, seen_ahead = propagate_visibility(seen, transparent_bits(state, e, cell, right))
            for column in range(VIEW):
                here = cell + column * right
                x, y = here % layout.stride - MARGIN, here // layout.stride - MARGIN
                inside = 0 <= x < layout.width and 0 <= y < layout.height
                if seen >> column & 1 and inside:
                    code = signed(state.grid[e, here])
                    at = frame + y * tile_size * line + x * width
                    copy_tile(atlas, CODES + code, tile_size, width, frames, at, line)
            seen = seen_ahead
            cell += ahead
        here = signed(state.agent_cell[e])
        x, y = here % layout.stride - MARGIN, here // layout.stride - MARGIN
        code = signed(state.grid[e, here])
        ground = 1 + (code >> COLOR_SHIFT) if code & KIND_MASK == DOOR_OPEN else 0
        tile = AGENTS + UNDERFOOT * signed(state.agent_direction[e]) + ground
        at = frame + y * tile_size * line + x * width
        copy_tile(atlas, tile, tile_size, width, frames, at, line)


class OverviewPixels:
    """The whole grid, what the agent sees brightened: as Minigrid's ``RGBImgObsWrapper``.

    Args:
        layout: of the grids.
        theme: the look.
        tile_size: pixels a side of a cell.

    Attributes:
        shape: of a frame, (height · tile_size, width · tile_size, 3), uint8.
    """

    def __init__(self, layout: Layout, theme: Theme, tile_size: int) -> None:
        self._layout = layout
        self._tile_size = tile_size
        self.shape = (layout.height * tile_size, layout.width * tile_size, 3)
        self._atlas = stack_tiles(overview_atlas(theme, tile_size))

    def paint(
        self,
        state: State,
        start: int,
        stop: int,
        skip: NDArray[np.bool_],
        frames: NDArray[np.uint8],
    ) -> None:
        """Paint environments ``start`` to ``stop - 1``, but not where ``skip``, bool [N], into
        ``frames``, uint8 [N, *shape].
        """
        units = as_units(frames, self._atlas)
        _paint(state, self._layout, start, stop, skip, self._tile_size, self._atlas, units)


@kernel
def _write_symbols(
    state: State,
    layout: Layout,
    start: int,
    stop: int,
    skip: NDArray[np.bool_],
    table: NDArray[np.uint8],
    frames: NDArray[np.uint8],
) -> None:
    """``frames`` uint8 [N, width, height, 3], indexed [e, x, y]."""
    for e in range(start, stop):
        if skip[e]:
            continue
        for y in range(layout.height):
            for x in range(layout.width):
                code = state.grid[e, (y + MARGIN) * layout.stride + x + MARGIN]
                for k in range(3):
                    frames[e, x, y, k] = table[code, k]
        here = signed(state.agent_cell[e])
        x, y = here % layout.stride - MARGIN, here // layout.stride - MARGIN
        frames[e, x, y, 0] = _AGENT_SYMBOL
        frames[e, x, y, 1] = RED
        frames[e, x, y, 2] = state.agent_direction[e]


class OverviewSymbols:
    """(object, colour, state) of every cell, indexed [x, y], the agent as (10, 0, direction): as
    Minigrid's ``FullyObsWrapper``.

    Args:
        layout: of the grids.

    Attributes:
        shape: of a frame, (width, height, 3), uint8.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._table = symbols()
        self.shape = (layout.width, layout.height, 3)

    def paint(
        self,
        state: State,
        start: int,
        stop: int,
        skip: NDArray[np.bool_],
        frames: NDArray[np.uint8],
    ) -> None:
        """As :meth:`OverviewPixels.paint`."""
        _write_symbols(state, self._layout, start, stop, skip, self._table, frames)
