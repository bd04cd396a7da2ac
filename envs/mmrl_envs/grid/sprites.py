"""Minigrid's look, pixel for pixel: every cell drawn once into an atlas of tiles."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.cells import (
    BALL,
    BOX,
    CODES,
    COLOR_SHIFT,
    COLORS,
    DOOR_CLOSED,
    DOOR_LOCKED,
    DOOR_OPEN,
    EMPTY,
    KEY,
    KIND_MASK,
    UNSEEN,
    WALL,
)

RGB: Final = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "purple": (112, 39, 195),
    "yellow": (255, 255, 0),
    "grey": (100, 100, 100),
}
_GRID_LINE: Final = (100, 100, 100)
_BLACK: Final = (0, 0, 0)
_SAMPLES: Final = 3  # each pixel is the mean of 3 × 3 samples
_HIGHLIGHT: Final = 0.30

Color = tuple[float, float, float]


class _Canvas:
    """A square of samples with coordinates from 0 to 1, x to the right and y down."""

    def __init__(self, tile_size: int) -> None:
        side = tile_size * _SAMPLES
        self.samples = np.zeros((side, side, 3), np.uint8)
        centres = (np.arange(side) + 0.5) / side
        self.x, self.y = np.meshgrid(centres, centres)

    def rectangle(self, x0: float, x1: float, y0: float, y1: float, color: Color) -> None:
        inside = (self.x >= x0) & (self.x <= x1) & (self.y >= y0) & (self.y <= y1)
        self.samples[inside] = color

    def disc(self, cx: float, cy: float, radius: float, color: Color) -> None:
        x, y = self.x - cx, self.y - cy
        self.samples[x * x + y * y <= radius * radius] = color

    def arrow(self, direction: int, color: Color) -> None:
        """The agent: a triangle that points in a direction, by barycentric coordinates."""
        angle = -0.5 * math.pi * direction
        x, y = self.x - 0.5, self.y - 0.5
        turned_x = 0.5 + x * math.cos(angle) - y * math.sin(angle)
        turned_y = 0.5 + y * math.cos(angle) + x * math.sin(angle)
        a, b, c = np.array(((0.12, 0.19), (0.87, 0.50), (0.12, 0.81)), np.float32)
        side_c, side_b = c - a, b - a
        px, py = turned_x - a[0], turned_y - a[1]
        cc, cb, bb = side_c @ side_c, side_c @ side_b, side_b @ side_b
        cp = side_c[0] * px + side_c[1] * py
        bp = side_b[0] * px + side_b[1] * py
        scale = 1 / (cc * bb - cb * cb)
        u, v = (bb * cp - cb * bp) * scale, (cc * bp - cb * cp) * scale
        self.samples[(u >= 0) & (v >= 0) & (u + v < 1)] = color

    def highlight(self) -> None:
        self.samples[:] = (self.samples + _HIGHLIGHT * (255 - self.samples)).astype(np.uint8)

    def pixels(self) -> NDArray[np.uint8]:
        side = self.samples.shape[0] // _SAMPLES
        blocks = self.samples.reshape(side, _SAMPLES, side, _SAMPLES, 3)
        return np.asarray(blocks.mean(axis=3).mean(axis=1), np.uint8)


def _draw_wall(canvas: _Canvas, color: Color) -> None:
    canvas.rectangle(0, 1, 0, 1, color)


def _draw_open_door(canvas: _Canvas, color: Color) -> None:
    canvas.rectangle(0.88, 1.00, 0.00, 1.00, color)
    canvas.rectangle(0.92, 0.96, 0.04, 0.96, _BLACK)


def _draw_closed_door(canvas: _Canvas, color: Color) -> None:
    for inset, fill in ((0.00, color), (0.04, _BLACK), (0.08, color), (0.12, _BLACK)):
        canvas.rectangle(inset, 1 - inset, inset, 1 - inset, fill)
    canvas.disc(0.75, 0.50, 0.08, color)


def _draw_locked_door(canvas: _Canvas, color: Color) -> None:
    red, green, blue = color
    canvas.rectangle(0.00, 1.00, 0.00, 1.00, color)
    canvas.rectangle(0.06, 0.94, 0.06, 0.94, (0.45 * red, 0.45 * green, 0.45 * blue))
    canvas.rectangle(0.52, 0.75, 0.50, 0.56, color)


def _draw_key(canvas: _Canvas, color: Color) -> None:
    canvas.rectangle(0.50, 0.63, 0.31, 0.88, color)
    canvas.rectangle(0.38, 0.50, 0.59, 0.66, color)
    canvas.rectangle(0.38, 0.50, 0.81, 0.88, color)
    canvas.disc(0.56, 0.28, 0.190, color)
    canvas.disc(0.56, 0.28, 0.064, _BLACK)


def _draw_ball(canvas: _Canvas, color: Color) -> None:
    canvas.disc(0.5, 0.5, 0.31, color)


def _draw_box(canvas: _Canvas, color: Color) -> None:
    canvas.rectangle(0.12, 0.88, 0.12, 0.88, color)
    canvas.rectangle(0.18, 0.82, 0.18, 0.82, _BLACK)
    canvas.rectangle(0.16, 0.84, 0.47, 0.53, color)


_DRAWINGS: Final[dict[int, Callable[[_Canvas, Color], None]]] = {
    WALL: _draw_wall,
    DOOR_OPEN: _draw_open_door,
    DOOR_CLOSED: _draw_closed_door,
    DOOR_LOCKED: _draw_locked_door,
    KEY: _draw_key,
    BALL: _draw_ball,
    BOX: _draw_box,
}


@cache
def draw_tile(
    code: int, tile_size: int, *, highlight: bool = False, agent_direction: int | None = None
) -> NDArray[np.uint8]:
    """One tile, uint8 [tile_size, tile_size, 3].

    Args:
        code: the cell, see :mod:`mmrl_envs.grid.cells`.
        tile_size: pixels a side.
        highlight: brightened, as cells in the agent's view are.
        agent_direction: the agent is drawn on top, pointing there.
    """
    canvas = _Canvas(tile_size)
    canvas.rectangle(0, 0.031, 0, 1, _GRID_LINE)
    canvas.rectangle(0, 1, 0, 0.031, _GRID_LINE)
    draw = _DRAWINGS.get(code & KIND_MASK)
    if draw is not None:
        draw(canvas, RGB[COLORS[code >> COLOR_SHIFT]])
    if agent_direction is not None:
        canvas.arrow(agent_direction, RGB["red"])
    if highlight:
        canvas.highlight()
    return canvas.pixels()


def _is_drawable(code: int) -> bool:
    kind, color = code & KIND_MASK, code >> COLOR_SHIFT
    return code in (UNSEEN, EMPTY) or (kind in _DRAWINGS and color < len(COLORS))


@cache
def view_atlas(tile_size: int = 8) -> NDArray[np.uint64]:
    """The tiles of an agent's own view, as 64-bit words: uint64 [256 · tile_size · words a line].

    Tile ``code`` is a cell in view (tile 0, unseen: dark); tile ``128 + code`` is the agent's own
    cell, the agent pointing up, with what it carries drawn under it. Codes that no cell can have
    stay black. A line of a tile is followed by one word of padding, so that (at 8 pixels) a
    processor can read it in one go of four words.

    Raises:
        ValueError: ``tile_size`` is no multiple of 8.
    """
    if tile_size < 8 or tile_size % 8:
        raise ValueError(f"tile_size={tile_size}: must be a multiple of 8")
    tiles = np.zeros((2 * CODES, tile_size, tile_size, 3), np.uint8)
    for code in filter(_is_drawable, range(CODES)):
        tiles[code] = draw_tile(code, tile_size, highlight=code != UNSEEN)
        tiles[CODES + code] = draw_tile(code, tile_size, highlight=True, agent_direction=3)
    words = tiles.reshape(2 * CODES, tile_size, -1).view(np.uint64)
    return np.pad(words, ((0, 0), (0, 0), (0, 1))).reshape(-1)
