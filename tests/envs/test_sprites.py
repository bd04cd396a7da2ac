"""Tiles are drawn as minigrid draws them, pixel for pixel."""

import numpy as np
import pytest
from minigrid.core.grid import Grid
from minigrid.core.world_object import Ball, Box, Door, Key, Wall

from mmrl_envs.grid import cells, sprites
from mmrl_envs.grid.cells import COLORS, cell

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
            ours = sprites.draw_tile(
                cell(kind, color), tile_size, highlight=highlight, agent_direction=direction
            )
            # to bytes, as Grid.render makes them when it puts tiles together
            assert np.array_equal(ours, theirs.astype(np.uint8)), (kind, color)
    empty = Grid.render_tile(None, direction, highlight, tile_size).astype(np.uint8)
    for code in (cells.EMPTY_CELL, cells.UNSEEN):
        ours = sprites.draw_tile(code, tile_size, highlight=highlight, agent_direction=direction)
        assert np.array_equal(ours, empty)


@pytest.mark.parametrize("highlight", [False, True])
@pytest.mark.parametrize("direction", [None, 0, 1, 2, 3])
def test_small_tiles_equal_minigrid(highlight, direction):
    assert_tiles_equal(8, highlight, direction, COLORS)


@pytest.mark.parametrize("tile_size", [16, 32])
@pytest.mark.parametrize(
    ("highlight", "direction", "color"),
    [(True, None, "purple"), (False, 0, "green"), (True, 1, "yellow"), (False, 2, "grey")],
)
def test_larger_tiles_equal_minigrid(tile_size, highlight, direction, color):
    assert_tiles_equal(tile_size, highlight, direction, [color])


def test_symbols_equal_minigrid():
    table = cells.symbols()
    for kind, make in THINGS.items():
        for color in COLORS:
            assert tuple(table[cell(kind, color)]) == tuple(make(color).encode())


def test_no_two_cells_look_alike():
    tiles = {
        sprites.draw_tile(cell(kind, color), 8, highlight=True).tobytes()
        for kind in THINGS
        for color in COLORS
    }
    assert len(tiles) == len(THINGS) * len(COLORS)


@pytest.mark.parametrize("tile_size", [0, 4, 12, -8])
def test_atlas_wants_multiples_of_eight(tile_size):
    with pytest.raises(ValueError, match=f"tile_size={tile_size}.*multiple of 8"):
        sprites.view_atlas(tile_size)
