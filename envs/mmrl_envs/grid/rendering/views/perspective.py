"""The first-person camera: its position and field of view, and the cells that its rays meet.

Depth is measured from the eye straight ahead, in cells. Since the eye stands at the same place of
every cell and looks along the grid, all that it can meet is known before the first frame: what a
cell looks like depends on where it lies, as the agent sees it, and on what it holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import DX, DY
from mmrl_envs.grid.core.jit import kernel

SLOPE: Final = 0.7
"""Half the width of the view at depth 1: 70 degrees from edge to edge."""
EYE: Final = 0.8
"""Height of the eye over the floor, in walls: it looks over one thing at the next."""
HORIZON: Final = 0.3
"""Share of a frame that lies above the horizon: most of what there is stands on the floor."""


class Rays(NamedTuple):
    """The cells that the ray of each column of a frame meets one after another, [C, S]; a ray that
    has fewer than S is filled up with the agent's own cell.
    """

    ahead: NDArray[np.int32]  # steps ahead of the agent's own cell, which comes first
    right: NDArray[np.int32]  # steps to its right
    depth: NDArray[np.float64]  # where the ray enters the cell
    by_side: NDArray[np.bool_]  # it does so through a wall that runs along the agent's way
    cells: NDArray[np.int32]  # [C] how many cells a ray meets

    def offsets(self, stride: int) -> NDArray[np.int32]:
        """From the agent's cell to each of these, by its direction, int32 [4, C, S]; see
        :class:`~mmrl_envs.grid.core.state.Layout` for cell indices.
        """
        ahead = [dx + dy * stride for dx, dy in zip(DX, DY, strict=True)]
        right = [dx * stride - dy for dx, dy in zip(DX, DY, strict=True)]
        steps = [a * self.ahead + r * self.right for a, r in zip(ahead, right, strict=True)]
        return np.array(steps, np.int32)


@kernel
def slope_of(x: float, side: int) -> float:
    """How far to the right a ray goes for each step ahead; ``x`` in pixels from the left."""
    return (2.0 * x / side - 1.0) * SLOPE


@kernel
def rise_of(y: float, side: int) -> float:
    """How far up a ray goes for each step ahead; ``y`` in pixels from the top."""
    return (HORIZON - y / side) * 2.0 * SLOPE


def cells_on_the_way(slope: float, reach: int) -> Iterator[tuple[int, int, float, bool]]:
    """The cells that a ray meets, as (ahead, right, depth at which it enters, by a side), the eye
    in the middle of the back edge of cell (0, 0); by a digital differential analyser (Amanatides
    and Woo, 1987). A ray that meets a corner goes straight on.

    Args:
        slope: steps to the right for each step ahead; not 0.
        reach: cells ahead or aside that end the way.
    """
    ahead, aside, depth, by_side = 0, 0, 0.0, False
    while ahead < reach and aside < reach:
        yield ahead, aside if slope > 0 else -aside, depth, by_side
        to_side = (aside + 0.5) / abs(slope)
        by_side = to_side < ahead + 1
        if by_side:
            aside, depth = aside + 1, to_side
        else:
            ahead, depth = ahead + 1, ahead + 1.0


def cast_rays(columns: int, reach: int) -> Rays:
    """The rays through the middles of the columns of a frame.

    Args:
        columns: how many, an even number.
        reach: cells that a ray crosses at most, ahead or aside.
    """
    ways = [list(cells_on_the_way(slope_of(c + 0.5, columns), reach)) for c in range(columns)]
    count = [len(way) for way in ways]
    shape = columns, max(count)
    rays = Rays(
        np.zeros(shape, np.int32),
        np.zeros(shape, np.int32),
        np.zeros(shape, np.float64),
        np.zeros(shape, np.bool_),
        np.array(count, np.int32),
    )
    for c, way in enumerate(ways):
        for k, (ahead, right, depth, by_side) in enumerate(way):
            rays.ahead[c, k], rays.right[c, k] = ahead, right
            rays.depth[c, k], rays.by_side[c, k] = depth, by_side
    return rays
