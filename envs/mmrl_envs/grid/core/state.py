"""The state of a batch of grid worlds: plain arrays, one row an environment."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import EMPTY_CELL, WALL_CELL

# Every grid is framed by this many cells of wall on each side: an agent sees six cells ahead, so
# its view never leaves the array and no kernel has to ask whether a cell exists.
MARGIN: Final = 6
CLAUSES: Final = 4
REGISTERS: Final = 32  # objects, groups of them, and rooms that a level program can name
NOWHERE: Final = -1  # position of an object that is carried, inside a box, or gone
NOTHING: Final = -1  # the object index that means none


class Layout(NamedTuple):
    """Where things lie in a grid: the geometry that all environments of a batch share.

    A cell's index is ``(y + MARGIN) * stride + x + MARGIN``.
    """

    width: int
    height: int
    room_size: int
    columns: int
    rows: int
    stride: int
    max_objects: int
    blank: NDArray[np.uint8]  # [cells] the grid with its walls and nothing else

    def cell_index(self, x: int, y: int) -> int:
        """The array index of the cell in column ``x``, row ``y``."""
        return (y + MARGIN) * self.stride + x + MARGIN

    def position(self, index: int) -> tuple[int, int]:
        """The column and row of the cell at an array index."""
        return index % self.stride - MARGIN, index // self.stride - MARGIN


class State(NamedTuple):
    """The state of N environments.

    Objects (whatever can be named in an instruction: doors too) are numbered 0, 1, … in each
    environment; ``NOTHING`` is no object. Positions are cell indices, see :class:`Layout`.
    """

    rng: NDArray[np.uint64]  # [N] random number generators, see rng.py
    grid: NDArray[np.uint8]  # [N, cells] cell codes, see cells.py
    agent_cell: NDArray[np.int32]  # [N]
    agent_direction: NDArray[np.int32]  # [N] 0 right, 1 down, 2 left, 3 up
    carried: NDArray[np.int32]  # [N] object in the agent's hands
    object_count: NDArray[np.int32]  # [N]
    object_code: NDArray[np.uint8]  # [N, M] cell code; a door's changes as it is opened
    object_cell: NDArray[np.int32]  # [N, M] where it is
    known_cell: NDArray[np.int32]  # [N, M] where it was at the last drop: what "go to" looks at
    content: NDArray[np.int32]  # [N, M] the object inside a box
    step_count: NDArray[np.int32]  # [N]
    max_steps: NDArray[np.int32]  # [N]
    instruction: NDArray[np.int32]  # [N, 1 + CLAUSES] see instructions.py
    tracked: NDArray[np.uint64]  # [N, CLAUSES, 2] objects each description meant at the start
    progress: NDArray[np.int32]  # [N] bits: clauses done (0-3), first half done (4)
    held_before: NDArray[np.int32]  # [N, CLAUSES] what a clause last saw carried
    seen: NDArray[np.bool_]  # [N, cells] what the agent has seen; [N, 0] if not recorded


class Scratch(NamedTuple):
    """Memory for generation to work in, since kernels make no arrays."""

    register: NDArray[np.int32]  # [REGISTERS] objects and rooms that a level program refers to
    door: NDArray[np.int32]  # [rooms · 4] the door in each wall of each room, see rooms.py
    is_locked: NDArray[np.bool_]  # [rooms] the last door added from this room was locked
    start_carrying: NDArray[np.int32]  # [1] the object that an episode begins with in the hands
    reached: NDArray[np.bool_]  # [cells]
    stack: NDArray[np.int32]  # [cells]


def make_scratch(layout: Layout) -> Scratch:
    """Scratch memory for one grid."""
    cells, rooms = len(layout.blank), layout.columns * layout.rows
    return Scratch(
        register=np.zeros(REGISTERS, np.int32),
        door=np.zeros(4 * rooms, np.int32),
        is_locked=np.zeros(rooms, np.bool_),
        start_carrying=np.zeros(1, np.int32),
        reached=np.zeros(cells, np.bool_),
        stack=np.zeros(cells, np.int32),
    )


def make_layout(room_size: int, columns: int, rows: int, max_objects: int) -> Layout:
    """Lay out ``columns × rows`` rooms of ``room_size × room_size`` cells, outer walls included
    and walls shared between neighbours.

    Raises:
        ValueError: a room smaller than 3 cells, or more than 64 objects.
    """
    if room_size < 3:
        raise ValueError(f"room_size={room_size}: a room needs at least 3 cells a side")
    if max_objects > 64:
        raise ValueError(f"{max_objects} objects: a grid holds at most 64")
    pitch = room_size - 1
    width, height = columns * pitch + 1, rows * pitch + 1
    padded = np.full((height + 2 * MARGIN, width + 2 * MARGIN), WALL_CELL, np.uint8)
    inside = padded[MARGIN : MARGIN + height, MARGIN : MARGIN + width]
    y, x = np.mgrid[:height, :width]
    inside[(x % pitch != 0) & (y % pitch != 0)] = EMPTY_CELL
    return Layout(
        width, height, room_size, columns, rows, padded.shape[1], max_objects, padded.ravel()
    )


def make_state(num_envs: int, layout: Layout) -> State:
    """Blank state for ``num_envs`` environments; generation fills it."""
    n, m = num_envs, layout.max_objects

    def zeros(*shape: int) -> NDArray[np.int32]:
        return np.zeros(shape, np.int32)

    return State(
        rng=np.zeros(n, np.uint64),
        grid=np.tile(layout.blank, (n, 1)),
        agent_cell=np.full(n, layout.cell_index(1, 1), np.int32),
        agent_direction=zeros(n),
        carried=np.full(n, NOTHING, np.int32),
        object_count=zeros(n),
        object_code=np.zeros((n, m), np.uint8),
        object_cell=np.full((n, m), NOWHERE, np.int32),
        known_cell=np.full((n, m), NOWHERE, np.int32),
        content=np.full((n, m), NOTHING, np.int32),
        step_count=zeros(n),
        max_steps=np.ones(n, np.int32),
        instruction=zeros(n, 1 + CLAUSES),
        tracked=np.zeros((n, CLAUSES, 2), np.uint64),
        progress=zeros(n),
        held_before=np.full((n, CLAUSES), NOTHING, np.int32),
        seen=np.zeros((n, 0), np.bool_),
    )
