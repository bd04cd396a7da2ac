"""Pathfinding: Dijkstra's algorithm over the agent's poses, to face a cell at least cost. Kernels.

A pose is ``4 · cell + direction``. A turn costs 1 and a step costs the toll of the cell that is
entered: what stands in the way costs what it takes to get it out of the way, so that one search
gives both where to go and what to clear.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.grid.core.cells import (
    BOX,
    CODES,
    COLOR_SHIFT,
    COLORS,
    DOOR_CLOSED,
    DOOR_LOCKED,
    DOORS,
    DX,
    DY,
    EMPTY,
    EMPTY_CELL,
    KIND_MASK,
    PASSABLE,
    PORTABLE,
    UNSEEN,
    WALL,
)
from mmrl_envs.grid.core.jit import device_function, signed
from mmrl_envs.grid.core.state import MARGIN, NOTHING, Layout, State

# Tolls; each is below the number of buckets.
SHUT: Final = 1 << 20
_UNKNOWN: Final = 3
_DOOR: Final = 2
_LOCK: Final = 40
BLOCKER: Final = 12
BLOCKER_WHEN_LADEN: Final = 30
_BUCKETS: Final = 64

# What may be searched for: a cell to face that …
MARKED: Final = 0  # … carries the mark GOAL
UNKNOWN: Final = 1  # … was never seen
SPARE: Final = 2  # … is empty, and cuts nothing off if something lies there
OFF_PATH: Final = 3  # … is empty and on no way traced so far
DRAWN: Final = 4  # … is empty and carries the mark RANDOM
FREE: Final = 5  # … is empty
NEVER: Final = 6  # … no cell at all: the search goes wherever it can

# Marks of cells.
GOAL: Final = 1
FORBIDDEN: Final = 2  # not to be entered
AVOID: Final = 4  # nothing is to be put there
ON_PATH: Final = 8
RANDOM: Final = 16  # at random

ANY_DIRECTION: Final = -1
_OBSTACLES: Final = PORTABLE | 1 << DOOR_LOCKED
_OPEN_GROUND: Final = 1 << EMPTY | 1 << UNSEEN | DOORS
FAR: Final = 1 << 24
_DX = np.array(DX)
_DY = np.array(DY)
# The eight neighbours of a cell in a ring, from the right one on; the even ones share an edge.
_RING_X = np.array((1, 1, 0, -1, -1, -1, 0, 1))
_RING_Y = np.array((0, 1, 1, 1, 0, -1, -1, -1))


class Chart(NamedTuple):
    """The map of one environment as far as it is known, and memory for searches in it, since
    kernels make no arrays.
    """

    code: NDArray[np.uint8]  # [cells] what each cell holds; UNSEEN where that is not known
    cost: NDArray[np.int32]  # [cells · 4] of each pose
    parent: NDArray[np.int32]  # [cells · 4] the pose before it
    mark: NDArray[np.uint8]  # [cells] bits, see above
    toll: NDArray[np.int32]  # [CODES] of entering a cell that holds this
    bucket: NDArray[np.int32]  # [BUCKETS] the first entry of each cost, modulo their number
    queue_pose: NDArray[np.int32]  # [cells · 12] entries of the buckets …
    queue_next: NDArray[np.int32]  # [cells · 12] … and the entry that follows in the same one
    may_differ: NDArray[np.bool_]  # [cells] where one cannot know without looking
    fetching: NDArray[np.int32]  # [64] what it costs to get to each object


def make_chart(layout: Layout) -> Chart:
    """Memory for searches in one grid."""
    cells = len(layout.blank)
    pitch = layout.room_size - 1
    may_differ = np.zeros((cells // layout.stride, layout.stride), np.bool_)
    y, x = np.mgrid[: layout.height, : layout.width]
    inner = (x > 0) & (y > 0) & (x < layout.width - 1) & (y < layout.height - 1)
    corner = (x % pitch == 0) & (y % pitch == 0)
    inside = may_differ[MARGIN : MARGIN + layout.height, MARGIN : MARGIN + layout.width]
    inside[:] = inner & ~corner
    return Chart(
        code=np.zeros(cells, np.uint8),
        cost=np.empty(4 * cells, np.int32),
        parent=np.empty(4 * cells, np.int32),
        mark=np.zeros(cells, np.uint8),
        toll=np.empty(CODES, np.int32),
        bucket=np.empty(_BUCKETS, np.int32),
        queue_pose=np.empty(12 * cells, np.int32),
        queue_next=np.empty(12 * cells, np.int32),
        may_differ=may_differ.ravel(),
        fetching=np.empty(64, np.int32),
    )


@device_function
def set_tolls(
    chart: Chart, openable: int, key_color: int, blocker: int, box: int, door: bool
) -> None:
    """Set the cost of entering each cell.

    Args:
        chart: its tolls are written.
        openable: colours of locked doors that could be opened after fetching a key, a bit each.
        key_color: that of the key in the hands, or NOTHING.
        blocker: toll of a key or a ball in the way; SHUT if it may not be carried away.
        box: toll of a box in the way.
        door: closed doors may be opened.
    """
    for code in range(CODES):
        kind = code & KIND_MASK
        color = code >> COLOR_SHIFT
        toll = SHUT
        if kind == UNSEEN:
            toll = _UNKNOWN
        elif PASSABLE >> kind & 1:
            toll = 1
        elif kind == BOX:
            toll = box
        elif PORTABLE >> kind & 1:
            toll = blocker
        elif kind == DOOR_CLOSED and door:
            toll = _DOOR
        elif kind == DOOR_LOCKED and color < len(COLORS):
            if color == key_color:
                toll = _DOOR
            elif openable >> color & 1:
                toll = _LOCK
        chart.toll[code] = toll


@device_function
def draw_map(state: State, e: int, chart: Chart, knows_all: bool) -> None:
    """Fill in the map of environment ``e``: all that there is, or only what was seen."""
    for cell in range(len(chart.code)):
        if knows_all or state.seen[e, cell]:
            chart.code[cell] = state.grid[e, cell]
        else:
            chart.code[cell] = UNSEEN if chart.may_differ[cell] else WALL


@device_function
def kind_at(chart: Chart, cell: int) -> int:
    """The kind of what a cell holds, as far as it is known."""
    return signed(chart.code[cell]) & KIND_MASK


@device_function
def is_spare(layout: Layout, chart: Chart, cell: int) -> bool:
    """Whether something may be put into an empty cell without cutting anything off.

    The free ones of its eight neighbours have to hang together without it, and an object beside it
    has to be in reach from one of them: then no way becomes longer by more than a few steps.
    """
    free = objects = 0
    for k in range(8):
        kind = kind_at(chart, cell + _RING_X[k] + _RING_Y[k] * layout.stride)
        free |= (_OPEN_GROUND >> kind & 1) << k
        objects |= (PORTABLE >> kind & 1) << k
    runs = 0
    for k in range(0, 8, 2):
        onward = free >> (k + 1 & 7) & free >> (k + 2 & 7) & 1
        back = free >> (k + 7 & 7) & free >> (k + 6 & 7) & 1
        if objects >> k & 1 and not (onward or back):
            return False
        runs += free >> k & 1 and not onward
    return runs <= 1


@device_function
def _is_wanted(layout: Layout, chart: Chart, wanted: int, cell: int) -> bool:
    """Whether a cell is what a search is for."""
    if wanted == MARKED:
        return chart.mark[cell] & GOAL != 0
    if wanted == UNKNOWN:
        return chart.code[cell] == UNSEEN
    if chart.code[cell] != EMPTY_CELL:
        return False
    mark = chart.mark[cell]
    if wanted == SPARE:
        return mark & AVOID == 0 and is_spare(layout, chart, cell)
    if wanted == OFF_PATH:
        return mark & (AVOID | ON_PATH) == 0
    return wanted == FREE or (wanted == DRAWN and mark & RANDOM != 0)


@device_function
def search(layout: Layout, chart: Chart, wanted: int, cell: int, direction: int) -> int:
    """The cheapest pose that faces a wanted cell.

    Dijkstra's algorithm with buckets (Dial, 1969): tolls are small whole numbers.

    Args:
        wanted: MARKED, UNKNOWN, SPARE, OFF_PATH or FREE.
        cell: where to begin.
        direction: which way the agent looks there; ANY_DIRECTION where all are as good.

    Returns:
        The pose, or NOTHING. ``chart.parent`` leads back from it to the beginning.
    """
    for pose in range(len(chart.cost)):
        chart.cost[pose] = FAR
    for k in range(_BUCKETS):
        chart.bucket[k] = NOTHING
    entries = 0
    for first in range(4):
        if direction in (ANY_DIRECTION, first):
            chart.cost[4 * cell + first] = 0
            chart.parent[4 * cell + first] = NOTHING
            chart.queue_pose[entries] = 4 * cell + first
            chart.queue_next[entries] = chart.bucket[0]
            chart.bucket[0] = entries
            entries += 1
    waiting = entries
    cost = 0
    while waiting > 0:
        entry = chart.bucket[cost & (_BUCKETS - 1)]
        if entry == NOTHING:
            cost += 1
            continue
        chart.bucket[cost & (_BUCKETS - 1)] = chart.queue_next[entry]
        waiting -= 1
        pose = signed(chart.queue_pose[entry])
        if chart.cost[pose] != cost:  # a cheaper way to it was found since
            continue
        facing = pose & 3
        front = faced(layout, pose)
        if _is_wanted(layout, chart, wanted, front):
            return pose
        for move in range(3):
            if move == 0:
                if chart.mark[front] & FORBIDDEN:
                    continue
                target = 4 * front + facing
                new = cost + chart.toll[chart.code[front]]
            else:
                target = pose - facing + (facing + 2 * move - 1 & 3)
                new = cost + 1
            if new < chart.cost[target] and new < SHUT:
                chart.cost[target] = new
                chart.parent[target] = pose
                chart.queue_pose[entries] = target
                chart.queue_next[entries] = chart.bucket[new & (_BUCKETS - 1)]
                chart.bucket[new & (_BUCKETS - 1)] = entries
                entries += 1
                waiting += 1
    return NOTHING


@device_function
def faced(layout: Layout, pose: int) -> int:
    """The cell in front of a pose."""
    return (pose >> 2) + _DX[pose & 3] + _DY[pose & 3] * layout.stride


@device_function
def cost_to_face(layout: Layout, chart: Chart, cell: int) -> int:
    """What it costs to face a cell, after a search for NEVER; FAR where there is no way."""
    cost = FAR
    for direction in range(4):
        beside = cell - _DX[direction] - _DY[direction] * layout.stride
        here = chart.cost[4 * beside + direction]
        if here < cost:
            cost = signed(here)
    return cost


@device_function
def mark_at_random(chart: Chart, seed: int) -> None:
    """Mark a random quarter of all cells, others with another seed."""
    for cell in range(len(chart.mark)):
        mixed = (cell * 2654435761 + seed * 40503) & 0xFFFFFFFF
        mixed = (mixed ^ mixed >> 15) * 2246822519 & 0xFFFFFFFF
        if mixed >> 30 == 0:
            chart.mark[cell] |= RANDOM


@device_function
def trace(chart: Chart, goal: int) -> tuple[int, int]:
    """Follow a way back from its end.

    Args:
        chart: as :func:`search` left it.
        goal: the pose that was found.

    Returns:
        The first pose after the beginning (NOTHING if there is none), and the first cell with a
        locked door or an object in it that is entered (NOTHING if there is none).
    """
    first = obstacle = NOTHING
    pose = goal
    while chart.parent[pose] != NOTHING:
        before: int = signed(chart.parent[pose])
        cell = pose >> 2
        if cell != before >> 2 and _OBSTACLES >> kind_at(chart, cell) & 1:
            obstacle = cell
        first = pose
        pose = before
    return first, obstacle


@device_function
def mark_way(layout: Layout, chart: Chart, goal: int) -> None:
    """Mark the cells of a way, but its first, and the cell faced at its end with ON_PATH."""
    chart.mark[faced(layout, goal)] |= ON_PATH
    pose = goal
    while chart.parent[pose] != NOTHING:
        chart.mark[pose >> 2] |= ON_PATH
        pose = signed(chart.parent[pose])


@device_function
def clear_marks(chart: Chart, which: int) -> None:
    """Take some marks away from every cell."""
    keep = ~which & 255
    for cell in range(len(chart.mark)):
        chart.mark[cell] &= keep
