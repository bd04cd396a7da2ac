"""Textures: a theme's drawings of objects, cut out of the floor."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import BALL, BOX, COLORS, DOOR_CLOSED, DOOR_LOCKED, KEY, WALL
from mmrl_envs.grid.rendering.themes import Theme
from mmrl_envs.grid.rendering.themes.canvas import SAMPLES, Canvas, Color

TEXELS: Final = 144
"""Texels a side of a texture."""
FLAT: Final = (WALL, DOOR_CLOSED, DOOR_LOCKED)
"""What fills a cell; the others stand in it."""
TEXTURED: Final = (*FLAT, KEY, BALL, BOX)


class Textures(NamedTuple):
    """What a theme looks like from near; every texture lit as what an agent sees is."""

    things: NDArray[np.uint8]  # [13 kinds, 6 colours, TEXELS, TEXELS, 3]
    covered: NDArray[np.bool_]  # [13 kinds, TEXELS, TEXELS] where a thing is
    floor: NDArray[np.uint8]  # [TEXELS, TEXELS, 3]
    ceiling: NDArray[np.float64]  # [3]
    haze: NDArray[np.float64]  # [3] what all turns to that is far away
    bounds: NDArray[np.float64]  # [13 kinds, 4] left, right, top, bottom of a thing, 0 to 1


def _lit(theme: Theme, ground: Color | None, kind: int, color: str) -> NDArray[np.uint8]:
    canvas = Canvas(TEXELS // SAMPLES)
    if ground is None:
        theme.floor(canvas)
    else:
        canvas.fill(ground)
    if kind in theme.drawings:
        theme.drawings[kind](canvas, theme.colors[color])
    theme.highlight(canvas)
    return canvas.samples


def _covered(theme: Theme, kind: int) -> NDArray[np.bool_]:
    """Drawn on black and on white, a thing is where the two are alike, bool [TEXELS, TEXELS]."""
    grounds: tuple[Color, Color] = ((0, 0, 0), (255, 255, 255))
    black, white = (_lit(theme, ground, kind, COLORS[0]) for ground in grounds)
    return np.asarray((black == white).all(axis=2))


def _bounds(covered: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    rows, columns = (np.flatnonzero(covered.any(axis=axis)) for axis in (1, 0))
    edges = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
    left, right, top, bottom = (float(edge) / TEXELS for edge in edges)
    return left, right, top, bottom


@lru_cache(maxsize=4)
def textures_of(theme: Theme) -> Textures:
    """The textures of a theme; drawn once and remembered."""
    kinds = max(TEXTURED) + 1
    things = np.zeros((kinds, len(COLORS), TEXELS, TEXELS, 3), np.uint8)
    covered, bounds = np.zeros((kinds, TEXELS, TEXELS), np.bool_), np.zeros((kinds, 4))
    for kind in TEXTURED:
        things[kind] = [_lit(theme, None, kind, color) for color in COLORS]
        covered[kind] = kind in FLAT or _covered(theme, kind)
        bounds[kind] = _bounds(covered[kind])
    floor = _lit(theme, None, 0, "")
    unseen = Canvas(TEXELS // SAMPLES)
    theme.unseen(unseen)
    haze = unseen.samples.mean(axis=(0, 1))
    ceiling = (floor.mean(axis=(0, 1)) + haze) / 2
    return Textures(things, covered, floor, ceiling, haze, bounds)
