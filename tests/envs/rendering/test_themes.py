"""Tiles are drawn as minigrid draws them, pixel for pixel."""

import numpy as np
import pytest
from minigrid.core.grid import Grid
from minigrid.core.world_object import Ball, Box, Door, Key, Wall

from mmrl_envs.grid.core import cells
from mmrl_envs.grid.core.cells import COLORS, cell
from mmrl_envs.grid.rendering.themes import THEMES, find_theme

MINIGRID = THEMES["minigrid"]
THINGS = {
    cells.WALL: Wall,
    cells.KEY: Key,
    cells.BALL: Ball,
    cells.BOX: Box,
    cells.DOOR_OPEN: lambda color: Door(color, is_open=True),
    cells.DOOR_CLOSED: Door,
    cells.DOOR_LOCKED: lambda color: Door(color, is_locked=True),
}


def assert_tiles_equal(tile_size, highlight, direction, colors):
    for kind, make in THINGS.items():
        for color in colors:
            theirs = Grid.render_tile(make(color), direction, highlight, tile_size)
            ours = MINIGRID.tile(
                cell(kind, color), tile_size, highlight=highlight, agent_direction=direction
            )
            # to bytes, as Grid.render makes them when it puts tiles together
            assert np.array_equal(ours, theirs.astype(np.uint8)), (kind, color)
    empty = Grid.render_tile(None, direction, highlight, tile_size).astype(np.uint8)
    ours = MINIGRID.tile(cells.EMPTY, tile_size, highlight=highlight, agent_direction=direction)
    assert np.array_equal(ours, empty)
    if not highlight and direction is None:
        assert np.array_equal(MINIGRID.tile(cells.UNSEEN, tile_size), empty)


@pytest.mark.parametrize("highlight", [False, True])
@pytest.mark.parametrize("direction", [None, 0, 1, 2, 3])
def test_small_tiles_equal_minigrid(highlight, direction):
    assert_tiles_equal(8, highlight, direction, COLORS if direction is None else ["blue"])


@pytest.mark.parametrize(
    ("tile_size", "highlight", "direction", "color"),
    [
        (16, True, None, "purple"),
        (16, False, 2, "grey"),
        (32, False, 0, "green"),
        (32, True, 1, "yellow"),
    ],
)
def test_larger_tiles_equal_minigrid(tile_size, highlight, direction, color):
    assert_tiles_equal(tile_size, highlight, direction, [color])


def test_symbols_equal_minigrid():
    table = cells.symbols()
    for kind, make in THINGS.items():
        for color in COLORS:
            assert tuple(table[cell(kind, color)]) == tuple(make(color).encode())


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("highlight", [False, True])
def test_no_two_cells_look_alike(theme, highlight):
    """Not even nearly: every pair differs by 20 of 255 somewhere."""
    draw = THEMES[theme].tile
    codes = [cell(kind, color) for kind in THINGS for color in COLORS] + [cells.EMPTY]
    tiles = [draw(code, 8, highlight=highlight) for code in codes]
    tiles += [draw(cells.UNSEEN, 8)] if highlight else []
    tiles += [draw(cells.EMPTY, 8, highlight=highlight, agent_direction=k) for k in range(4)]
    stack = np.stack(tiles).astype(int).reshape(len(tiles), -1)
    gaps = np.abs(stack[:, None] - stack[None]).max(axis=2)
    np.fill_diagonal(gaps, 255)
    assert gaps.min() > 20


@pytest.mark.parametrize("theme", [name for name in THEMES if name != "minigrid"])
def test_themes_are_looks_of_their_own(theme):
    for code in (cells.EMPTY, cells.WALL_CELL, cell(cells.BALL, "red"), cell(cells.KEY, "blue")):
        ours, theirs = THEMES[theme].tile(code, 8), MINIGRID.tile(code, 8)
        assert np.abs(ours.astype(int) - theirs).mean() > 10


def test_unknown_theme_is_refused():
    with pytest.raises(ValueError, match="theme='retro': choose from minigrid, paper, neon"):
        find_theme("retro")
