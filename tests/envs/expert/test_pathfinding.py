"""The search against a plain one, and what may lie where without being in the way."""

import heapq

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl_envs.grid.core.cells import (
    BALL,
    BOX,
    DOOR_CLOSED,
    DOOR_LOCKED,
    DX,
    DY,
    EMPTY_CELL,
    KEY,
    WALL_CELL,
    cell,
)
from mmrl_envs.grid.core.state import NOTHING, make_layout
from mmrl_envs.grid.expert import pathfinding as pf

PROPERTY = settings(deadline=None, derandomize=True, max_examples=30)
LAYOUT = make_layout(9, 1, 1, 1)
KINDS = [EMPTY_CELL] * 5 + [
    WALL_CELL,
    cell(BALL, "red"),
    cell(BOX, "grey"),
    cell(KEY, "blue"),
    cell(DOOR_CLOSED, "red"),
    cell(DOOR_LOCKED, "green"),
    cell(DOOR_LOCKED, "blue"),
    0,
]


@numba.njit
def find(layout, chart, start, direction, goal, openable, key_color, blocker, box):
    """Cost of facing ``goal``; -1 where there is no way."""
    pf.set_tolls(chart, openable, key_color, blocker, box, True)
    chart.mark[goal] |= pf.GOAL
    pose = pf.search(layout, chart, pf.MARKED, start, direction)
    return np.int64(-1) if pose == NOTHING else np.int64(chart.cost[pose])


@numba.njit
def first_and_obstacle(layout, chart, start, direction):
    pose = pf.search(layout, chart, pf.MARKED, start, direction)
    return pf.trace(chart, pose)


@numba.njit
def spare(layout, chart, place):
    return pf.is_spare(layout, chart, place)


def chart_of(codes):
    """A chart of a 7 × 7 room."""
    chart = pf.make_chart(LAYOUT)
    chart.code[:] = LAYOUT.blank
    for k, code in enumerate(codes):
        chart.code[LAYOUT.cell_index(1 + k % 7, 1 + k // 7)] = code
    return chart


def plain_cost(chart, start, direction, goal):
    """Dijkstra's algorithm as in a textbook, with the tolls that stand in the chart."""
    queue, done = [(0, start, direction)], set()
    while queue:
        cost, here, facing = heapq.heappop(queue)
        if (here, facing) in done:
            continue
        done.add((here, facing))
        front = here + DX[facing] + DY[facing] * LAYOUT.stride
        if front == goal:
            return cost
        for turned in ((facing + 1) % 4, (facing + 3) % 4):
            heapq.heappush(queue, (cost + 1, here, turned))
        toll = int(chart.toll[chart.code[front]])
        if toll < pf.SHUT:
            heapq.heappush(queue, (cost + toll, front, facing))
    return -1


@PROPERTY
@given(
    st.lists(st.sampled_from(KINDS), min_size=49, max_size=49),
    st.integers(0, 48),
    st.integers(0, 48),
    st.integers(0, 3),
    st.integers(0, 63),
    st.sampled_from([NOTHING, 1, 2]),
    st.sampled_from([pf.BLOCKER, pf.BLOCKER_WHEN_LADEN, pf.SHUT]),
)
def test_search_finds_the_cheapest_way(codes, start, goal, direction, openable, key, blocker):
    chart = chart_of(codes)
    start, goal = (LAYOUT.cell_index(1 + k % 7, 1 + k // 7) for k in (start, goal))
    found = find(LAYOUT, chart, start, direction, goal, openable, key, blocker, blocker)
    assert found == plain_cost(chart, start, direction, goal)


def test_the_path_is_read_from_its_beginning():
    codes = [EMPTY_CELL] * 49
    for row in range(7):
        codes[7 * row + 3] = WALL_CELL
    codes[7 * 2 + 3] = cell(BALL, "red")  # the only gap
    chart = chart_of(codes)
    start, goal = LAYOUT.cell_index(1, 3), LAYOUT.cell_index(7, 3)
    assert find(LAYOUT, chart, start, 0, goal, 0, NOTHING, pf.BLOCKER, pf.SHUT) == 4 + pf.BLOCKER
    first, obstacle = first_and_obstacle(LAYOUT, chart, start, 0)
    assert (first >> 2, first & 3) == (LAYOUT.cell_index(2, 3), 0)
    assert obstacle == LAYOUT.cell_index(4, 3)


@pytest.mark.parametrize(
    ("drawing", "expected"),
    [
        (["...", ".x.", "..."], True),
        (["###", ".x.", "..."], True),
        (["###", ".x.", "###"], False),  # a corridor
        (["###", "#x.", "###"], True),  # its end
        (["#.#", ".x#", "..#"], False),  # round a corner, past a wall
        (["..#", ".x#", "###"], True),  # a corner of a room
        (["#d#", ".x.", "..."], False),  # before a door
        ([".o.", ".x.", "..."], True),
        (["#o#", ".x.", "..."], False),  # an object in a niche
        (["..?", ".x?", "..?"], True),
    ],
)
def test_what_is_put_down_cuts_nothing_off(drawing, expected):
    names = {".": EMPTY_CELL, "#": WALL_CELL, "x": EMPTY_CELL, "?": 0}
    names |= {"d": cell(DOOR_CLOSED, "red"), "o": cell(BALL, "red")}
    codes = [WALL_CELL] * 49
    for y, row in enumerate(drawing):
        for x, letter in enumerate(row):
            codes[7 * (2 + y) + 2 + x] = names[letter]
    chart = chart_of(codes)
    assert bool(spare(LAYOUT, chart, LAYOUT.cell_index(4, 4))) == expected
