"""Copies rendered tiles into frames: in 64-bit words where a line of a tile is whole ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.jit import device_function

Units = NDArray[Any]
"""Pixels as a flat array of uint64 or, where that does not come out even, of uint8."""


def stack_tiles(tiles: NDArray[np.uint8]) -> Units:
    """Tiles uint8 [T, size, size, 3] as one flat array of the largest units that fit a line."""
    lines = np.ascontiguousarray(tiles).reshape(-1)
    return lines.view(np.uint64) if tiles.shape[1] % 8 == 0 else lines


def as_units(frames: NDArray[np.uint8], atlas: Units) -> Units:
    """Frames uint8 [N, H, W, 3] as a flat array of the same units as ``atlas``; no copy."""
    return frames.reshape(-1).view(atlas.dtype)


@device_function
def copy_tile(
    atlas: Units, tile: int, tile_size: int, width: int, frames: Units, at: int, line: int
) -> None:
    """Copy a tile line by line.

    Args:
        atlas: tiles one after another.
        tile: which.
        tile_size: lines of a tile.
        width: units of a line of a tile.
        frames: where to.
        at: the unit where its upper left corner goes.
        line: units of a line of a frame.
    """
    source = np.uint64(tile * tile_size * width)
    target = np.uint64(at)
    for _ in range(tile_size):
        for k in range(width):
            frames[target + np.uint64(k)] = atlas[source + np.uint64(k)]
        source += np.uint64(width)
        target += np.uint64(line)
