"""The first-person view: walls, doors and objects in perspective, textured."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import COLOR_SHIFT, EMPTY_CELL, KIND_MASK
from mmrl_envs.grid.core.jit import device_function, kernel, signed
from mmrl_envs.grid.core.state import NOTHING, Layout, State
from mmrl_envs.grid.rendering.themes import Theme
from mmrl_envs.grid.rendering.views.perspective import cast_rays
from mmrl_envs.grid.rendering.views.slices import Slices, slices_of
from mmrl_envs.grid.rendering.views.solids import OPAQUE

SIDE: Final = 8
"""Tiles a side of a frame."""
_LARGEST: Final = 64  # tile size; its slices take about half a gigabyte
_PAD: Final = 16  # pixels between columns, lest columns of 2^k pixels compete for the same cache


@device_function
def _blend(over: int, under: int) -> int:
    """A pixel, weighted by its cover already, over another one; exact where it covers all or
    nothing.
    """
    bare = np.uint32(256) - (over >> np.uint32(24))
    red_blue = (under & np.uint32(0xFF00FF)) * bare >> np.uint32(8) & np.uint32(0xFF00FF)
    green = (under & np.uint32(0x00FF00)) * bare >> np.uint32(8) & np.uint32(0x00FF00)
    return np.uint32((over & np.uint32(0xFFFFFF)) + red_blue + green)  # type: ignore[return-value]


@device_function
def _look_along(
    state: State,
    e: int,
    offsets: NDArray[np.int32],
    slices: Slices,
    c: int,
    met: NDArray[np.int64],
) -> int:
    """Cast the ray of column ``c`` to the first opaque cell.

    Args:
        offsets: of the cells on its way, int32 [S].
        met: int64 [S, 2], written: the cells that are not empty, as (number on the way, code).

    Returns:
        How many those are.
    """
    here, count = signed(state.agent_cell[e]), 0
    for s in range(slices.cells[c]):
        code = signed(state.grid[e, here + offsets[s]])
        if code != EMPTY_CELL:
            met[count, 0], met[count, 1] = s, code
            count += 1
            if OPAQUE >> (code & KIND_MASK) & 1:
                break
    return count


@device_function
def _paint_slice(slices: Slices, c: int, s: int, code: int, columns: NDArray[np.uint32]) -> None:
    kind, color = code & KIND_MASK, code >> COLOR_SHIFT
    start, row, count, each = slices.lines[c, s, kind]
    source = np.uint64(start + color * each)
    target = np.uint64(c * (len(slices.ground) + _PAD) + row)
    if OPAQUE >> kind & 1:
        for k in range(count):
            columns[target + np.uint64(k)] = slices.pixels[source + np.uint64(k)]
    else:
        for k in range(count):
            at = target + np.uint64(k)
            columns[at] = _blend(slices.pixels[source + np.uint64(k)], columns[at])


@device_function
def _paint_hand(slices: Slices, code: int, columns: NDArray[np.uint32]) -> None:
    """What the agent carries, at the lower edge on the right."""
    side, size = len(slices.ground), slices.hand.shape[2]
    kind, color = code & KIND_MASK, code >> COLOR_SHIFT
    for c in range(size):
        target = (side - size + c) * (side + _PAD) + side - size
        for k in range(size):
            at = np.uint64(target + k)
            columns[at] = _blend(slices.hand[kind, color, c, k], columns[at])


@device_function
def _pixel(columns: NDArray[np.uint32], at: np.uint64, step: np.uint64, k: int) -> np.uint64:
    return np.uint64(columns[at + np.uint64(k) * step])


@device_function
def _write_rows(
    columns: NDArray[np.uint32], side: int, frames: NDArray[np.uint64], at: np.uint64
) -> None:
    """Turn columns of four bytes a pixel, the fourth 0, into rows of three: eight pixels to three
    words.
    """
    step = np.uint64(side + _PAD)
    for y in range(side):
        source = np.uint64(y)
        for _ in range(side // SIDE):
            third, sixth = _pixel(columns, source, step, 2), _pixel(columns, source, step, 5)
            frames[at] = (
                _pixel(columns, source, step, 0)
                | _pixel(columns, source, step, 1) << np.uint64(24)
                | third << np.uint64(48)
            )
            frames[at + np.uint64(1)] = (
                third >> np.uint64(16)
                | _pixel(columns, source, step, 3) << np.uint64(8)
                | _pixel(columns, source, step, 4) << np.uint64(32)
                | sixth << np.uint64(56)
            )
            frames[at + np.uint64(2)] = (
                sixth >> np.uint64(8)
                | _pixel(columns, source, step, 6) << np.uint64(16)
                | _pixel(columns, source, step, 7) << np.uint64(40)
            )
            source += np.uint64(8) * step
            at += np.uint64(3)


@kernel
def _paint(
    state: State,
    start: int,
    stop: int,
    skip: NDArray[np.bool_],
    offsets: NDArray[np.int32],
    slices: Slices,
    met: NDArray[np.int64],
    columns: NDArray[np.uint32],
    frames: NDArray[np.uint64],
) -> None:
    """Column by column: the ground, then what the ray meets, the farthest first.

    Args:
        offsets: int32 [4, C, S], see :meth:`~.perspective.Rays.offsets`.
        met: int64 [S, 2] to work in.
        columns: uint32 [C · (C + padding)] to work in.
        frames: uint64 [N · C · words of a row].
    """
    side = len(slices.ground)
    words = side * side * 3 // 8
    for e in range(start, stop):
        if skip[e]:
            continue
        direction = state.agent_direction[e]
        for c in range(side):
            count = _look_along(state, e, offsets[direction, c], slices, c, met)
            for y in range(side):
                columns[c * (side + _PAD) + y] = slices.ground[c, y]
            for k in range(count - 1, -1, -1):
                _paint_slice(slices, c, met[k, 0], met[k, 1], columns)
        carried = state.carried[e]
        if carried != NOTHING:
            _paint_hand(slices, signed(state.object_code[e, carried]), columns)
        _write_rows(columns, side, frames, np.uint64(e * words))


class FirstPersonPixels:
    """Perspective images of what is ahead of the agent, with a field of view of 70 degrees.

    The rays of a frame's columns decide what is seen: walls, closed and locked doors hide what is
    behind them. It is not what Minigrid's 7 × 7 cells show, which expert, descriptions and the
    image from above keep to in every view. The eye stands at the back edge of the agent's cell,
    so that what is in the cell in front, a door too, is seen whole, and so is the open door that
    the agent stands in. What it carries shows at the lower edge, on the right.

    Args:
        layout: of the grids.
        theme: the look.
        tile_size: an eighth of a frame's side in pixels: 8 makes frames of 64 × 64.

    Attributes:
        shape: of a frame, (8 · tile_size, 8 · tile_size, 3), uint8.

    Raises:
        ValueError: a tile size above 64.
    """

    def __init__(self, layout: Layout, theme: Theme, tile_size: int) -> None:
        if tile_size > _LARGEST:
            raise ValueError(
                f"tile_size={tile_size!r}: view='first_person' takes at most {_LARGEST}, "
                f"which is {SIDE * _LARGEST} pixels a side"
            )
        side, reach = SIDE * tile_size, max(layout.width, layout.height)
        self.shape = (side, side, 3)
        self._slices = slices_of(theme, side, reach)
        self._offsets = cast_rays(side, reach).offsets(layout.stride)

    def paint(
        self,
        state: State,
        start: int,
        stop: int,
        skip: NDArray[np.bool_],
        frames: NDArray[np.uint8],
    ) -> None:
        """Paint what the agents of environments ``start`` to ``stop - 1`` see, but not where
        ``skip``, bool [N], into ``frames``, uint8 [N, *shape].
        """
        side = self.shape[0]
        met = np.empty((self._offsets.shape[2], 2), np.int64)
        columns = np.empty(side * (side + _PAD), np.uint32)
        words = frames.reshape(-1).view(np.uint64)
        _paint(state, start, stop, skip, self._offsets, self._slices, met, columns, words)
